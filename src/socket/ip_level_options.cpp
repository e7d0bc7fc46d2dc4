// IPPROTO_IP (man 7 ip).

#include <cstddef>

#include "environment.hpp"
#include "option_table.hpp"
#include "socket.hpp"

namespace tapir::posix::detail {

namespace {

template <auto Member>
Result<OptionValue> get(Socket& socket) {
  return OptionValue{static_cast<int>(socket.options().*Member)};
}

template <auto Member>
Result<> set_flag(Socket& socket, OptionBytes bytes) {
  const auto value = int_or_byte_of(bytes);
  if (!value) return fail(value.error());
  socket.options().*Member = *value != 0;
  return {};
}

/// Of these no bytes at all are none.
template <auto Member>
Result<> set_given_flag(Socket& socket, OptionBytes bytes) {
  return bytes.empty() ? error(EINVAL) : set_flag<Member>(socket, bytes);
}

template <auto Member>
constexpr Option given_flag(int name) {
  return {IPPROTO_IP, name, get<Member>, set_given_flag<Member>};
}

template <auto Member>
constexpr Option flag(int name) {
  return {IPPROTO_IP, name, get<Member>, set_flag<Member>};
}

Result<> set_tos(Socket& socket, OptionBytes bytes) {
  const auto value = int_or_byte_of(bytes);
  if (!value) return fail(value.error());
  constexpr int kEcnBits = 3;  // of a stream they belong to TCP
  const int kept = socket.type() == SOCK_STREAM ? socket.options().tos & kEcnBits : 0;
  const int wanted = socket.type() == SOCK_STREAM ? *value & ~kEcnBits : *value;
  socket.options().tos = static_cast<std::uint8_t>(wanted | kept);
  return {};
}

Result<OptionValue> get_ttl(Socket& socket) {
  const int ttl = socket.options().ttl;
  return OptionValue{ttl > 0 ? ttl : static_cast<int>(socket.shared().stack().ipv4().config().default_ttl)};
}

Result<> set_ttl(Socket& socket, OptionBytes bytes) {
  if (bytes.empty()) return error(EINVAL);
  const auto value = int_or_byte_of(bytes);
  if (!value) return fail(value.error());
  if (*value != -1 && (*value < 1 || *value > 255)) return error(EINVAL);
  socket.options().ttl = *value;
  return {};
}

/// Only TCP looks at it: whoever relies on it elsewhere must know.
Result<> set_minimum_ttl(Socket& socket, OptionBytes bytes) {
  if (socket.type() != SOCK_STREAM) return error(ENOPROTOOPT);
  if (bytes.empty()) return error(EINVAL);
  const auto value = int_or_byte_of(bytes);
  if (!value) return fail(value.error());
  if (*value < 0 || *value > 255) return error(EINVAL);
  socket.options().minimum_ttl = *value;
  return {};
}

Result<> set_multicast_ttl(Socket& socket, OptionBytes bytes) {
  if (socket.type() == SOCK_STREAM || bytes.empty()) return error(EINVAL);
  const auto value = int_or_byte_of(bytes);
  if (!value) return fail(value.error());
  if (*value < -1 || *value > 255) return error(EINVAL);
  socket.options().multicast_ttl = *value == -1 ? 1 : *value;
  return {};
}

Result<> set_multicast_all(Socket& socket, OptionBytes bytes) {
  if (bytes.empty()) return error(EINVAL);
  const auto value = int_or_byte_of(bytes);
  if (!value) return fail(value.error());
  if (*value != 0 && *value != 1) return error(EINVAL);
  socket.options().multicast_all = *value != 0;
  return {};
}

Result<OptionValue> get_multicast_interface(Socket& socket) { return OptionValue{socket.options().multicast_interface}; }

/// Takes an address, or a structure that holds one behind the group's.
Result<> set_multicast_interface(Socket& socket, OptionBytes bytes) {
  if (socket.type() == SOCK_STREAM || bytes.size() < sizeof(in_addr)) return error(EINVAL);
  in_addr address{};
  const std::size_t offset = bytes.size() >= sizeof(ip_mreq) ? offsetof(ip_mreq, imr_interface) : 0;
  std::memcpy(&address, bytes.data() + offset, sizeof(address));
  const IpAddress wanted = Ipv4Address{ntohl(address.s_addr)};
  if (!wanted.is_unspecified() && !socket.shared().stack().ipv4().is_own(wanted)) return error(EADDRNOTAVAIL);
  socket.options().multicast_interface = address.s_addr;
  return {};
}

Result<> set_mtu_discover(Socket& socket, OptionBytes bytes) {
  const auto value = int_or_byte_of(bytes);
  if (!value) return fail(value.error());
  if (*value < IP_PMTUDISC_DONT || *value > IP_PMTUDISC_OMIT) return error(EINVAL);
  socket.options().mtu_discover = *value;
  return {};
}

Result<OptionValue> get_mtu(Socket& socket) {
  const auto peer = socket.peer();
  if (!peer) return error(ENOTCONN);
  return OptionValue{static_cast<int>(socket.shared().stack().ipv4().path_mtu(peer->address))};
}

Result<> set_receive_errors(Socket& socket, OptionBytes bytes) {
  auto set = set_flag<&SocketOptions::receive_errors>(socket, bytes);
  if (set && !socket.options().receive_errors) socket.forget_errors();
  return set;
}

Result<> set_header_included(Socket& socket, OptionBytes bytes) {
  if (socket.type() != SOCK_RAW) return error(ENOPROTOOPT);
  return set_flag<&SocketOptions::header_included>(socket, bytes);
}

Result<> set_receive_original_address(Socket& socket, OptionBytes bytes) {
  if (socket.type() != SOCK_DGRAM) return error(ENOPROTOOPT);
  return set_flag<&SocketOptions::receive_original_address>(socket, bytes);
}

Result<IpAddress> group_of(OptionBytes bytes) {
  ip_mreq request{};
  if (bytes.size() < sizeof(request)) return error(EINVAL);
  std::memcpy(&request, bytes.data(), sizeof(request));
  const Ipv4Address group{ntohl(request.imr_multiaddr.s_addr)};
  if (!group.is_multicast()) return error(EINVAL);
  return IpAddress{group};
}

Result<> join_group(Socket& socket, OptionBytes bytes) {
  const auto group = group_of(bytes);
  return group ? socket.join(*group) : fail(group.error());
}

Result<> leave_group(Socket& socket, OptionBytes bytes) {
  const auto group = group_of(bytes);
  return group ? socket.leave(*group) : fail(group.error());
}

constexpr Option kRows[] = {
    {IPPROTO_IP, IP_TOS, get<&SocketOptions::tos>, set_tos},
    {IPPROTO_IP, IP_TTL, get_ttl, set_ttl},
    {IPPROTO_IP, IP_MINTTL, get<&SocketOptions::minimum_ttl>, set_minimum_ttl},
    {IPPROTO_IP, IP_MULTICAST_TTL, get<&SocketOptions::multicast_ttl>, set_multicast_ttl},
    {IPPROTO_IP, IP_MULTICAST_IF, get_multicast_interface, set_multicast_interface},
    {IPPROTO_IP, IP_MTU_DISCOVER, get<&SocketOptions::mtu_discover>, set_mtu_discover},
    {IPPROTO_IP, IP_MTU, get_mtu, nullptr},
    {IPPROTO_IP, IP_HDRINCL, get<&SocketOptions::header_included>, set_header_included},
    {IPPROTO_IP, IP_ADD_MEMBERSHIP, nullptr, join_group},
    {IPPROTO_IP, IP_DROP_MEMBERSHIP, nullptr, leave_group},
    given_flag<&SocketOptions::multicast_loop>(IP_MULTICAST_LOOP),
    {IPPROTO_IP, IP_MULTICAST_ALL, get<&SocketOptions::multicast_all>, set_multicast_all},
    {IPPROTO_IP, IP_RECVERR, get<&SocketOptions::receive_errors>, set_receive_errors},
    flag<&SocketOptions::packet_info>(IP_PKTINFO),
    flag<&SocketOptions::receive_ttl>(IP_RECVTTL),
    flag<&SocketOptions::receive_tos>(IP_RECVTOS),
    given_flag<&SocketOptions::free_bind>(IP_FREEBIND),
    given_flag<&SocketOptions::transparent>(IP_TRANSPARENT),
    flag<&SocketOptions::bind_address_no_port>(IP_BIND_ADDRESS_NO_PORT),
    {IPPROTO_IP, IP_RECVORIGDSTADDR, get<&SocketOptions::receive_original_address>, set_receive_original_address},
};

}  // namespace

std::span<const Option> ip_level_options() noexcept { return kRows; }

}  // namespace tapir::posix::detail
