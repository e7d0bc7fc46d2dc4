#pragma once

#include <cstdint>
#include <functional>

#include <tapir/arp/message.hpp>
#include <tapir/core/context.hpp>
#include <tapir/core/layer.hpp>
#include <tapir/ethernet/ether_type.hpp>

namespace tapir::arp {

struct RarpConfig {
  Duration first_interval = std::chrono::seconds{1};  ///< until the second request; doubled each time
  Duration max_interval = std::chrono::seconds{16};
  Duration timeout = std::chrono::seconds{60};  ///< of the whole attempt
};

struct RarpStats {
  std::uint64_t out_requests = 0;
  std::uint64_t out_failed = 0;  ///< of those, refused by the layer below
};

/// The reply that tells the station which asked by `request` that its address is `address`; `own` and `server` are the answering server's.
[[nodiscard]] Message reverse_reply(const Message& request, MacAddress own, Ipv4Address server, Ipv4Address address) noexcept;

/// RARP client (RFC 903): asks a server which IPv4 address belongs to our hardware address. `below` and `context` must outlive it; attach it
/// there for EtherType::rarp. One thread.
class Rarp final : public Demultiplexer<ethernet::Received> {
 public:
  using Handler = std::function<void(Result<Ipv4Address>)>;

  Rarp(Context& context, Encapsulator<ethernet::Send>& below, MacAddress own, RarpConfig config = {});

  /// Asks until an answer comes: `done` gets the address, or Error::timed_out. A request under way ends with Error::operation_canceled.
  void request(Handler done);
  /// Ends a request under way; its handler gets Error::operation_canceled.
  void cancel();
  [[nodiscard]] bool pending() const noexcept { return static_cast<bool>(done_); }

  [[nodiscard]] Accepted demultiplex(Packet&& packet, const ethernet::Received& from) override;
  [[nodiscard]] const RarpStats& stats() const noexcept { return stats_; }
  [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }

 private:
  void on_timer();
  void send_request();
  void finish(Result<Ipv4Address> outcome);

  Context& context_;
  Encapsulator<ethernet::Send>& below_;
  MacAddress own_;
  RarpConfig config_;
  Timer timer_;
  Handler done_;
  Duration interval_{};
  TimePoint give_up_at_{};
  RarpStats stats_;
  DropCounters drops_;
};

}  // namespace tapir::arp
