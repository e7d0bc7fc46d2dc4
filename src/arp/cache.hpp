#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include <tapir/arp/arp.hpp>

namespace tapir::arp {

/// A datagram that waits for its neighbour's hardware address.
struct Waiting {
  Packet datagram;
  std::uint8_t tos;
};

/// All that is known of one neighbour.
struct Entry {
  Entry(Arp& owner, Scheduler& scheduler, Ipv4Address neighbour)
      : arp{owner}, address{neighbour}, retry{Timer::calling<&Entry::on_retry>(scheduler, *this)} {}
  void on_retry() { arp.retry(*this); }

  Arp& arp;
  Ipv4Address address;
  NeighbourState state = NeighbourState::incomplete;
  MacAddress hardware;                    ///< while resolved or permanent
  TimePoint until{};                      ///< resolved: the lifetime's end; failed: when it may be asked for again
  Timer retry;                            ///< armed while incomplete
  unsigned tries = 0;                     ///< requests since it was last known
  std::optional<TimePoint> last_request;  ///< of any kind: keeps requests apart
  Ipv4Address source;                     ///< of the datagram that wanted it last
  std::deque<Waiting> waiting;            ///< oldest first
  std::size_t waiting_bytes = 0;          ///< what they count for
  std::list<Entry>::iterator self;
};

/// The entries, in the order in which they give way: pending ones (incomplete, failed) and resolved ones by age, permanent ones never. It bounds
/// nothing by itself: Arp asks for a victim when its limit is reached.
class Cache {
 public:
  [[nodiscard]] Entry* find(Ipv4Address address) noexcept;
  [[nodiscard]] const Entry* find(Ipv4Address address) const noexcept;
  /// A new, incomplete entry; there is none for `address` yet.
  Entry& insert(Arp& arp, Scheduler& scheduler, Ipv4Address address);
  /// Gives the entry another state and makes it the youngest of its kind.
  void enter(Entry& entry, NeighbourState state);
  void erase(Entry& entry);

  /// Entries that were not entered by hand.
  [[nodiscard]] std::size_t dynamic_size() const noexcept { return pending_.size() + resolved_.size(); }
  [[nodiscard]] std::size_t permanent_size() const noexcept { return permanent_.size(); }
  /// The entry that gives way when `limit` dynamic ones are there. Pending ones go first when they are many, so that asking for a thousand
  /// absent neighbours does not push out those in use; otherwise the oldest resolved one. Call only when dynamic_size() > 0.
  [[nodiscard]] Entry& victim(std::size_t limit);
  /// The oldest dynamic entry, or nullptr: for emptying the table.
  [[nodiscard]] Entry* any_dynamic() noexcept;

  template <class Visitor>
  void for_each(Visitor&& visit) const {
    for (const auto* list : {&pending_, &resolved_, &permanent_}) {
      for (const Entry& entry : *list) visit(entry);
    }
  }

 private:
  using List = std::list<Entry>;
  [[nodiscard]] List& list_of(NeighbourState state) noexcept;

  List pending_;
  List resolved_;
  List permanent_;
  std::unordered_map<Ipv4Address, Entry*> index_;
  Entry* last_ = nullptr;  ///< that was found: most datagrams go where the one before went
};

}  // namespace tapir::arp
