#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <tapir/arp/failure_receiver.hpp>
#include <tapir/arp/message.hpp>
#include <tapir/arp/neighbour.hpp>
#include <tapir/arp/send.hpp>
#include <tapir/core/context.hpp>
#include <tapir/core/layer.hpp>
#include <tapir/ethernet/ether_type.hpp>

namespace tapir::arp {

class Cache;
struct Entry;
struct Waiting;

struct Config {
  Duration lifetime = std::chrono::minutes{20};        ///< of a resolved entry, from the last ARP message of its owner
  Duration retry_interval = std::chrono::seconds{1};   ///< between two requests for one address; RFC 1122 section 2.3.2.1: at least 1 s
  unsigned max_tries = 3;                              ///< requests before giving up, at least 1
  Duration failure_hold = std::chrono::seconds{5};     ///< after giving up datagrams are refused at once for so long
  Duration refresh_window = std::chrono::seconds{60};  ///< see Arp; at most a quarter of the lifetime is taken; 0: never refreshed
  /// What may wait for one address, bytes, each packet counted with 256 more for its slab; the oldest gives way, one waits always. The default
  /// holds a datagram of 65535 bytes in fragments of 296 bytes and more: losing its first fragments would lose it whole.
  std::size_t address_queue_bytes = std::size_t{256} * 1024;
  std::size_t queue_bytes_limit = std::size_t{1} << 20U;  ///< of all waiting packets together, counted likewise
  std::size_t entry_limit = 1024;                         ///< learned and pending entries; the oldest gives way
  std::size_t static_limit = 1024;                        ///< entries entered by hand
};

/// Counts of messages; drops are counted apart, by reason.
struct Stats {
  std::uint64_t in_requests = 0;
  std::uint64_t in_replies = 0;
  std::uint64_t out_requests = 0;  ///< of all kinds: for an address, unicast polls, probes, announcements
  std::uint64_t out_replies = 0;
  std::uint64_t out_failed = 0;  ///< messages, and datagrams that had waited, that the layer below refused
  std::uint64_t failures = 0;    ///< addresses given up
  std::uint64_t conflicts = 0;   ///< messages that claimed one of our addresses
};

/// Sees every valid message that another station sent, before it is acted on: RFC 5227 needs more than the table does.
class MessageListener {
 public:
  virtual ~MessageListener() = default;
  /// `message` comes from another station, and its sender's addresses are ones that a station can have.
  virtual void heard(const Message& message) = 0;
};

/// ARP for IPv4 on one Ethernet (RFC 826, RFC 1122 section 2.3.2): finds the hardware address for each datagram and answers for our own.
///
/// Lifetime: an ARP message from an entry's owner restarts it, sending alone does not. In the last `refresh_window` before the end, use of
/// the entry asks its owner again, by unicast and without holding a datagram back (RFC 1122 section 2.3.2.1 (2)), `max_tries` times at most;
/// the answer restarts the lifetime. When the owner stays silent the entry ends at its time and the next datagram asks by broadcast again.
/// Nothing of this runs by timer: an idle table costs nothing.
///
/// One thread. `below` must outlive it; attach it there for EtherType::arp.
class Arp final : public Layer<Send, ethernet::Received> {
 public:
  /// What is told when another station claims one of our addresses: the address, and who claims it.
  using ConflictHandler = std::function<void(Ipv4Address, MacAddress)>;

  Arp(Context& context, Encapsulator<ethernet::Send>& below, MacAddress own, Config config = {});
  Arp(const Arp&) = delete;
  Arp& operator=(const Arp&) = delete;
  ~Arp() override;

  /// Sends a datagram to a neighbour. While the address is being asked for the datagram waits and the call succeeds (RFC 1122 section 2.4).
  /// Error::host_unreachable for `failure_hold` after the neighbour did not answer; Error::no_buffer_space when too many bytes wait;
  /// Error::address_not_available without an own address to ask with; Error::invalid_argument when next_hop is ours or no host's address.
  [[nodiscard]] Result<> encapsulate(Packet&& packet, const Send& to) override;
  [[nodiscard]] Accepted demultiplex(Packet&& packet, const ethernet::Received& from) override;

  /// Who gets back the datagrams that could not be sent; nullptr: they are dropped, counted as Drop::unresolved.
  void set_failure_receiver(FailureReceiver* receiver) noexcept { failures_ = receiver; }

  /// The addresses that are answered for; the first one is the sender of requests that name no other.
  void set_addresses(std::span<const Ipv4Address> addresses);
  void add_address(Ipv4Address address);
  /// The same with its network: what a station there says of the network's broadcast or network address is not believed.
  void add_address(Ipv4Prefix address);
  void remove_address(Ipv4Address address);
  [[nodiscard]] bool is_own(Ipv4Address address) const noexcept;
  [[nodiscard]] const MacAddress& hardware() const noexcept { return own_; }

  /// Enters an address by hand; datagrams that wait for it leave. Error::no_buffer_space at static_limit, Error::invalid_argument for a group.
  Result<> add_static(Ipv4Address address, MacAddress hardware);
  /// Forgets one entry of any kind; datagrams that wait for it are dropped. Whether there was one.
  bool remove(Ipv4Address address);
  /// Forgets all entries but the permanent ones; waiting datagrams are dropped.
  void flush();
  /// The hardware address, when it is known now. Asks nobody and is no use of the entry.
  [[nodiscard]] std::optional<MacAddress> lookup(Ipv4Address address) const;
  /// All entries, by address; learned ones whose lifetime has ended are left out.
  [[nodiscard]] std::vector<Neighbour> entries() const;

  /// A transport's advice that the neighbour is alive: restarts the lifetime of a resolved entry (RFC 1122 section 2.3.2.1 (4)).
  void confirm(Ipv4Address address);
  /// A transport's advice that nothing gets through: a resolved entry ends now, and the next datagram asks again.
  void suspect(Ipv4Address address);

  /// Who is told of address conflicts; an empty handler: nobody.
  void on_conflict(ConflictHandler handler) { on_conflict_ = std::move(handler); }
  /// `listener` hears every message from now on; it must be removed before it dies. Neither call may be made from heard().
  void add_listener(MessageListener& listener) { listeners_.push_back(&listener); }
  void remove_listener(MessageListener& listener) { std::erase(listeners_, &listener); }

  /// Tells all stations that `address` is ours: gratuitous ARP, a broadcast request for our own address (RFC 5227 section 2.3).
  void announce(Ipv4Address address);
  /// All own addresses.
  void announce();
  /// Asks whether somebody uses `address`: a broadcast request without a sender address (RFC 5227 section 2.1.1).
  void probe(Ipv4Address address);

  [[nodiscard]] const Stats& stats() const noexcept { return stats_; }
  [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }

 private:
  friend struct Entry;
  [[nodiscard, gnu::noinline]] Result<> resolve_and_queue(Packet packet, const Send& to);
  [[nodiscard]] Result<> enqueue(Entry& entry, Packet packet, const Send& to);
  [[nodiscard]] Result<> send_datagram(Packet&& packet, MacAddress destination, std::uint8_t tos);
  void retry(Entry& entry);
  void give_up(Entry& entry);
  [[gnu::noinline]] void refresh(Entry& entry);
  void ask(Entry& entry);
  void discard_waiting(Entry& entry, Drop reason);
  [[nodiscard]] std::deque<Waiting> take_waiting(Entry& entry) noexcept;
  void learn(Entry& entry, MacAddress hardware);
  [[nodiscard]] Accepted merge_and_answer(const Message& message);
  [[nodiscard]] Accepted answer(const Message& message);
  [[nodiscard]] bool live(const Entry& entry) const noexcept;
  [[nodiscard]] Ipv4Address sender_for(Ipv4Address source) const noexcept;
  void transmit(const Message& message, MacAddress destination);
  void make_room();

  Context& context_;
  Encapsulator<ethernet::Send>& below_;
  MacAddress own_;
  Config config_;
  std::unique_ptr<Cache> cache_;
  std::vector<Ipv4Prefix> addresses_;  ///< length 32 where the network is not known
  std::size_t queued_bytes_ = 0;
  FailureReceiver* failures_ = nullptr;
  ConflictHandler on_conflict_;
  std::vector<MessageListener*> listeners_;
  Stats stats_;
  DropCounters drops_;
};

}  // namespace tapir::arp
