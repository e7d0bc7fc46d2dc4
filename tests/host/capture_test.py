"""tshark reads what device_publisher captured: nothing malformed, no bad checksum, no error."""
import pathlib
import subprocess
import tempfile
import unittest

import lab

lab.require("tshark", "mosquitto")
CHECKED = [word for protocol in ("ip", "tcp", "udp") for word in ("-o", f"{protocol}.check_checksum:TRUE")]


def tshark(file, display_filter):
    """One line for each packet that the filter picks."""
    done = subprocess.run(["tshark", "-r", file, *CHECKED, "-Y", display_filter], capture_output=True, text=True, check=True, timeout=lab.SECONDS)
    return done.stdout.splitlines()


class CaptureTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.file = pathlib.Path(folder.name) / "publisher.pcapng"
        with lab.Broker():
            subprocess.run([lab.programs() / "device_publisher", "--tap", "tap0", "--address", f"{lab.STACK}/24", "--broker", lab.HOST,
                            "--topic", "room/temperature", "--count", "5", "--interval", "0.1", "--pcap", cls.file],
                           check=True, stdout=subprocess.DEVNULL, timeout=lab.SECONDS)

    def test_every_layer_is_there(self):
        for display_filter, least in (("arp.opcode == 1", 1), ("arp.opcode == 2", 1), ("tcp.flags.syn == 1", 2), ("mqtt.msgtype == 1", 1),
                                      ("mqtt.msgtype == 2", 1), ("mqtt.msgtype == 3", 5), ("mqtt.msgtype == 4", 5), ("tcp.flags.fin == 1", 2)):
            self.assertGreaterEqual(len(tshark(self.file, display_filter)), least, display_filter)

    def test_checksums_are_verified_and_good(self):
        self.assertEqual(tshark(self.file, "ip.checksum.status == Bad || tcp.checksum.status == Bad || udp.checksum.status == Bad"), [])
        self.assertEqual(tshark(self.file, "tcp && !(tcp.checksum.status == Good && ip.checksum.status == Good)"), [])

    def test_nothing_is_malformed_or_an_error(self):
        self.assertEqual(tshark(self.file, "_ws.malformed || _ws.expert.severity == error"), [])

    def test_a_flipped_bit_would_be_found(self):
        """The twin: the same checks see a damaged packet."""
        damaged = self.file.with_name("damaged.pcapng")
        data = bytearray(self.file.read_bytes())
        data[data.rindex(b"room/temperature")] ^= 0x01
        damaged.write_bytes(data)
        self.assertEqual(len(tshark(damaged, "tcp.checksum.status == Bad")), 1)


if __name__ == "__main__":
    lab.main()
