#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>
#include <vector>

#include <tapir/core/context.hpp>
#include <tapir/core/scheduler.hpp>
#include <tapir/tcp/seq_num.hpp>

#include "four_tuple.hpp"
#include "shared_settings.hpp"

namespace tapir::tcp {

namespace detail {
class ListenerCore;
}

/// What the handshakes of one listener have in common that began under the same options.
struct HandshakeKind {
  std::weak_ptr<detail::ListenerCore> listener;
  SharedSettings settings;
  Duration defer_accept{};
};

/// All that is kept of a handshake that a peer began while nothing is to be done but to wait for its ACK, or to send the SYN,ACK again (the SYN cache of
/// RFC 4987 section 3.3): what the SYN said, and what became of the answer. A connection can be made of it that is as the one was.
struct HalfOpen {
  FourTuple tuple;
  std::shared_ptr<const HandshakeKind> kind;
  TimePoint began{};  ///< the SYN came
  TimePoint sent{};   ///< the latest SYN,ACK left
  TimePoint due{};    ///< something is to be done then
  SeqNum iss;
  SeqNum irs;
  std::uint32_t ts_recent = 0;     ///< meaningful with `timestamps`
  std::uint16_t snd_wnd = 0;       ///< of the SYN
  std::uint16_t rcv_wnd = 0;       ///< of the SYN,ACK
  std::uint16_t peer_mss = 0;      ///< with the option or without
  std::uint16_t offered_mss = 0;   ///< of the SYN,ACK
  std::uint16_t user_timeout = 0;  ///< the option's field (RFC 5482); 0: there was none
  std::uint16_t news = 0;          ///< for the user that there is none of yet
  std::uint16_t segments_sent = 0;
  std::uint16_t segments_received = 0;
  std::uint8_t timeouts = 0;  ///< after which the SYN,ACK was sent again
  std::uint8_t repeats = 0;   ///< of the SYN,ACK, since the SYN came again
  std::uint8_t received_tos = 0;
  std::uint8_t window_scale = kNoScale;  ///< the peer's
  bool timestamps : 1 = false;           ///< agreed on, as the next two are
  bool sack : 1 = false;
  bool ecn : 1 = false;

  static constexpr std::uint8_t kNoScale = 0xff;
};

/// The handshakes of which only that is kept, and one timer for all.
class HalfOpenTable {
 public:
  /// `due` gets each when its time has come: it is not here any more then.
  HalfOpenTable(Context& context, const SipKey& key, std::move_only_function<void(const HalfOpen&)> due);
  HalfOpenTable(const HalfOpenTable&) = delete;
  HalfOpenTable& operator=(const HalfOpenTable&) = delete;
  ~HalfOpenTable() = default;

  /// There is none of the same ends.
  void insert(HalfOpen handshake);
  /// Takes it out; empty when it is not there.
  [[nodiscard]] std::optional<HalfOpen> take(const FourTuple& tuple);
  /// Valid until the next change.
  [[nodiscard]] const HalfOpen* find(const FourTuple& tuple) const noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  /// In no particular order.
  template <class Visitor>
  void for_each(const Visitor& visit) const {
    for (const Entry& entry : entries_) visit(entry.handshake);
  }

 private:
  /// An element of the set and of the heap. What changes does not count for the place in the set.
  struct Entry {
    mutable HalfOpen handshake;
    std::uint32_t order;          ///< of arrival: breaks ties, so that a run repeats exactly
    mutable std::uint32_t place;  ///< in the heap
  };
  struct Hash {
    using is_transparent = void;
    FourTupleHash of_tuple;
    std::size_t operator()(const FourTuple& tuple) const noexcept { return of_tuple(tuple); }
    std::size_t operator()(const Entry& entry) const noexcept { return of_tuple(entry.handshake.tuple); }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(const Entry& a, const Entry& b) const noexcept { return a.handshake.tuple == b.handshake.tuple; }
    bool operator()(const FourTuple& a, const Entry& b) const noexcept { return a == b.handshake.tuple; }
    bool operator()(const Entry& a, const FourTuple& b) const noexcept { return a.handshake.tuple == b; }
  };

  void expire();
  void put(const Entry& entry, std::size_t place) noexcept;
  void rise(const Entry& entry, std::size_t place) noexcept;
  void sink(const Entry& entry, std::size_t place) noexcept;
  [[nodiscard]] static bool earlier(const Entry& a, const Entry& b) noexcept;
  void arm();

  Context& context_;
  std::move_only_function<void(const HalfOpen&)> due_;
  std::unordered_set<Entry, Hash, Same> entries_;
  std::vector<const Entry*> heap_;  ///< by `due`, the earliest first
  std::uint32_t order_ = 0;
  Timer timer_;
};

}  // namespace tapir::tcp
