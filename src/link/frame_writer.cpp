#include <tapir/link/frame_writer.hpp>

#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include <tapir/core/branch.hpp>
#include <tapir/link/system_error.hpp>

namespace tapir::link {

namespace {
constexpr std::size_t kMaxPieces = 64;  // that one writev takes

/// The same frame in one piece: for the rare one that is made of more pieces than one writev should take.
[[gnu::noinline]] Packet gathered(const Packet& frame) {
  SlabRef slab = frame.pool().slab(frame.size());
  (void)frame.copy_out(0, slab.bytes().first(frame.size()));
  return Packet{frame.pool(), std::move(slab), 0, frame.size()};
}
}  // namespace

FrameWriter::FrameWriter(FrameWriter&& other) noexcept
    : descriptor_{std::exchange(other.descriptor_, -1)},
      header_size_{other.header_size_},
      writable_{other.writable_},
      sound_{other.sound_},
      keeps_{std::exchange(other.keeps_, false)},
      kept_{std::move(other.kept_)},
      stats_{other.stats_} {}

FrameWriter& FrameWriter::operator=(FrameWriter&& other) noexcept {
  descriptor_ = std::exchange(other.descriptor_, -1);
  header_size_ = other.header_size_;
  writable_ = other.writable_;
  sound_ = other.sound_;
  scheduler_ = nullptr;
  keeps_ = std::exchange(other.keeps_, false);
  kept_ = std::move(other.kept_);
  stats_ = other.stats_;
  return *this;
}

Result<> FrameWriter::write(const Packet& frame) {
  if (unlikely(keeps_) && unlikely(!write_kept())) return fail(Error::would_block);
  // Most frames are small, and in one piece: for the kernel less work than a list of pieces.
  const auto front = frame.front();
  const std::size_t size = frame.size();
  if (unlikely(front.size() != size)) return written(write_pieces(frame), size);
  const bool kept = likely(scheduler_ != nullptr) && likely(scheduler_->defers()) && likely(sound_) && likely(size > 0);
  if (unlikely(!kept)) return written(::write(descriptor_, front.data(), size), size);
  frame.for_each_slice([this](const Slice& whole) { kept_ = whole; });
  keeps_ = true;
  scheduler_->defer(*this);
  return {};
}

void FrameWriter::set_writable() noexcept {
  writable_ = true;
  if (keeps_) write_kept();
}

[[gnu::hot]] void FrameWriter::run_deferred() noexcept {
  if (likely(keeps_)) write_kept();
}

/// False: the device is full, and the frame waits.
bool FrameWriter::write_kept() noexcept {
  const auto bytes = kept_.bytes();
  const auto sent = written(::write(descriptor_, bytes.data(), bytes.size()), bytes.size());
  keeps_ = unlikely(!sent) && sent.error() == Error::would_block;
  return !keeps_;
}

/// What writev() returns.
ssize_t FrameWriter::write_pieces(const Packet& frame) const {
  std::array<iovec, kMaxPieces> vector;
  std::size_t pieces = 0;
  frame.for_each_chunk([&](std::span<const std::byte> piece) {
    // writev does not write through its iovec: the const_cast is the interface's, not ours.
    if (pieces < kMaxPieces) vector[pieces] = {const_cast<std::byte*>(piece.data()), piece.size()};
    ++pieces;
  });
  if (pieces <= kMaxPieces) return ::writev(descriptor_, vector.data(), static_cast<int>(pieces));
  const Packet whole = gathered(frame);
  return ::write(descriptor_, whole.front().data(), whole.size());
}

/// What came of the system call for a frame of `size` bytes.
Result<> FrameWriter::written(ssize_t result, std::size_t size) noexcept {
  ++stats_.calls;
  if (unlikely(result < 0)) {
    if (errno == EAGAIN) {
      writable_ = false;
      return fail(Error::would_block);
    }
    sound_ = false;
    ++stats_.errors;
    return fail(system_error());
  }
  sound_ = true;
  ++stats_.frames;
  stats_.bytes += size - header_size_;
  return {};
}

}  // namespace tapir::link
