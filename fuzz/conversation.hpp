#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include <tapir/sim/cable.hpp>
#include <tapir/sim/world.hpp>
#include <tapir/stack/stack.hpp>

#include "conversation_options.hpp"

namespace tapir::fuzz {

/// Two whole stacks with one connection between them, over a cable that does what the input says. The input chooses both ends' options, and then when each
/// application writes, reads and changes its mind, and what the cable does to the frames. Whatever it is:
///
/// - what is read is what was written, at every moment;
/// - once the cable works again and both applications read, everything arrives and both streams end in order;
/// - until then nothing rests for longer than the longest timer that may be running;
/// - a connection that has a limit to its patience gives up only when frames were lost while that ran, and the other end then hears of it.
///
/// What is not so ends the program, with a line that says what.
class Conversation {
 public:
  /// Bytes of the input that choose the options.
  static constexpr std::size_t kOptions = ConversationOptions::kSize;
  /// Bytes of an event: [what][a][b][c].
  static constexpr std::size_t kEvent = 4;

  explicit Conversation(std::span<const std::uint8_t, kOptions> options);
  void event(std::span<const std::uint8_t, kEvent> bytes);
  /// Heals the cable and lets both ends finish.
  void finish();

 private:
  struct Side {
    std::optional<Stack> stack;
    tcp::Connection connection;
    std::uint64_t written = 0;
    std::uint64_t read = 0;
    bool shut = false;
    bool ended = false;                ///< the peer's stream
    bool eager = false;                ///< reads whatever comes
    bool broken = false;               ///< it gave up, or the peer had
    bool probes_path = false;          ///< a black hole ends nothing
    std::optional<Duration> patience;  ///< how long it may hear nothing, the longest of what was set; empty: for ever
  };

  [[nodiscard]] Side& side(std::size_t which) noexcept { return sides_[which % 2]; }
  [[nodiscard]] Side& peer(const Side& side) noexcept { return &side == &sides_[0] ? sides_[1] : sides_[0]; }
  [[nodiscard]] const Side& peer(const Side& side) const noexcept { return &side == &sides_[0] ? sides_[1] : sides_[0]; }
  void attach(Side& side, tcp::Connection connection);
  void write(Side& side, std::size_t size, std::uint8_t how);
  void read(Side& side, std::size_t size, bool slices);
  void check(const Side& side, std::span<const std::byte> bytes);
  void disturb(std::uint8_t direction, std::uint8_t a, std::uint8_t b);
  void change(Side& side, std::uint8_t what, std::uint8_t value);
  void change_limits(Side& side, std::uint8_t what, std::uint8_t value);
  void limit(Side& side, Duration patience);
  void fetch_cookie();
  void closed(Side& side, std::error_code why);
  [[nodiscard]] sim::Verdict meet(sim::End from, std::size_t frame);
  void note_losses();
  [[nodiscard]] std::uint64_t losses() const;
  [[nodiscard]] bool lost_within(Duration time);
  void drop_next(std::uint8_t direction, std::uint8_t count);
  [[nodiscard]] Duration longest_timer() const;
  [[nodiscard]] bool over() const;
  [[nodiscard]] bool over(const Side& side) const;
  [[noreturn]] void fail(const char* what) const;

  ConversationOptions options_;
  sim::World world_{{.seed = 1}};
  sim::Cable cable_;
  std::array<Side, 2> sides_;
  tcp::Listener listener_;
  std::array<unsigned, 2> drops_{};
  bool cut_ = false;
  bool refused_ = false;                  ///< the listener's stack had sent a reset before the connection was open there
  bool overtaking_ = false;               ///< frames may have arrived in another order than they were sent in
  std::optional<tcp::Connection> first_;  ///< the one for the cookie
  std::uint64_t losses_ = 0;
  TimePoint last_frame_{};
  std::optional<TimePoint> last_loss_;
};

}  // namespace tapir::fuzz
