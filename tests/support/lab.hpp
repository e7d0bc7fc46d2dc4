#pragma once

#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/core/context.hpp>
#include <tapir/core/packet.hpp>
#include <tapir/link/link.hpp>
#include <tapir/sim/seeded_random.hpp>

namespace tapir::test {

using Bytes = std::vector<std::byte>;

/// Bytes from hexadecimal digits; blanks are ignored: hex("45 00 0014").
[[nodiscard]] Bytes hex(std::string_view digits);
/// The bytes of anything contiguous: what libtins serializes, a string, a vector of uint8_t.
template <class Range>
  requires(!std::convertible_to<const Range&, std::string_view>)  // a literal's last byte is no part of its text
[[nodiscard]] Bytes bytes_of(const Range& range) {
  const auto view = std::as_bytes(std::span{range});
  return Bytes{view.begin(), view.end()};
}
[[nodiscard]] inline Bytes bytes_of(std::string_view text) { return bytes_of(std::span{text.data(), text.size()}); }

/// What one protocol needs around it in a test: virtual time, memory, one seed.
struct Lab {
  Scheduler scheduler;
  PacketPool pool;
  sim::SeededRandom random{1};
  Context context{scheduler, pool, random};

  /// Lets `time` pass: every timer expires at its deadline, and whoever is ready sends.
  void advance(Duration time);
  /// A packet that holds `bytes`, as a link would hand it up.
  [[nodiscard]] Packet packet(std::span<const std::byte> bytes);
};

/// A link that keeps what is sent and hands up what a test injects.
class RecordingLink final : public link::Link {
 public:
  explicit RecordingLink(PacketPool& pool, link::Capabilities capabilities = {}) : pool_{pool}, capabilities_{capabilities} {}

  [[nodiscard]] std::string_view name() const noexcept override { return "recording"; }
  [[nodiscard]] const link::Capabilities& capabilities() const noexcept override { return capabilities_; }
  [[nodiscard]] Result<> transmit(Packet&& frame) override;
  [[nodiscard]] bool writable() const noexcept override { return !full; }
  void attach(Demultiplexer<link::Received>* receiver) noexcept override { receiver_ = receiver; }
  std::size_t drain(std::size_t) override { return 0; }
  void defer_to(Scheduler* scheduler) noexcept override { deferring = scheduler; }

  /// Hands up a frame as if it had been received.
  Accepted inject(std::span<const std::byte> frame);
  Accepted inject(Packet frame);
  /// Takes all frames sent so far.
  [[nodiscard]] std::vector<Bytes> take();

  std::vector<Bytes> sent;               ///< frames, oldest first
  std::vector<PacketMeta> metas;         ///< of the same frames
  bool full = false;                     ///< makes transmit() refuse
  std::error_code broken;                ///< makes transmit() fail with this
  Scheduler* deferring = nullptr;        ///< whose pulls it might keep frames back in
  std::optional<std::size_t> room = {};  ///< frames that transmit() still takes, if not any number

 private:
  PacketPool& pool_;
  link::Capabilities capabilities_;
  Demultiplexer<link::Received>* receiver_ = nullptr;
};

}  // namespace tapir::test
