#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <tapir/core/addresses.hpp>
#include <tapir/mqtt/transport.hpp>
#include <tapir/runtime/host_socket.hpp>

namespace tapir::mqtt {

/// MQTT over the kernel's TCP. The name may be a DNS name or an address of either family; see HostSocket for how it is looked up. Its
/// errors are the system's, which compare equal to the std::errc of the same meaning, and resolver_category()'s.
class HostTransport final : public Transport {
 public:
  /// `local`: the address of this host to connect from; empty: the kernel chooses.
  HostTransport(Runtime& runtime, std::string host, Port port, std::string local = {});

  void attach(TransportUser* user) noexcept override { user_ = user; }
  [[nodiscard]] Result<> open() override { return socket_.connect(); }
  [[nodiscard]] Result<std::size_t> send(std::span<const std::byte> bytes) override { return socket_.send(bytes); }
  [[nodiscard]] Result<std::size_t> receive(std::span<std::byte> into) override { return socket_.receive(into); }
  void close() override { socket_.close(); }
  void abort() override { socket_.abort(); }
  [[nodiscard]] std::size_t unacknowledged() const override { return socket_.unacknowledged(); }
  [[nodiscard]] std::string peer() const override { return socket_.peer(); }
  /// The kernel does not say whether ARP or a router found out that a host cannot be reached: that is LayerId::ipv4.
  [[nodiscard]] LayerId failed_layer(std::error_code error) const override {
    return error.category() == resolver_category() ? LayerId::dns : Transport::failed_layer(error);
  }

 private:
  void tell(void (TransportUser::*event)());

  HostSocket socket_;
  TransportUser* user_ = nullptr;
};

}  // namespace tapir::mqtt
