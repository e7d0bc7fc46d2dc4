#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include <tapir/core/packet.hpp>
#include <tapir/runtime/runtime.hpp>
#include <tapir/runtime/shards.hpp>

namespace tapir {

/// A frame on its way from one thread to another: slabs belong to one thread, so the bytes travel in memory of their own.
struct HandedFrame {
  std::vector<std::byte> bytes;
  PacketMeta meta;
};

/// Where each shard's frames from other shards arrive.
class Shards::Inboxes {
 public:
  static constexpr std::size_t most_waiting = 4096;  ///< frames that a shard has not taken yet; what comes then is refused

  explicit Inboxes(const std::vector<std::unique_ptr<Shard>>& shards);

  /// Has the shard's link take the frames, on its thread. False, and they are gone, when too many wait there. Any thread.
  [[nodiscard]] bool put(std::size_t shard, std::vector<HandedFrame> frames);
  /// Who takes them from now on; nullptr: nobody. The shard's thread.
  void attach(std::size_t shard, SteeredLink* link) noexcept { boxes_[shard].link = link; }

 private:
  struct Box {
    explicit Box(Runtime& of) : runtime{of} {}
    Runtime& runtime;
    std::atomic<std::size_t> waiting = 0;
    SteeredLink* link = nullptr;  ///< the shard's thread
  };
  static void deliver(Box& box, const std::vector<HandedFrame>& frames);

  std::deque<Box> boxes_;
};

}  // namespace tapir
