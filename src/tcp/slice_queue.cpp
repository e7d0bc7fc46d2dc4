#include "slice_queue.hpp"

#include <algorithm>
#include <utility>

#include <tapir/core/branch.hpp>
#include <tapir/core/copy.hpp>

namespace tapir::tcp {

void SliceQueue::append_copy(std::span<const std::byte> bytes) {
  if (tail_room_ > 0 && !bytes.empty()) {
    // Packets on their way may read the slab's bytes before this room, nobody reads those in it.
    Slice& last = pieces_.back().slice;
    const std::size_t used = last.begin() + last.size();
    const std::size_t count = std::min(bytes.size(), tail_room_);
    copy_bytes(bytes.first(count), last.slab().bytes().subspan(used));
    last.extend(count);
    tail_room_ -= count;
    end_ += count;
    bytes = bytes.subspan(count);
  }
  if (!bytes.empty()) append_slabs(bytes);
}

/// Into slabs of its own; `bytes` is not empty.
[[gnu::hot]] void SliceQueue::append_slabs(std::span<const std::byte> bytes) {
  do {
    const std::size_t count = std::min(bytes.size(), PacketPool::super_capacity);
    // A first small write gets a small slab: most connections of a sensor never need more.
    const bool little = likely(pieces_.size() <= 1) && size() < PacketPool::header_capacity;  // what fills a slab of its own is more
    const std::size_t wanted = little ? count : std::max(count, PacketPool::frame_capacity);
    SlabRef slab = pool_->slab(wanted);
    copy_bytes(bytes.first(count), slab.bytes());
    const std::size_t room = slab.capacity() - count;
    push_back(Slice{std::move(slab), 0, count});
    tail_room_ = room;
    bytes = bytes.subspan(count);
  } while (!bytes.empty());
}

void SliceQueue::append(Slice slice) {
  if (slice.empty()) return;
  // What comes alone, in a small slab, is mostly read before more comes.
  if (likely(empty()) && likely(slice.pinned() <= PacketPool::header_capacity)) return push_back(std::move(slice));
  if (wasteful(slice)) {
    append_copy(slice.bytes());
  } else {
    push_back(std::move(slice));
  }
}

void SliceQueue::prepend(Slice slice) {
  if (slice.empty()) return;
  if (empty()) {
    append(std::move(slice));
    return;
  }
  if (wasteful(slice)) slice = pool_->copy(slice.bytes());
  begin_ -= slice.size();
  pieces_.push_front(Piece{begin_, std::move(slice)});
}

void SliceQueue::append(SliceQueue&& other) {
  if (other.pieces_.size() <= pieces_.size()) {
    for (std::size_t i = 0; i < other.pieces_.size(); ++i) push_back(std::move(other.pieces_[i].slice));
    tail_room_ = other.empty() ? tail_room_ : other.tail_room_;
    other.clear();
    return;
  }
  for (std::size_t i = pieces_.size(); i-- > 0;) {
    other.begin_ -= pieces_[i].slice.size();
    other.pieces_.push_front(Piece{other.begin_, std::move(pieces_[i].slice)});
  }
  clear();
  std::swap(pieces_, other.pieces_);
  std::swap(begin_, other.begin_);
  std::swap(end_, other.end_);
  std::swap(tail_room_, other.tail_room_);
}

std::size_t SliceQueue::view(std::size_t offset, std::size_t count, Packet& packet) const {
  if (offset >= size()) return 0;
  count = std::min(count, size() - offset);
  std::uint64_t position = begin_ + offset;
  std::size_t left = count;
  std::size_t i = find(position);
  if (const Piece& piece = pieces_[i]; likely(count <= kCopied) && likely(position - piece.begin + count <= piece.slice.size())) {
    packet.append_copy(piece.slice.bytes().subspan(static_cast<std::size_t>(position - piece.begin), count));
    return count;
  }
  for (; left > 0; ++i) {
    const Piece& piece = pieces_[i];
    Slice part = piece.slice.sub(static_cast<std::size_t>(position - piece.begin), left);
    position += part.size();
    left -= part.size();
    packet.append(std::move(part));
  }
  return count;
}

std::size_t SliceQueue::copy_out(std::size_t offset, std::span<std::byte> into) const noexcept {
  if (offset >= size()) return 0;
  const std::size_t count = std::min(into.size(), size() - offset);
  std::uint64_t position = begin_ + offset;
  into = into.first(count);
  for (std::size_t i = find(position); !into.empty(); ++i) {
    const Piece& piece = pieces_[i];
    const auto bytes = piece.slice.bytes().subspan(static_cast<std::size_t>(position - piece.begin));
    const std::size_t step = std::min(bytes.size(), into.size());
    copy_bytes(bytes.first(step), into);
    into = into.subspan(step);
    position += step;
  }
  return count;
}

Slice SliceQueue::pop_slice(std::size_t max) noexcept {
  Slice taken = pieces_.front().slice.sub(0, max);
  trim_front(taken.size());
  return taken;
}

void SliceQueue::trim_front(std::size_t count) noexcept {
  begin_ += std::min(count, size());
  if (likely(!pieces_.empty())) {
    do {
      Piece& piece = pieces_.front();
      const auto gone = static_cast<std::size_t>(begin_ - piece.begin);
      if (gone < piece.slice.size()) {
        piece.slice.trim_front(gone);
        piece.begin = begin_;
        return;
      }
      pieces_.pop_front();
    } while (unlikely(!pieces_.empty()));
  }
  tail_room_ = 0;
}

void SliceQueue::truncate(std::size_t size) noexcept {
  if (size >= this->size()) return;
  end_ = begin_ + size;
  tail_room_ = 0;  // packets on their way may still read what lies behind the cut
  while (!pieces_.empty() && pieces_.back().begin >= end_) pieces_.pop_back();
  if (!pieces_.empty()) pieces_.back().slice.truncate(static_cast<std::size_t>(end_ - pieces_.back().begin));
}

void SliceQueue::clear() noexcept {
  pieces_.clear();
  begin_ = end_ = kMiddle;
  tail_room_ = 0;
}

/// The index of the piece that holds `position`, which is one of the bytes kept.
std::size_t SliceQueue::find(std::uint64_t position) const noexcept {
  std::size_t low = 0;
  std::size_t high = pieces_.size();
  while (unlikely(high - low > 1)) {
    const std::size_t middle = low + (high - low) / 2;
    if (pieces_[middle].begin <= position) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

void SliceQueue::push_back(Slice slice) {
  const std::size_t size = slice.size();
  pieces_.push_back(Piece{end_, std::move(slice)});
  end_ += size;
  tail_room_ = 0;
}

}  // namespace tapir::tcp
