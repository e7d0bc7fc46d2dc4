#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tapir/core/scheduler.hpp>
#include <tapir/link/byte_sink.hpp>
#include <tapir/link/link.hpp>
#include <tapir/link/pcapng.hpp>

namespace tapir::link {

struct CaptureOptions {
  Duration epoch{};                  ///< the scheduler's zero as time since 1970; 0 in a simulation makes the file depend on the seed alone
  bool keep_super_segments = false;  ///< record super-segments whole instead of as the wire carries them
  std::uint32_t snap_length = 0;     ///< bytes kept of each frame; 0: all
};

struct CaptureStats {
  std::uint64_t frames = 0;          ///< frames recorded
  std::uint64_t write_errors = 0;    ///< blocks, and calls of flush(), that the sink refused; the link works on
  std::error_code write_error = {};  ///< the first of them: why the file is not whole
};

/// Wraps any link and records every frame that it carries, both ways, as pcapng. What the device would complete (checksums,
/// segmentation) is completed in the recorded copy, so that a reader finds only valid packets. Reads no clock: timestamps are the
/// scheduler's time plus `epoch`. A file that cannot be written does not disturb the traffic: stats() says so. Owns the link below and the
/// sink; `scheduler` must outlive it. One thread.
class Capture final : public Link, private Demultiplexer<Received> {
 public:
  /// Without a link or a sink (nullptr) nothing is carried, or nothing recorded, and CaptureStats::write_error is
  /// Error::invalid_argument.
  Capture(std::unique_ptr<Link> below, const Scheduler& scheduler, std::unique_ptr<ByteSink> sink, CaptureOptions options = {});
  /// Records to the file `path`. Fails with the system's error when it cannot be created; Error::invalid_argument for no link.
  [[nodiscard]] static Result<std::unique_ptr<Capture>> to_file(std::unique_ptr<Link> below, const Scheduler& scheduler,
                                                                const std::string& path, CaptureOptions options = {});
  ~Capture() override;

  [[nodiscard]] std::string_view name() const noexcept override { return below_->name(); }
  [[nodiscard]] const Capabilities& capabilities() const noexcept override { return below_->capabilities(); }
  [[nodiscard]] Result<> transmit(Packet&& frame) override;
  [[nodiscard]] bool writable() const noexcept override { return below_->writable(); }
  [[nodiscard]] std::optional<TimePoint> queued_until() const noexcept override { return below_->queued_until(); }
  void attach(Demultiplexer<Received>* receiver) noexcept override { receiver_ = receiver; }
  std::size_t drain(std::size_t budget) override { return below_->drain(budget); }
  [[nodiscard]] std::optional<int> descriptor() const noexcept override { return below_->descriptor(); }
  void defer_to(Scheduler* scheduler) noexcept override { below_->defer_to(scheduler); }
  void set_writable() noexcept override { below_->set_writable(); }
  [[nodiscard]] std::vector<Counter> counters() const override;
  [[nodiscard]] DropCounters drop_counters() const noexcept override { return below_->drop_counters(); }

  /// Hands what is buffered to the file. The destructor does it too, when nobody can see any more that it failed.
  [[nodiscard]] Result<> flush();
  [[nodiscard]] Link& below() noexcept { return *below_; }
  [[nodiscard]] const CaptureStats& stats() const noexcept { return stats_; }

 private:
  [[nodiscard]] Accepted demultiplex(Packet&& frame, const Received& from) override;
  void record(Packet frame, pcapng::Direction direction);
  void write_frame(Packet frame, pcapng::Direction direction);
  void write_block();
  [[nodiscard]] Result<> noted(Result<> outcome);

  std::unique_ptr<Link> below_;
  const Scheduler& scheduler_;
  std::unique_ptr<ByteSink> sink_;
  CaptureOptions options_;
  Demultiplexer<Received>* receiver_ = nullptr;
  std::vector<std::byte> block_;  ///< kept, as is frame_, so that recording allocates nothing in a steady state
  std::vector<std::byte> frame_;
  CaptureStats stats_;
};

}  // namespace tapir::link
