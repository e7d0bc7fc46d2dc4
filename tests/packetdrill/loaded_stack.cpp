#include "loaded_stack.hpp"

#include <arpa/inet.h>
#include <dlfcn.h>

#include <tins/rawpdu.h>
#include <catch2/catch.hpp>

namespace tapir::test {

LoadedStack::LoadedStack(const std::string& flags) : handle_{dlopen(ADAPTER, RTLD_NOW | RTLD_LOCAL)} {
  INFO((handle_ == nullptr ? dlerror() : ""));
  REQUIRE(handle_ != nullptr);
  const auto init = reinterpret_cast<decltype(&packetdrill_interface_init)>(exported("packetdrill_interface_init"));
  REQUIRE(init != nullptr);
  init(flags.c_str(), &interface_);
}

LoadedStack::~LoadedStack() { interface_.free(interface_.userdata); }

void* LoadedStack::exported(const char* name) const { return dlsym(handle_, name); }

std::chrono::microseconds LoadedStack::look_at_clock() {
  timeval now{};
  REQUIRE(interface_.gettimeofday(self(), &now, nullptr) == 0);
  return std::chrono::seconds{now.tv_sec} + std::chrono::microseconds{now.tv_usec};
}

void LoadedStack::inject(unsigned flags, std::uint32_t seq, std::uint32_t ack, std::size_t payload, std::uint16_t stack_port) {
  Tins::TCP tcp{stack_port, kPeersPort};
  tcp.flags(static_cast<std::uint16_t>(flags));
  tcp.seq(seq);
  tcp.ack_seq(ack);
  tcp.window(65535);
  if (flags == Tins::TCP::SYN) tcp.mss(1000);
  Tins::IP ip = Tins::IP{kOurs, kPeers} / tcp;
  ip.ttl(64);
  if (payload > 0) ip /= Tins::RawPDU{std::string(payload, 'x')};
  const auto bytes = ip.serialize();
  REQUIRE(interface_.netdev_send(self(), bytes.data(), bytes.size()) == 0);
}

void LoadedStack::inject_syn() { inject(Tins::TCP::SYN, 0, 0); }

std::optional<Left> LoadedStack::receive() {
  std::vector<std::uint8_t> bytes(65535);
  std::size_t size = bytes.size();
  long long at = 0;
  REQUIRE(interface_.netdev_receive(self(), bytes.data(), &size, &at) == 0);
  if (size == 0) return std::nullopt;
  Tins::IP ip{bytes.data(), static_cast<std::uint32_t>(size)};
  const auto* tcp = ip.find_pdu<Tins::TCP>();
  REQUIRE(tcp != nullptr);
  const std::size_t headers = std::size_t{ip.head_len()} * 4 + std::size_t{tcp->data_offset()} * 4;
  return Left{ip, *tcp, size - headers, std::chrono::microseconds{at}};
}

sockaddr_in LoadedStack::address(const char* host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  REQUIRE(inet_pton(AF_INET, host, &address.sin_addr) == 1);
  return address;
}

int LoadedStack::listening() {
  const int listener = interface_.socket(self(), AF_INET, SOCK_STREAM, IPPROTO_TCP);
  REQUIRE(listener >= 0);
  const sockaddr_in any = address("0.0.0.0", kListening);
  REQUIRE(interface_.bind(self(), listener, reinterpret_cast<const sockaddr*>(&any), sizeof(any)) == 0);
  REQUIRE(interface_.listen(self(), listener, 1) == 0);
  return listener;
}

int LoadedStack::accepted(std::uint32_t& isn) {
  const int listener = listening();
  inject_syn();
  const auto syn_ack = receive();
  REQUIRE(syn_ack);
  REQUIRE(syn_ack->tcp.flags() == (Tins::TCP::SYN | Tins::TCP::ACK));
  isn = syn_ack->tcp.seq();
  inject(Tins::TCP::ACK, 1, isn + 1);
  const int connection = interface_.accept(self(), listener, nullptr, nullptr);
  REQUIRE(connection >= 0);
  return connection;
}

}  // namespace tapir::test
