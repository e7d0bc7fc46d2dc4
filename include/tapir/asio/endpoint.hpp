#pragma once

#include <optional>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>

#include <tapir/core/addresses.hpp>

namespace tapir::asio {

/// The same endpoint as Boost.Asio writes it: to_asio<boost::asio::ip::tcp>({"192.0.2.1"_ipv4, tapir::Port{80}}).
template <class Protocol>
[[nodiscard]] typename Protocol::endpoint to_asio(const Endpoint& endpoint) {
  return {boost::asio::ip::address_v4{endpoint.address.v4().value()}, endpoint.port.value()};
}

/// And back; nullopt for an address of a family that tapir does not have.
template <class Protocol>
[[nodiscard]] std::optional<Endpoint> from_asio(const boost::asio::ip::basic_endpoint<Protocol>& endpoint) {
  if (!endpoint.address().is_v4()) return std::nullopt;
  return Endpoint{Ipv4Address{endpoint.address().to_v4().to_uint()}, Port{endpoint.port()}};
}

}  // namespace tapir::asio
