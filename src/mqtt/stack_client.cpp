#include <memory>
#include <utility>

#include <tapir/core/parse_address.hpp>
#include <tapir/mqtt/client.hpp>
#include <tapir/mqtt/tcp_transport.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir::mqtt {

namespace {

/// Follows a redirection over the same stack, unless the user does it in another way.
ClientConfig with_transport(Stack& stack, ClientConfig config) {
  if (config.redirection.transport) return config;
  config.redirection.transport = [&tcp = stack.tcp(), port = config.broker.port](const ServerReference& server) {
    const auto address = parse_address(server.host);
    return address ? std::make_unique<TcpTransport>(tcp, Endpoint{*address, server.port.value_or(port)}) : nullptr;
  };
  return config;
}

}  // namespace

Client::Client(Stack& stack, ClientConfig config)
    : Client{stack.context(), std::make_unique<TcpTransport>(stack.tcp(), config.broker), with_transport(stack, std::move(config))} {}

}  // namespace tapir::mqtt
