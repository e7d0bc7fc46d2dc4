#include <tapir/core/packet.hpp>

#include <algorithm>

#include <tapir/core/branch.hpp>

namespace tapir {

void SliceList::push_far(Slice slice) {
  if (far_ == nullptr) far_ = std::make_unique<std::vector<Slice>>().release();
  far_->push_back(std::move(slice));
}

void SliceList::destroy() noexcept {
  clear();
  const std::unique_ptr<std::vector<Slice>> far{std::exchange(far_, nullptr)};
}

void SliceList::push_front(Slice slice) {
  push_back(Slice{});
  for (std::size_t i = count_ - 1; i > 0; --i) (*this)[i] = std::move((*this)[i - 1]);
  (*this)[0] = std::move(slice);
}

void SliceList::pop_front() noexcept {
  for (std::size_t i = 1; i < count_; ++i) (*this)[i - 1] = std::move((*this)[i]);
  pop_back();
}

void SliceList::pop_back() noexcept {
  if (count_ > inline_capacity) {
    far_->pop_back();
  } else {
    std::destroy_at(&near_[count_ - 1]);
  }
  --count_;
}

void SliceList::clear() noexcept {
  while (count_ > 0) pop_back();
}

[[gnu::hot]] Packet::Packet(PacketPool& pool, std::size_t tailroom)
    : pool_{&pool}, head_{pool.slab(headroom + tailroom)}, floor_{headroom}, begin_{headroom}, end_{headroom} {}

[[gnu::hot]] Packet::Packet(PacketPool& pool, SlabRef slab, std::size_t begin, std::size_t size)
    : pool_{&pool},
      head_{std::move(slab)},
      floor_{static_cast<std::uint32_t>(std::min(begin, head_.capacity()))},
      begin_{floor_},
      end_{static_cast<std::uint32_t>(std::min(begin_ + size, head_.capacity()))} {}

Packet Packet::share() const {
  Packet copy{*pool_, head_, begin_, head_size()};
  copy.floor_ = floor_;
  copy.slices_ = slices_;
  copy.tail_size_ = tail_size_;
  copy.meta_ = meta_;
  return copy;
}

bool Packet::gather(std::size_t offset, std::span<std::byte> into) const noexcept {
  if (offset > size() || into.size() > size() - offset) return false;
  for_each_chunk([&](std::span<const std::byte> chunk) {
    if (offset >= chunk.size()) {
      offset -= chunk.size();
      return;
    }
    const std::size_t count = std::min(chunk.size() - offset, into.size());
    if (count > 0) std::memcpy(into.data(), chunk.data() + offset, count);
    into = into.subspan(count);
    offset = 0;
  });
  return true;
}

void Packet::make_headroom(std::size_t size) {
  // No room, or somebody else reads these bytes: they become the first slice behind a head of our own.
  if (head_size() > 0) {
    tail_size_ += head_size();
    slices_.push_front(Slice{std::move(head_), begin_, head_size()});
  }
  const std::size_t room = std::max(headroom, size);
  head_ = pool_->slab(room);
  begin_ = end_ = static_cast<std::uint32_t>(room);
}

bool Packet::overwrite(std::size_t offset, std::span<const std::byte> bytes) {
  if (offset > size() || bytes.size() > size() - offset) return false;
  if (bytes.empty()) return true;
  if (!head_.unique() || offset + bytes.size() > head_size()) gather_head(offset + bytes.size());
  std::memcpy(head_.bytes().data() + begin_ + offset, bytes.data(), bytes.size());
  return true;
}

/// Makes the first `size` bytes lie in a head slab that nobody shares.
void Packet::gather_head(std::size_t size) {
  const std::size_t wanted = std::max(size, head_size());
  SlabRef fresh = pool_->slab(headroom + wanted);
  (void)copy_out(0, fresh.bytes().subspan(headroom, wanted));
  std::size_t from_slices = wanted - head_size();
  while (from_slices > 0) {
    const std::size_t count = std::min(from_slices, slices_[0].size());
    slices_[0].trim_front(count);
    tail_size_ -= count;
    from_slices -= count;
    if (slices_[0].empty()) slices_.pop_front();
  }
  head_ = std::move(fresh);
  floor_ = begin_ = headroom;
  end_ = static_cast<std::uint32_t>(headroom + wanted);
}

void Packet::append(Slice slice) {
  if (slice.empty()) return;
  tail_size_ += slice.size();
  slices_.push_back(std::move(slice));
}

[[gnu::hot]] void Packet::append_copy(std::span<const std::byte> bytes) {
  if (likely(slices_.empty()) && likely(head_.unique()) && likely(bytes.size() <= head_.capacity() - end_)) {
    copy_bytes(bytes, head_.bytes().subspan(end_));
    end_ += static_cast<std::uint32_t>(bytes.size());
    return;
  }
  append(pool_->copy(bytes));
}

void Packet::append(Packet&& other) {
  other.for_each_slice([this](Slice slice) { append(std::move(slice)); });
}

void Packet::append_zeros(std::size_t count) {
  static constexpr std::array<std::byte, 64> kZeros{};
  while (count > 0) {
    const std::size_t step = std::min(count, kZeros.size());
    append_copy(std::span{kZeros}.first(step));
    count -= step;
  }
}

void Packet::trim_slices(std::size_t count) noexcept {
  count = std::min(count, size());
  shift_marks(-static_cast<std::int32_t>(count));
  const std::size_t from_head = std::min(count, head_size());
  begin_ += static_cast<std::uint32_t>(from_head);
  count -= from_head;
  while (count > 0) {
    floor_ = begin_;  // what a slice loses cannot be restored, so neither can what came before it
    const std::size_t step = std::min(count, slices_[0].size());
    slices_[0].trim_front(step);
    tail_size_ -= step;
    count -= step;
    if (slices_[0].empty()) slices_.pop_front();
  }
}

void Packet::cut_to(std::size_t size) noexcept {
  if (size <= head_size()) {
    end_ = begin_ + static_cast<std::uint32_t>(size);
    slices_.clear();
    tail_size_ = 0;
    return;
  }
  std::size_t excess = this->size() - size;
  while (excess > 0) {
    Slice& last = slices_[slices_.size() - 1];
    const std::size_t step = std::min(excess, last.size());
    last.truncate(last.size() - step);
    tail_size_ -= step;
    excess -= step;
    if (last.empty()) slices_.pop_back();
  }
}

Packet Packet::take_front(std::size_t count) {
  Packet front{*pool_};
  if (const std::size_t from_head = std::min(count, head_size()); from_head > 0) {
    front.append(Slice{head_, begin_, from_head});
    trim_front(from_head);
    count -= from_head;
  }
  while (count > 0 && !slices_.empty()) {
    const std::size_t step = std::min(count, slices_[0].size());
    front.append(slices_[0].sub(0, step));
    trim_front(step);
    count -= step;
  }
  return front;
}

bool Packet::restore_front(std::size_t count) noexcept {
  if (count > begin_ - floor_) return false;
  begin_ -= static_cast<std::uint32_t>(count);
  shift_marks(static_cast<std::int32_t>(count));
  return true;
}

std::vector<std::byte> Packet::bytes() const {
  std::vector<std::byte> all(size());
  (void)copy_out(0, all);
  return all;
}

}  // namespace tapir
