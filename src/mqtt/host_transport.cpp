#include <tapir/mqtt/host_transport.hpp>

namespace tapir::mqtt {

HostTransport::HostTransport(Runtime& runtime, std::string host, Port port, std::string local)
    : socket_{runtime, std::move(host), port, std::move(local)} {
  socket_.handle({.connected = [this] { tell(&TransportUser::on_open); },
                  .readable = [this] { tell(&TransportUser::on_readable); },
                  .writable = [this] { tell(&TransportUser::on_writable); },
                  .acknowledged = [this] { tell(&TransportUser::on_acknowledged); },
                  .closed =
                      [this](std::error_code error) {
                        if (user_ != nullptr) user_->on_closed(error);
                      }});
}

void HostTransport::tell(void (TransportUser::*event)()) {
  if (user_ != nullptr) (user_->*event)();
}

}  // namespace tapir::mqtt
