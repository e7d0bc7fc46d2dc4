#include <tapir/mqtt/tcp_transport.hpp>

#include <array>

namespace tapir::mqtt {

Result<> TcpTransport::open() {
  if (connection_) return fail(tapir::Error::already_connected);
  auto connection = tcp_.connect(broker_, options_);
  if (!connection) return fail(connection.error());
  connection_ = std::move(*connection);
  connection_.set_nagle(false);  // packets are gathered before they come here; waiting for an ACK would only delay PUBACK and the like
  closing_ = false;
  connection_.handle({.connected = [this] { tell(&TransportUser::on_open); },
                      .readable = [this] { on_readable(); },
                      .writable = [this] { tell(&TransportUser::on_writable); },
                      .acknowledged = [this] { tell(&TransportUser::on_acknowledged); },
                      .peer_closed = [this] { on_readable(); },
                      .closed = [this](std::error_code error) { on_closed(error); }});
  return {};
}

Result<std::size_t> TcpTransport::send(std::span<const std::byte> bytes) { return connection_.send(bytes); }

Result<std::size_t> TcpTransport::receive(std::span<std::byte> into) { return connection_.receive(into); }

void TcpTransport::close() {
  if (!connection_ || closing_) return;
  closing_ = true;
  if (!connection_.shutdown()) connection_.close();
}

void TcpTransport::abort() {
  connection_.abort();
  connection_ = {};
}

void TcpTransport::tell(void (TransportUser::*event)()) {
  if (user_ != nullptr) (user_->*event)();
}

void TcpTransport::on_readable() {
  if (!closing_) return tell(&TransportUser::on_readable);
  std::array<std::byte, 2048> unwanted;
  for (;;) {
    const auto received = connection_.receive(unwanted);
    if (received && *received > 0) continue;
    if (received) connection_.close();
    return;
  }
}

void TcpTransport::on_closed(std::error_code error) {
  connection_ = {};
  if (user_ != nullptr) user_->on_closed(error);
}

}  // namespace tapir::mqtt
