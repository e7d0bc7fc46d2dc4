#include <memory>
#include <utility>

#include <tapir/mqtt/client.hpp>
#include <tapir/mqtt/tcp_transport.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir::mqtt {

Client::Client(Stack& stack, ClientConfig config)
    : Client{stack.context(), std::make_unique<TcpTransport>(stack.tcp(), config.broker), std::move(config)} {}

}  // namespace tapir::mqtt
