#pragma once

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include <tapir/link/coalescer.hpp>
#include <tapir/link/link.hpp>

namespace tapir::bench {

/// How frames cross.
enum class Frames : std::uint8_t {
  super_segments,  ///< up to 64 KiB, checksums left out: as between a TAP device and Linux
  single,          ///< 1514 bytes at most, each with its checksum; joined again as from a TAP device without offload
};

/// Two links in one process, joined by a queue each way: no delay, no loss, no system call. What a stack costs by itself.
class MemoryLink final : public link::Link {
 public:
  [[nodiscard]] static std::pair<std::unique_ptr<MemoryLink>, std::unique_ptr<MemoryLink>> pair(Frames frames) {
    auto there = std::make_shared<Queue>();
    auto back = std::make_shared<Queue>();
    return {std::make_unique<MemoryLink>("left", frames, there, back), std::make_unique<MemoryLink>("right", frames, back, there)};
  }

  struct Queue {
    std::vector<Packet> frames;
    std::uint64_t carried = 0;  ///< frames since the start
  };

  MemoryLink(std::string_view name, Frames frames, std::shared_ptr<Queue> out, std::shared_ptr<Queue> in)
      : name_{name}, out_{std::move(out)}, in_{std::move(in)} {
    capabilities_.completes_checksums = frames == Frames::super_segments;
    capabilities_.max_super_segment = frames == Frames::super_segments ? 65535 : 0;
    capabilities_.split_above = frames == Frames::single;
  }

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] const link::Capabilities& capabilities() const noexcept override { return capabilities_; }
  [[nodiscard]] Result<> transmit(Packet&& frame) override {
    // What a partial checksum covers has not been on any wire: the receiver may trust it, as it trusts a virtio device.
    frame.meta().checksum = frame.meta().checksum == ChecksumState::partial ? ChecksumState::verified : ChecksumState::unverified;
    frame.meta().network = frame.meta().transport = 0;
    out_->frames.push_back(std::move(frame));
    ++out_->carried;
    return {};
  }
  [[nodiscard]] bool writable() const noexcept override { return true; }
  void attach(Demultiplexer<link::Received>* receiver) noexcept override { receiver_ = receiver; }
  std::size_t drain(std::size_t) override {
    taken_.swap(in_->frames);
    for (Packet& frame : taken_) {
      if (receiver_ == nullptr) continue;
      if (capabilities_.split_above) {
        coalescer_.take(std::move(frame), *receiver_);
      } else {
        std::ignore = receiver_->demultiplex(std::move(frame), {});
      }
    }
    if (receiver_ != nullptr) coalescer_.flush(*receiver_);
    const std::size_t count = taken_.size();
    taken_.clear();
    return count;
  }
  [[nodiscard]] std::uint64_t sent() const noexcept { return out_->carried; }

 private:
  std::string_view name_;
  link::Capabilities capabilities_;
  link::Coalescer coalescer_;
  std::shared_ptr<Queue> out_;
  std::shared_ptr<Queue> in_;
  std::vector<Packet> taken_;
  Demultiplexer<link::Received>* receiver_ = nullptr;
};

}  // namespace tapir::bench
