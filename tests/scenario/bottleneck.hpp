#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <support/talker.hpp>
#include <tapir/sim/cable.hpp>
#include <tapir/sim/switch.hpp>
#include <tapir/sim/world.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir::test {

/// One narrow line on the way from a sender to a receiver.
struct Path {
  Duration round_trip = std::chrono::milliseconds{10};
  std::uint64_t rate = 10'000'000;  ///< bits per second
  double loss = 0;                  ///< of the frames towards the receiver
  double queue = 1;                 ///< in front of the line, in units of what is on the way in a round trip
  std::uint64_t seed = 1;
  tcp::Config sender = {};
  tcp::Config receiver = {};
};

/// A host that sends without end, a switch, and the narrow line to a host that reads all at once. The queue that overflows is the switch's, of which the
/// sender knows nothing.
class Bottleneck {
 public:
  explicit Bottleneck(const Path& path)
      : world_{{.seed = path.seed}},
        line_{world_,
              {.delay = path.round_trip / 2,
               .rate_bits_per_second = path.rate,
               .queue_bytes = static_cast<std::size_t>(path.queue * std::chrono::duration<double>(path.round_trip).count() *
                                                       static_cast<double>(path.rate) / 8),
               .carries_fcs = false}},
        text_{noise(65'536, 1)} {
    sender_.emplace(world_, bridge_.plug_in({.rate_bits_per_second = 1'000'000'000, .carries_fcs = false}),
                    StackConfig{.address = Ipv4Prefix{kSender, 24}, .tcp = path.sender});
    if (!bridge_.connect(line_.left())) return;
    receiver_.emplace(world_, line_.right(), StackConfig{.address = Ipv4Prefix{kReceiver, 24}, .tcp = path.receiver});
    auto listening = receiver_->tcp().listen(kPort, [this](tcp::Connection accepted) {
      sink_ = std::move(accepted);
      sink_.handle({.readable = [this] { received_ += sink_.discard(std::size_t{1} << 30U); }});
    });
    if (listening) listener_ = std::move(*listening);
    line_.set_faults(sim::End::left, {.loss = path.loss});
    auto opened = sender_->tcp().connect({kReceiver, kPort});
    if (!opened) return;
    source_ = std::move(*opened);
    source_.handle({.connected = [this] { work(); }, .writable = [this] { work(); }});
  }

  /// Lets `time` pass; bits per second of the stream that the receiver read in it.
  double run(Duration time) {
    const std::uint64_t before = received_;
    world_.run_for(time);
    return static_cast<double>(received_ - before) * 8 / std::chrono::duration<double>(time).count();
  }

  [[nodiscard]] tcp::Info sender() const { return source_.info(); }
  [[nodiscard]] tcp::Info receiver() const { return sink_.info(); }
  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }
  /// Frames that found the queue full.
  [[nodiscard]] std::uint64_t overflowed() const noexcept { return bridge_.stats().unsent; }
  [[nodiscard]] sim::Cable& line() noexcept { return line_; }
  [[nodiscard]] sim::World& world() noexcept { return world_; }

 private:
  static constexpr Ipv4Address kSender{0xc0000201};    // 192.0.2.1
  static constexpr Ipv4Address kReceiver{0xc0000202};  // 192.0.2.2
  static constexpr Port kPort{9};

  void work() {
    while (source_.send(text_)) {}
  }

  sim::World world_;
  sim::Switch bridge_{world_};
  sim::Cable line_;
  std::vector<std::byte> text_;
  std::optional<Stack> sender_;
  std::optional<Stack> receiver_;
  tcp::Listener listener_;
  tcp::Connection sink_;
  tcp::Connection source_;
  std::uint64_t received_ = 0;
};

}  // namespace tapir::test
