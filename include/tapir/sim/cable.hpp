#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include <tapir/link/fault_model.hpp>
#include <tapir/link/link.hpp>
#include <tapir/runtime/driver.hpp>

namespace tapir::sim {

struct CableConfig {
  Duration delay{};                        ///< propagation, each way
  std::uint64_t rate_bits_per_second = 0;  ///< 0: infinite
  link::FaultConfig faults{};              ///< each way
  std::size_t queue_bytes = 262'144;       ///< line octets that may wait at each end for the line; what is more is refused
  bool carries_fcs = true;                 ///< frames end with their 4-byte FCS
  std::size_t mtu = 1500;                  ///< bytes
  std::string name = "cable";              ///< its ends are called "cable.left" and "cable.right"
};

/// An end of a cable.
enum class End : std::uint8_t { left, right };
[[nodiscard]] constexpr End opposite(End end) noexcept { return end == End::left ? End::right : End::left; }

/// What a filter says about a frame.
enum class Verdict : std::uint8_t { pass, drop };

/// What one direction of a cable did, in frames.
struct CableStats {
  std::uint64_t frames = 0;      ///< put on the line
  std::uint64_t bytes = 0;       ///< of those, as handed to transmit()
  std::uint64_t delivered = 0;   ///< arrivals, duplicates included
  std::uint64_t queue_full = 0;  ///< refused: too many waiting at this end
  std::uint64_t filtered = 0;    ///< dropped by the filter
  std::uint64_t lost = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t reordered = 0;
  std::uint64_t corrupted = 0;
  std::uint64_t unplugged = 0;  ///< sent into, or on their way in, a cable that was cut
};

/// A full-duplex Ethernet cable between two links. A frame arrives when its line time (8 octets of preamble and delimiter, the frame,
/// 4 of FCS, 12 of gap), whatever waits before it, the delay and the faults have passed, at the earliest 1 ns after it was sent. The
/// faults follow from the driver's random numbers. The driver must outlive cable and ends; cable, ends and their users may otherwise go
/// in any order. One thread.
class Cable {
 public:
  explicit Cable(Driver& driver, const CableConfig& config = {});
  Cable(Cable&&) noexcept;
  Cable& operator=(Cable&&) noexcept;
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;
  /// Unplugs: the ends live on, nothing arrives any more.
  ~Cable();

  /// The link at one end. Each is to be asked for once.
  [[nodiscard]] std::unique_ptr<link::Link> left() { return end(End::left); }
  [[nodiscard]] std::unique_ptr<link::Link> right() { return end(End::right); }
  [[nodiscard]] std::unique_ptr<link::Link> end(End end);

  /// Changes the faults of both directions, or of what `from` sends; frames on their way keep their fate.
  void set_faults(const link::FaultConfig& faults);
  void set_faults(End from, const link::FaultConfig& faults);
  /// Pulls the plug, losing what is on its way, or puts it back.
  void cut(bool unplugged);

  /// Sees every frame that an end puts on the line, before filter and faults: who sent it, its bytes (with FCS, if the cable carries it).
  void observe(std::function<void(End from, std::span<const std::byte> frame)> observer);
  /// Asks about every frame that an end puts on the line, before the faults. A dropped frame takes its line time.
  void filter(std::function<Verdict(End from, std::span<const std::byte> frame)> filter);

  /// What became of the frames that `from` sent.
  [[nodiscard]] const CableStats& stats(End from) const noexcept;

 private:
  class State;
  class Plug;
  std::shared_ptr<State> state_;
};

}  // namespace tapir::sim
