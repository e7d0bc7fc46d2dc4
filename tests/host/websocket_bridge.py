"""A WebSocket server before a broker that has none: each connection's binary frames become a TCP stream to it. By python3-websockets.

usage: websocket_bridge.py ADDRESS PORT BROKER_PORT [CERTIFICATE KEY]
"""
import asyncio
import ssl
import sys

import websockets


async def main(address, port, broker_port, certificate=None, key=None):
    async def serve(socket):
        reader, writer = await asyncio.open_connection(address, int(broker_port))

        async def down():
            async for message in socket:
                if not isinstance(message, bytes):
                    return
                writer.write(message)
                await writer.drain()

        async def up():
            while data := await reader.read(4096):
                await socket.send(data)

        tasks = [asyncio.create_task(down()), asyncio.create_task(up())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        writer.close()
        await socket.close()

    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
    async with websockets.serve(serve, address, int(port), subprotocols=["mqtt"], ssl=context, ping_interval=0.2):
        print("bridge: ready", flush=True)
        await asyncio.Future()


asyncio.run(main(*sys.argv[1:]))
