#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include <support/lab.hpp>
#include <tapir/network/network.hpp>

namespace tapir::test {

/// A network layer without a network: it keeps what a transport sends, and hands up what a test injects. IPv4 in its rules: a header of
/// 20 bytes and the pseudo-header of RFC 768.
class FakeNetwork final : public network::Network {
 public:
  /// What a transport handed down.
  struct Sent {
    Bytes packet;      ///< from the transport header on, its checksum completed as a link would
    Bytes handed;      ///< the same as it was handed down
    network::Send to;  ///< as given, but for `options`, which is empty here
    Bytes options;     ///< the IPv4 options given
    IpAddress source;  ///< the one given, or the one selected
    PacketMeta meta;
    std::uintptr_t last_run;  ///< where the packet's last run of bytes lies: shows whether payload was copied
  };
  struct Refused {
    Bytes packet;
    network::Received from;  ///< without options
    network::Refusal why;
  };
  struct Advice {
    IpAddress destination;
    bool progress;
  };

  explicit FakeNetwork(PacketPool& pool, std::vector<Ipv4Prefix> own = {Ipv4Prefix{Ipv4Address{0xc0000202U}, 24}})
      : addresses{std::move(own)}, pool_{pool} {}

  [[nodiscard]] Result<> encapsulate(Packet&& packet, const network::Send& to) override;
  void attach(network::Protocol protocol, Demultiplexer<network::Received>& upper, network::ErrorReceiver* errors) override;
  [[nodiscard]] Result<IpAddress> select_source(IpAddress destination) const override;
  [[nodiscard]] bool is_own(IpAddress address) const noexcept override;
  [[nodiscard]] bool is_group(IpAddress address) const noexcept override;
  [[nodiscard]] bool can_be_host(IpAddress address) const noexcept override;
  [[nodiscard]] Result<std::vector<std::byte>> source_route(std::span<const IpAddress> hops) const override;
  [[nodiscard]] std::vector<std::byte> return_route(std::span<const std::byte> options, IpAddress sender) const override;
  [[nodiscard]] std::size_t path_mtu(IpAddress) const noexcept override { return mtu; }
  [[nodiscard]] std::optional<std::uint16_t> advertised_segment(IpAddress) const noexcept override { return advmss; }
  void narrow_path(const network::ErrorReport& report) override {
    narrowed.push_back(report);
    mtu = std::min<std::size_t>(mtu, report.next_hop_mtu);
  }
  [[nodiscard]] std::optional<TimePoint> queued_until(IpAddress) const noexcept override { return busy_until; }
  [[nodiscard]] std::size_t header_size(IpAddress) const noexcept override { return 20; }
  [[nodiscard]] std::size_t reassembly_limit() const noexcept override { return reassembly; }
  [[nodiscard]] std::size_t max_super_segment(IpAddress) const noexcept override { return super_segment; }
  [[nodiscard]] bool writable(IpAddress) const noexcept override { return accepts; }
  [[nodiscard]] std::uint16_t pseudo_header_sum(IpAddress source, IpAddress destination, network::Protocol protocol,
                                                std::size_t transport_size) const noexcept override;
  void refuse(Packet packet, const network::Received& from, network::Refusal why) override;
  void advise(IpAddress destination, bool progress) override { advices.push_back({destination, progress}); }
  [[nodiscard]] Result<> join(IpAddress group, std::optional<InterfaceIndex> interface) override;
  void leave(IpAddress group, std::optional<InterfaceIndex>) override { groups.erase(group); }

  /// What would be reported of a unicast datagram from `source` to `destination`: TTL 64, no options.
  [[nodiscard]] static network::Received received(network::Protocol protocol, IpAddress source, IpAddress destination);
  /// Hands a datagram's payload to the transport attached for from.protocol. The reassembled payload may be shorter than `bytes` in tests of
  /// truncation: it is handed up as it is. Drop::unknown_protocol when nobody is attached.
  Accepted inject(std::span<const std::byte> bytes, const network::Received& from);
  Accepted inject(Packet packet, const network::Received& from);
  /// Hands an error report to the transport attached for `quoted`.
  void report(network::Protocol quoted, const network::ErrorReport& report);
  /// Takes everything sent so far, oldest first.
  [[nodiscard]] std::vector<Sent> take() { return std::exchange(sent, {}); }

  std::vector<Ipv4Prefix> addresses;     ///< this host's own; the first is the default source
  std::size_t mtu = 1500;                ///< path_mtu() of everywhere, in bytes
  std::optional<std::uint16_t> advmss;   ///< advertised_segment() of everywhere
  std::optional<TimePoint> busy_until;   ///< queued_until() of everywhere
  std::size_t reassembly = 65535;        ///< reassembly_limit()
  std::size_t super_segment = 0;         ///< max_super_segment()
  bool accepts = true;                   ///< writable(); while false encapsulate() fails with Error::would_block
  std::optional<Error> failure;          ///< what encapsulate() and select_source() fail with
  std::size_t taken_before_failure = 0;  ///< packets that encapsulate() still takes
  std::function<void()> while_sending;   ///< called in encapsulate()
  std::vector<Sent> sent;
  std::vector<Refused> refused;
  std::vector<Advice> advices;
  std::vector<network::ErrorReport> narrowed;  ///< what narrow_path() was given
  std::set<IpAddress> groups;                  ///< joined now

 private:
  struct Upper {
    Demultiplexer<network::Received>* upper;
    network::ErrorReceiver* errors;
  };
  PacketPool& pool_;
  std::map<network::Protocol, Upper> uppers_;
};

}  // namespace tapir::test
