#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tins/ethernetII.h>
#include <tins/icmp.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>

#include <tapir/sim/cable.hpp>
#include <tapir/sim/world.hpp>
#include <tapir/stack/stack.hpp>

#include "pair.hpp"

namespace tapir::test {

inline constexpr unsigned kFin = Tins::TCP::FIN;
inline constexpr unsigned kSyn = Tins::TCP::SYN;
inline constexpr unsigned kRst = Tins::TCP::RST;
inline constexpr unsigned kAck = Tins::TCP::ACK;

/// One whole stack, 192.0.2.1, on a cable with a host, 192.0.2.2, that has no stack: libtins writes and reads its frames, and it says exactly
/// what a test tells it to.
class ScriptedHost : private Demultiplexer<link::Received> {
 public:
  struct Heard {
    unsigned flags = 0;
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
    std::string payload;
    std::vector<std::uint8_t> datagram;  ///< the whole of it, from the IPv4 header on
  };
  /// What is left out is as the conversation stands: the next number, which then advances, and everything heard acknowledged.
  struct Say {
    unsigned flags = kAck;
    std::string payload = {};
    std::optional<std::uint32_t> seq = {};
    std::optional<std::uint32_t> ack = {};
  };

  explicit ScriptedHost(Observer* observer, tcp::Config config = {}) {
    StackConfig left{
        .address = Ipv4Prefix{kLeftAddress, 24}, .mac = MacAddress{{2, 0, 0, 0, 0, 1}}, .observer = observer, .tcp = std::move(config)};
    stack.emplace(world, cable.left(), left);
    (void)stack->arp().add_static(kRightAddress, MacAddress{{2, 0, 0, 0, 0, 2}});
    end_ = cable.right();
    end_->attach(this);
  }
  ~ScriptedHost() override { end_->attach(nullptr); }
  ScriptedHost(const ScriptedHost&) = delete;
  ScriptedHost& operator=(const ScriptedHost&) = delete;

  void say(const Say& say) {
    auto frame = header();
    Tins::TCP tcp{stack_port, port};
    tcp.flags(static_cast<Tins::small_uint<12>>(static_cast<std::uint16_t>(say.flags)));
    tcp.seq(say.seq.value_or(nxt));
    tcp.ack_seq((say.flags & kAck) != 0 ? say.ack.value_or(rcv) : 0);
    tcp.window(65535);
    frame /= tcp;
    if (!say.payload.empty()) frame /= Tins::RawPDU{say.payload};
    if (!say.seq) nxt += length(say.flags, say.payload.size());
    put(frame);
  }
  /// An ICMP error that quotes what the stack sent.
  void complain(std::uint8_t type, std::uint8_t code, const Heard& about) {
    Tins::ICMP icmp{static_cast<Tins::ICMP::Flags>(type)};
    icmp.code(code);
    auto frame =
        header() / icmp / Tins::RawPDU{about.datagram.data(), static_cast<std::uint32_t>(std::min<std::size_t>(about.datagram.size(), 28))};
    put(frame);
  }
  /// The segments that came since the last call.
  std::vector<Heard> hear() { return std::exchange(heard_, {}); }

  sim::World world{{.seed = 1}};
  sim::Cable cable{world, {.delay = std::chrono::microseconds{50}, .carries_fcs = false}};
  std::optional<Stack> stack;
  std::uint16_t port = 5000;         ///< this host's
  std::uint16_t stack_port = 7;      ///< the stack's
  std::uint32_t nxt = 0xffff'fff0U;  ///< the next number to send: the wrap comes soon
  std::uint32_t rcv = 0;             ///< the next number expected

 private:
  static Tins::EthernetII header() {
    return Tins::EthernetII{"02:00:00:00:00:01", "02:00:00:00:00:02"} / Tins::IP{"192.0.2.1", "192.0.2.2"};
  }
  void put(Tins::EthernetII& frame) {
    const auto bytes = frame.serialize();
    Packet packet{world.pool(), bytes.size()};
    packet.append_copy(std::as_bytes(std::span{bytes}));
    (void)end_->transmit(std::move(packet));
    world.run_for(std::chrono::milliseconds{1});
  }
  static std::uint32_t length(unsigned flags, std::size_t payload) {
    return static_cast<std::uint32_t>(payload) + ((flags & kSyn) != 0 ? 1U : 0U) + ((flags & kFin) != 0 ? 1U : 0U);
  }
  Accepted demultiplex(Packet&& packet, const link::Received& /*from*/) override {
    const auto bytes = packet.bytes();
    const Tins::EthernetII frame{reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<std::uint32_t>(bytes.size())};
    const auto* tcp = frame.find_pdu<Tins::TCP>();
    if (tcp == nullptr) return {};
    Heard heard{static_cast<unsigned>(tcp->flags()), tcp->seq(), tcp->ack_seq(), {}, {}};
    heard.datagram.assign(reinterpret_cast<const std::uint8_t*>(bytes.data()) + 14,
                          reinterpret_cast<const std::uint8_t*>(bytes.data()) + bytes.size());
    if (const auto* raw = tcp->find_pdu<Tins::RawPDU>()) heard.payload.assign(raw->payload().begin(), raw->payload().end());
    stack_port = tcp->sport();
    if ((heard.flags & kSyn) != 0) rcv = heard.seq;
    if (heard.seq == rcv) rcv += length(heard.flags, heard.payload.size());
    heard_.push_back(std::move(heard));
    return {};
  }

  std::unique_ptr<link::Link> end_;
  std::vector<Heard> heard_;
};

}  // namespace tapir::test
