#include <tapir/link/capture.hpp>

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include <tapir/link/segmentation.hpp>

#include "absent_link.hpp"

namespace tapir::link {

namespace {
constexpr std::uint8_t kFcsSize = 4;
}

Capture::Capture(std::unique_ptr<Link> below, const Scheduler& scheduler, std::unique_ptr<ByteSink> sink, CaptureOptions options)
    : below_{or_absent(std::move(below))}, scheduler_{scheduler}, sink_{std::move(sink)}, options_{options} {
  if (sink_ == nullptr || below_->capabilities().mtu == 0) stats_.write_error = Error::invalid_argument;
  pcapng::append_section_header(block_, "tapir");
  const bool fcs = below_->capabilities().carries_fcs;
  pcapng::append_interface(
      block_, {std::string{below_->name()}, {}, options_.snap_length, fcs ? std::optional{kFcsSize} : std::optional{std::uint8_t{0}}});
  write_block();
  below_->attach(this);
}

Result<std::unique_ptr<Capture>> Capture::to_file(std::unique_ptr<Link> below, const Scheduler& scheduler, const std::string& path,
                                                  CaptureOptions options) {
  if (below == nullptr) return fail(Error::invalid_argument);
  auto file = create_file(path);
  if (!file) return fail(file.error());
  return std::make_unique<Capture>(std::move(below), scheduler, std::move(*file), options);
}

Capture::~Capture() {
  below_->attach(nullptr);
  std::ignore = flush();
}

Result<> Capture::flush() {
  if (sink_ == nullptr) return fail(Error::invalid_argument);
  return noted(sink_->flush());
}

std::vector<Counter> Capture::counters() const {
  std::vector<Counter> all{{"captured", stats_.frames}, {"captureErrors", stats_.write_errors}};
  std::ranges::copy(below_->counters(), std::back_inserter(all));
  return all;
}

Result<> Capture::transmit(Packet&& frame) {
  Packet copy = frame.share();
  if (auto sent = below_->transmit(std::move(frame)); !sent) return sent;
  record(std::move(copy), pcapng::Direction::outbound);
  return {};
}

Accepted Capture::demultiplex(Packet&& frame, const Received& from) {
  record(frame.share(), pcapng::Direction::inbound);
  if (receiver_ == nullptr) return std::unexpected{Drop::not_handled};
  return receiver_->demultiplex(std::move(frame), from);
}

void Capture::record(Packet frame, pcapng::Direction direction) {
  if (options_.keep_super_segments) {
    complete_checksum(frame);
    write_frame(std::move(frame), direction);
    return;
  }
  split(std::move(frame), [&](Packet single) { write_frame(std::move(single), direction); });
}

void Capture::write_frame(Packet frame, pcapng::Direction direction) {
  const std::size_t size = frame.size();
  if (options_.snap_length > 0) frame.truncate(options_.snap_length);
  frame_.resize(frame.size());
  (void)frame.copy_out(0, frame_);
  pcapng::append_packet(block_, {0, options_.epoch + scheduler_.now().time_since_epoch(), size, frame_, direction});
  ++stats_.frames;
  write_block();
}

void Capture::write_block() {
  if (sink_ != nullptr) std::ignore = noted(sink_->write(block_));
  block_.clear();
}

Result<> Capture::noted(Result<> outcome) {
  if (outcome) return outcome;
  ++stats_.write_errors;
  if (!stats_.write_error) stats_.write_error = outcome.error();
  return outcome;
}

}  // namespace tapir::link
