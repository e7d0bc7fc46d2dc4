#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include <tapir/arp/arp.hpp>

namespace tapir::arp {

/// What to do when another station claims an address in use (RFC 5227 section 2.4).
enum class Defence : std::uint8_t {
  give_up,      ///< (a) at once
  defend_once,  ///< (b) one announcement; a second conflict within `defend_interval` ends its use
  defend,       ///< (c) announced again, at most once in `defend_interval`, and kept
};

/// The timing of RFC 5227 section 1.1, under the names used there.
struct ClaimConfig {
  Defence defence = Defence::defend_once;
  Duration probe_wait = std::chrono::seconds{1};
  unsigned probe_num = 3;  ///< at least 1
  Duration probe_min = std::chrono::seconds{1};
  Duration probe_max = std::chrono::seconds{2};
  Duration announce_wait = std::chrono::seconds{2};
  unsigned announce_num = 2;
  Duration announce_interval = std::chrono::seconds{2};
  unsigned max_conflicts = 10;
  Duration rate_limit_interval = std::chrono::seconds{60};
  Duration defend_interval = std::chrono::seconds{10};
};

enum class ClaimEvent : std::uint8_t {
  claimed,   ///< nobody objected: the address is ours, Arp answers for it, and the first announcement has left
  refused,   ///< somebody else uses or probes for it; it was never ours
  defended,  ///< somebody claimed it while it was ours; it is kept
  lost,      ///< it is being given up: reset what uses it now; Arp stops answering for it after this call
};

/// Address conflict detection for one interface (RFC 5227): probes an address before use, announces it, and watches over it afterwards. Optional:
/// Arp works without. One address at a time; after ClaimEvent::refused or lost the owner may start() with the next candidate, from within the
/// event too. Attempts are rate-limited over the life of this object. `context` and `arp` must outlive it. One thread.
class AddressClaim final : private MessageListener {
 public:
  using Handler = std::function<void(ClaimEvent, Ipv4Address)>;

  AddressClaim(Context& context, Arp& arp, Handler handler, ClaimConfig config = {});
  AddressClaim(const AddressClaim&) = delete;
  AddressClaim& operator=(const AddressClaim&) = delete;
  /// The address stays Arp's if it was claimed.
  ~AddressClaim() override;

  /// Probes for `address` and takes it if nobody objects. An address claimed before is given up first, without an event.
  void start(Ipv4Address address);
  /// Ends probing, or gives the address up, without an event.
  void stop();

  enum class State : std::uint8_t { idle, waiting, probing, announcing, in_use };
  [[nodiscard]] State state() const noexcept { return state_; }
  /// The address probed for or in use; unspecified when idle.
  [[nodiscard]] Ipv4Address address() const noexcept { return address_; }
  [[nodiscard]] unsigned conflicts() const noexcept { return conflicts_; }

 private:
  void heard(const Message& message) override;
  void on_timer();
  void send_probe();
  void send_announcement();
  void refuse();
  void claim();
  void conflict_in_use();
  void lose();
  [[nodiscard]] bool conflicts_with_probing(const Message& message) const noexcept;
  [[nodiscard]] Duration random_up_to(Duration limit);

  Context& context_;
  Arp& arp_;
  Handler handler_;
  ClaimConfig config_;
  Timer timer_;
  Ipv4Address address_;
  State state_ = State::idle;
  unsigned sent_ = 0;       ///< probes or announcements of the present phase
  unsigned conflicts_ = 0;  ///< over the life of this object
  std::optional<TimePoint> last_attempt_;
  std::optional<TimePoint> last_conflict_;      ///< while in use
  std::optional<TimePoint> last_announcement_;  ///< in defence
};

}  // namespace tapir::arp
