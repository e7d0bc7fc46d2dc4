#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <tapir/core/addresses.hpp>
#include <tapir/mqtt/transport.hpp>
#include <tapir/tcp/connection.hpp>
#include <tapir/tcp/tcp.hpp>

namespace tapir::mqtt {

/// MQTT over our own TCP, by convention to port 1883 (8883 is TLS). `tcp` outlives the transport. Destroying it closes as a
/// tcp::Connection does.
class TcpTransport final : public Transport {
 public:
  TcpTransport(tcp::Tcp& tcp, Endpoint broker, tcp::ConnectOptions options = {})
      : tcp_{tcp}, broker_{broker}, options_{std::move(options)} {}
  TcpTransport(const TcpTransport&) = delete;
  TcpTransport& operator=(const TcpTransport&) = delete;

  void attach(TransportUser* user) noexcept override { user_ = user; }
  [[nodiscard]] Result<> open() override;
  [[nodiscard]] Result<std::size_t> send(std::span<const std::byte> bytes) override;
  [[nodiscard]] Result<std::size_t> receive(std::span<std::byte> into) override;
  /// What the peer still sends is thrown away until it closes too: a full close at once would answer that with a reset, which may
  /// overtake the bytes sent last.
  void close() override;
  void abort() override;
  [[nodiscard]] std::size_t unacknowledged() const override { return connection_.unacknowledged(); }
  [[nodiscard]] std::string peer() const override { return to_string(broker_); }
  /// That no host answers is known by ARP; ICMP's word alone does not end an attempt to connect (RFC 9293 section 3.9.2.2).
  [[nodiscard]] LayerId failed_layer(std::error_code error) const override {
    return error == tapir::Error::host_unreachable ? LayerId::arp : Transport::failed_layer(error);
  }

 private:
  void tell(void (TransportUser::*event)());
  void on_readable();
  void on_closed(std::error_code error);

  tcp::Tcp& tcp_;
  Endpoint broker_;
  tcp::ConnectOptions options_;
  tcp::Connection connection_;
  TransportUser* user_ = nullptr;
  bool closing_ = false;
};

}  // namespace tapir::mqtt
