#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <tapir/core/copy.hpp>
#include <tapir/core/packet_pool.hpp>
#include <tapir/core/time.hpp>

namespace tapir {

/// A struct that is its own wire image: one memcpy reads or writes it.
template <class H>
concept WireHeader = std::is_trivially_copyable_v<H> && alignof(H) == 1;

/// What is known of the transport checksum in a packet.
enum class ChecksumState : std::uint8_t {
  unverified,  ///< as it came off the wire: the transport checks it. On the way down: complete
  verified,    ///< the device vouches for it
  partial,     ///< the field holds the pseudo-header's sum only; whoever puts the packet on a wire completes it
};

/// How a super-packet is cut into the packets that a wire carries.
enum class GsoKind : std::uint8_t {
  none,
  tcp4,  ///< a super-segment, TCP over IPv4: `gso_size` is the MSS
  udp4,  ///< a super-datagram, UDP over IPv4: `gso_size` is the payload of each datagram
};

/// What travels with a packet beside its bytes.
struct PacketMeta {
  TimePoint ingress{};         ///< when the link received it
  std::int32_t network = 0;    ///< where the network header starts, in bytes from the packet's front; negative once trimmed off
  std::int32_t transport = 0;  ///< where the transport header starts, likewise
  ChecksumState checksum = ChecksumState::unverified;
  GsoKind gso = GsoKind::none;
  std::uint16_t gso_size = 0;         ///< payload bytes in each packet but the last; 0 without gso
  std::uint16_t checksum_offset = 0;  ///< for ChecksumState::partial: the field's distance from the transport header's start
  std::uint8_t tos = 0;               ///< on the way down: the type of service, for links that care (RFC 1122 section 2.4)
};

/// The list of payload slices: a few inline, more on the heap (only reassembled datagrams have more). A packet is moved at every layer and mostly has none or
/// one: what is not there is not touched.
class SliceList {
 public:
  static constexpr std::size_t inline_capacity = 4;

  SliceList() noexcept {}
  SliceList(const SliceList& other) : SliceList{} {
    for (std::size_t i = 0; i < other.count_; ++i) push_back(other[i]);
  }
  SliceList& operator=(const SliceList& other) { return *this = SliceList{other}; }
  /// The other is empty afterwards.
  SliceList(SliceList&& other) noexcept : SliceList{} {
    if (other.count_ > 0) take(other);
  }
  SliceList& operator=(SliceList&& other) noexcept {
    if (this == &other) return *this;
    if (count_ > 0) clear();
    if (other.count_ > 0) take(other);
    return *this;
  }
  ~SliceList() {
    if (count_ > 0 || far_ != nullptr) [[unlikely]]
      destroy();
  }

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] Slice& operator[](std::size_t i) noexcept { return i < inline_capacity ? near_[i] : (*far_)[i - inline_capacity]; }
  [[nodiscard]] const Slice& operator[](std::size_t i) const noexcept {
    return i < inline_capacity ? near_[i] : (*far_)[i - inline_capacity];
  }
  void push_back(Slice slice) {
    if (count_ < inline_capacity) {
      std::construct_at(&near_[count_], std::move(slice));
    } else {
      push_far(std::move(slice));
    }
    ++count_;
  }
  void push_front(Slice slice);
  void pop_front() noexcept;
  void pop_back() noexcept;
  void clear() noexcept;

 private:
  void push_far(Slice slice);
  /// All that `other` has, into this list, which is empty.
  void take(SliceList& other) noexcept {
    const std::size_t near = other.count_ < inline_capacity ? other.count_ : inline_capacity;
    for (std::size_t i = 0; i < near; ++i) {
      std::construct_at(&near_[i], std::move(other.near_[i]));
      std::destroy_at(&other.near_[i]);
    }
    if (other.count_ > inline_capacity) std::swap(far_, other.far_);
    count_ = std::exchange(other.count_, 0);
  }

  void destroy() noexcept;

  union {
    Slice near_[inline_capacity];  // the first count_ of them live
  };
  std::vector<Slice>* far_ = nullptr;  ///< owned. A smart pointer would have its end written out at the end of every packet's way
  std::size_t count_ = 0;
};

/// One packet on its way through the stack: a head slab in which headers are prepended, then shared payload slices. Move-only; payload
/// bytes are never copied by a layer. A moved-from packet is empty and may only be destroyed or assigned.
///
/// The front of a packet is the current layer's first byte: going down each layer prepends its header, going up each trims its own off.
class Packet {
 public:
  /// Room for 12 virtio + 14 Ethernet + 60 IPv4 + 60 TCP bytes in front.
  static constexpr std::size_t headroom = 160;

  /// An empty packet with headroom and no more than `tailroom` bytes to append_copy() without a further slab.
  explicit Packet(PacketPool& pool, std::size_t tailroom = 0);
  /// A packet whose bytes are [begin, begin + size) of `slab`, as a link received them. What lies before `begin` is headroom.
  Packet(PacketPool& pool, SlabRef slab, std::size_t begin, std::size_t size);
  Packet(Packet&& other) noexcept
      : pool_{other.pool_},
        head_{std::move(other.head_)},
        floor_{std::exchange(other.floor_, 0)},
        begin_{std::exchange(other.begin_, 0)},
        end_{std::exchange(other.end_, 0)},
        slices_{std::move(other.slices_)},
        tail_size_{std::exchange(other.tail_size_, 0)},
        meta_{other.meta_} {}
  Packet& operator=(Packet&& other) noexcept {
    pool_ = other.pool_;
    head_ = std::move(other.head_);
    floor_ = std::exchange(other.floor_, 0);
    begin_ = std::exchange(other.begin_, 0);
    end_ = std::exchange(other.end_, 0);
    slices_ = std::move(other.slices_);
    tail_size_ = std::exchange(other.tail_size_, 0);
    meta_ = other.meta_;
    return *this;
  }
  Packet(const Packet&) = delete;
  Packet& operator=(const Packet&) = delete;
  ~Packet() {
    if (head_) [[likely]]  // unlike most SlabRefs that end
      head_.reset();
  }

  /// A second packet over the same bytes. Both may be trimmed; the first to prepend gets a head of its own.
  [[nodiscard]] Packet share() const;

  [[nodiscard]] std::size_t size() const noexcept { return head_size() + tail_size_; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] PacketPool& pool() const noexcept { return *pool_; }

  /// A copy of the header that starts `offset` bytes after the front, or nullopt when the packet ends before it does.
  template <WireHeader H>
  [[nodiscard]] std::optional<H> peek(std::size_t offset = 0) const noexcept {
    H header;
    if (!copy_out(offset, std::as_writable_bytes(std::span{&header, 1}))) return std::nullopt;
    return header;
  }
  /// The same into `header`: where each packet is looked at, and an optional would be another copy.
  template <WireHeader H>
  [[nodiscard]] bool peek_into(H& header, std::size_t offset = 0) const noexcept {
    return copy_out(offset, std::as_writable_bytes(std::span{&header, 1}));
  }
  /// Copies bytes from `offset` on; false, and nothing copied, when the packet is too short.
  [[nodiscard]] bool copy_out(std::size_t offset, std::span<std::byte> into) const noexcept {
    // Headers lie in the head, and their sizes are known where they are read: this is a move or two then.
    if (offset <= head_size() && into.size() <= head_size() - offset) [[likely]] {
      if (!into.empty()) std::memcpy(into.data(), head_.bytes().data() + begin_ + offset, into.size());
      return true;
    }
    return gather(offset, into);
  }

  /// Puts `header` in front.
  template <WireHeader H>
  void prepend(const H& header) {
    // Not by memcpy(), which wants the header in memory first: what is read there as a whole just after its fields were written has to wait for them.
    ::new (prepend_room(sizeof(H)).data()) H{header};
  }
  /// A header in front, as H{} is, to be filled in where it lies, for the same reason.
  template <WireHeader H>
  [[nodiscard]] H& prepend() {
    return *::new (prepend_room(sizeof(H)).data()) H{};
  }
  /// Puts `bytes` in front.
  void prepend_bytes(std::span<const std::byte> bytes) {
    const auto room = prepend_room(bytes.size());
    copy_bytes(bytes, room);
  }
  /// `size` bytes of unspecified contents in front, to be written by the caller.
  [[nodiscard]] std::span<std::byte> prepend_room(std::size_t size) {
    if (begin_ < size) [[unlikely]]
      make_headroom(size);
    if (head_.shared()) [[unlikely]]  // apart, for an attribute of each; a head just made is nobody else's
      make_headroom(size);
    begin_ -= static_cast<std::uint32_t>(size);
    floor_ = begin_;
    shift_marks(static_cast<std::int32_t>(size));
    return head_.bytes().subspan(begin_, size);
  }

  /// Overwrites bytes from `offset` on; false, and nothing written, when the packet is too short. Shared bytes are copied first.
  bool overwrite(std::size_t offset, std::span<const std::byte> bytes);
  template <WireHeader H>
  bool overwrite(std::size_t offset, const H& header) {
    return overwrite(offset, std::as_bytes(std::span{&header, 1}));
  }

  /// Adds shared bytes at the end.
  void append(Slice slice);
  /// Adds a copy of `bytes` at the end.
  void append_copy(std::span<const std::byte> bytes);
  /// Adds another packet's bytes at the end.
  void append(Packet&& other);
  /// Adds `count` zero bytes at the end: the padding of a short frame.
  void append_zeros(std::size_t count);

  /// Takes bytes off the front, at most all.
  void trim_front(std::size_t count) noexcept {
    if (count > head_size()) [[unlikely]]
      return trim_slices(count);
    shift_marks(-static_cast<std::int32_t>(count));
    begin_ += static_cast<std::uint32_t>(count);
  }
  /// Keeps the first `size` bytes.
  void truncate(std::size_t size) noexcept {
    if (size < this->size()) [[unlikely]]
      cut_to(size);
  }
  /// The first `count` bytes, at most all, as a packet of its own over the same bytes; this one loses them. Its meta() starts anew.
  [[nodiscard]] Packet take_front(std::size_t count);
  /// Takes back `count` bytes that trim_front() took off; false when they are no longer there.
  [[nodiscard]] bool restore_front(std::size_t count) noexcept;

  /// The bytes in order, as contiguous runs: what one writev takes.
  template <class Visitor>
  void for_each_chunk(Visitor&& visit) const {
    if (head_size() > 0) visit(std::span<const std::byte>{head_.bytes().subspan(begin_, head_size())});
    for (std::size_t i = 0; i < slices_.size(); ++i) visit(slices_[i].bytes());
  }
  /// The bytes in order, as slices that keep them alive.
  template <class Visitor>
  void for_each_slice(Visitor&& visit) const {
    if (head_size() > 0) [[likely]]
      visit(Slice{head_, begin_, head_size()});
    for (std::size_t i = 0; i < slices_.size(); ++i) visit(slices_[i]);
  }
  /// The contiguous bytes at the front: the headers, on a packet going down.
  [[nodiscard]] std::span<const std::byte> front() const noexcept {
    if (head_size() == 0 && !slices_.empty()) [[unlikely]]
      return slices_[0].bytes();
    return head_.bytes().subspan(begin_, head_size());
  }
  /// All bytes, copied. For tests, captures and other slow paths.
  [[nodiscard]] std::vector<std::byte> bytes() const;

  /// Declares that the network header starts at the front, and keeps that true through later prepends and trims.
  void mark_network() noexcept { meta_.network = 0; }
  /// Likewise for the transport header.
  void mark_transport() noexcept { meta_.transport = 0; }
  [[nodiscard]] PacketMeta& meta() noexcept { return meta_; }
  [[nodiscard]] const PacketMeta& meta() const noexcept { return meta_; }

 private:
  [[nodiscard]] std::size_t head_size() const noexcept { return end_ - begin_; }
  /// copy_out() of what does not lie in the head alone.
  [[nodiscard]] bool gather(std::size_t offset, std::span<std::byte> into) const noexcept;
  void shift_marks(std::int32_t by) noexcept {
    meta_.network += by;
    meta_.transport += by;
  }
  void gather_head(std::size_t size);
  /// Makes `size` bytes of headroom that nobody shares.
  void make_headroom(std::size_t size);
  /// trim_front() beyond the head, truncate() of something: they change the slices, too.
  void trim_slices(std::size_t count) noexcept;
  void cut_to(std::size_t size) noexcept;

  PacketPool* pool_;
  SlabRef head_;
  std::uint32_t floor_ = 0;  ///< bytes in [floor_, begin_) were trimmed off and are still there
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
  SliceList slices_;
  std::size_t tail_size_ = 0;  ///< bytes in slices_
  PacketMeta meta_;
};

}  // namespace tapir
