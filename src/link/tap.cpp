#include <tapir/link/tap.hpp>

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>

#include <tapir/core/branch.hpp>
#include <tapir/link/descriptor.hpp>
#include <tapir/link/system_error.hpp>

#include "steering_program.hpp"
#include "virtio_header.hpp"

namespace tapir::link {

namespace {

class TapCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "tap"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<TapError>(value)) {
      case TapError::no_tun_driver: return "there is no /dev/net/tun: load the kernel module tun";
      case TapError::no_permission: return "no permission to use /dev/net/tun; run under scripts/netlab";
      case TapError::bad_name: return "a device name has 1 to 15 characters, none of them '/', ':' or blank";
      case TapError::busy: return "the device is held by another program";
      case TapError::not_tap: return "not a TAP device";
      case TapError::no_offload: return "the kernel refuses checksum and segmentation offload";
      case TapError::one_queue: return "not a TAP device of several queues: make it by 'ip tuntap add DEVICE mode tap multi_queue'";
    }
    return "unknown TAP error";
  }
  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<TapError>(value)) {
      case TapError::no_tun_driver: return std::errc::no_such_device;
      case TapError::no_permission: return std::errc::operation_not_permitted;
      case TapError::bad_name: return std::errc::invalid_argument;
      case TapError::busy: return std::errc::device_or_resource_busy;
      case TapError::not_tap: return std::errc::invalid_argument;
      case TapError::no_offload: return std::errc::not_supported;
      case TapError::one_queue: return std::errc::invalid_argument;
    }
    return {value, *this};
  }
};

std::error_code attach_error() noexcept {
  switch (errno) {
    case EPERM:
    case EACCES: return TapError::no_permission;
    case EBUSY: return TapError::busy;
    case EINVAL: return TapError::not_tap;
    default: return system_error();
  }
}

ifreq request_for(const std::string& name) noexcept {
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  return request;
}

struct Attached {
  std::string name;             ///< the kernel completes a pattern such as "tap%d"
  bool cuts_datagrams = false;  ///< since Linux 6.2
};

/// Tells the kernel what it may leave to us. It wants to hear of super-datagrams in both versions of IP or in none.
Result<bool> set_offload(int fd) {
  constexpr unsigned long kSuperDatagrams = 0x20 | 0x40;  // TUN_F_USO4 and TUN_F_USO6 of newer headers than some
  constexpr unsigned long kAlways = TUN_F_CSUM | TUN_F_TSO4;
  if (::ioctl(fd, TUNSETOFFLOAD, kAlways | kSuperDatagrams) == 0) return true;
  if (::ioctl(fd, TUNSETOFFLOAD, kAlways) == 0) return false;
  return fail(TapError::no_offload);
}

Result<Attached> attach_device(int fd, const std::string& name, TapMode mode, int more_flags) {
  ifreq request = request_for(name);
  const int flags = IFF_TAP | IFF_NO_PI | (mode == TapMode::offload ? IFF_VNET_HDR : 0) | more_flags;
  request.ifr_flags = static_cast<short>(flags);
  if (::ioctl(fd, TUNSETIFF, &request) < 0) {
    if (errno == EINVAL && (more_flags & IFF_MULTI_QUEUE) != 0) return fail(TapError::one_queue);
    return fail(attach_error());
  }
  if (mode == TapMode::plain) {
    if (::ioctl(fd, TUNSETOFFLOAD, 0UL) < 0 && errno != EINVAL) return fail(system_error());
    return Attached{request.ifr_name};
  }
  int header_size = sizeof(VirtioHeader);
  if (::ioctl(fd, TUNSETVNETHDRSZ, &header_size) < 0) return fail(TapError::no_offload);
  const auto cuts_datagrams = set_offload(fd);
  if (!cuts_datagrams) return fail(cuts_datagrams.error());
  return Attached{request.ifr_name, *cuts_datagrams};
}

Result<std::size_t> device_mtu(const std::string& name) {
  const Descriptor socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (socket.get() < 0) return fail(system_error());
  ifreq request = request_for(name);
  if (::ioctl(socket.get(), SIOCGIFMTU, &request) < 0) return fail(system_error());
  return static_cast<std::size_t>(request.ifr_mtu);
}

constexpr std::size_t kLinkHeaders = 14 + 4;  ///< Ethernet and an 802.1Q tag
static_assert(Packet::headroom + kLinkHeaders + 65535 <= PacketPool::super_capacity);
/// Read in one batch at most: whoever takes the bytes finds them in the processor's cache, and their slabs are used again while those are there, too.
constexpr std::uint64_t kBatchOctets = 524'288;
}  // namespace

std::error_code make_error_code(TapError error) noexcept {
  static const TapCategory category;
  return {static_cast<int>(error), category};
}

Result<Tap> Tap::open(const std::string& name, TapOptions options) { return open_queue(name, options, 0); }

Result<TapQueues> Tap::open_queues(const std::string& name, const Steering& steering, TapOptions options) {
  TapQueues opened;
  for (std::size_t i = 0; i < steering.shards(); ++i) {
    auto queue = open_queue(i == 0 ? name : std::string{opened.queues.front().name()}, options, IFF_MULTI_QUEUE);
    if (!queue) return fail(queue.error());
    opened.queues.push_back(std::move(*queue));
  }
  if (const auto steered = steer_queues(opened.queues.front().descriptor_, steering); !steered) opened.unsteered = steered.error();
  return opened;
}

Result<Tap> Tap::open_queue(const std::string& name, TapOptions options, int more_flags) {
  constexpr std::string_view kForbidden{"/: \t\n\0", 6};
  if (name.empty() || name.size() >= IFNAMSIZ || name.find_first_of(kForbidden) != std::string::npos) return fail(TapError::bad_name);
  Descriptor tun{::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)};
  if (tun.get() < 0) return fail(errno == ENOENT || errno == ENODEV ? TapError::no_tun_driver : attach_error());
  const auto device = attach_device(tun.get(), name, options.mode, more_flags);
  if (!device) return fail(device.error());
  const auto mtu = device_mtu(device->name);
  if (!mtu) return fail(mtu.error());
  Tap tap{device->name, tun.release(), options, options.mtu > 0 ? std::min(options.mtu, *mtu) : *mtu};
  tap.capabilities_.cuts_datagrams = device->cuts_datagrams;
  return tap;
}

Tap::Tap(std::string name, int descriptor, const TapOptions& options, std::size_t mtu)
    : name_{std::move(name)},
      descriptor_{descriptor},
      mode_{options.mode},
      coalesce_{options.mode == TapMode::plain && options.coalesce},
      pool_{std::make_unique<PacketPool>()},
      writer_{descriptor, mode_ == TapMode::offload ? sizeof(VirtioHeader) : 0} {
  capabilities_.mtu = mtu;
  capabilities_.completes_checksums = mode_ == TapMode::offload;
  capabilities_.max_super_segment = mode_ == TapMode::offload ? 65535 : 0;
  capabilities_.split_above = mode_ == TapMode::plain;
}

Tap::Tap(Tap&& other) noexcept
    : name_{std::move(other.name_)},
      descriptor_{std::exchange(other.descriptor_, -1)},
      mode_{other.mode_},
      coalesce_{other.coalesce_},
      coalescer_{std::move(other.coalescer_)},
      capabilities_{other.capabilities_},
      receiver_{std::exchange(other.receiver_, nullptr)},
      pool_{std::move(other.pool_)},
      landing_{std::move(other.landing_)},
      writer_{std::move(other.writer_)},
      more_{other.more_},
      in_{other.in_},
      drops_{other.drops_} {}

Tap& Tap::operator=(Tap&& other) noexcept {
  if (this == &other) return *this;
  if (descriptor_ >= 0) ::close(descriptor_);
  name_ = std::move(other.name_);
  descriptor_ = std::exchange(other.descriptor_, -1);
  mode_ = other.mode_;
  coalesce_ = other.coalesce_;
  coalescer_ = std::move(other.coalescer_);
  capabilities_ = other.capabilities_;
  receiver_ = std::exchange(other.receiver_, nullptr);
  landing_ = std::move(other.landing_);
  pool_ = std::move(other.pool_);
  writer_ = std::move(other.writer_);
  more_ = other.more_;
  in_ = other.in_;
  drops_ = other.drops_;
  return *this;
}

Tap::~Tap() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool Tap::is_up() const noexcept {
  const Descriptor socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  ifreq request = request_for(name_);
  return socket.get() >= 0 && ::ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
}

[[gnu::flatten, gnu::hot]] Result<> Tap::transmit(Packet&& frame) {
  const std::size_t size = frame.size();
  if (unlikely(size > capabilities_.max_super_segment + kLinkHeaders) && size > capabilities_.mtu + kLinkHeaders)
    return fail(Error::message_too_large);
  if (mode_ == TapMode::offload) frame.prepend(describe(frame));
  return writer_.write(frame);
}

TapStats Tap::stats() const noexcept {
  TapStats all = in_;
  const FrameWriter::Stats& out = writer_.stats();
  all.out_frames = out.frames;
  all.out_bytes = out.bytes;
  all.writes = out.calls;
  all.out_errors = out.errors;
  return all;
}

std::vector<Counter> Tap::counters() const {
  const TapStats all = stats();
  return {{"inFrames", all.in_frames}, {"inOctets", all.in_bytes}, {"outFrames", all.out_frames}, {"outOctets", all.out_bytes},
          {"reads", all.reads},        {"writes", all.writes},     {"inErrors", all.in_errors},   {"outErrors", all.out_errors}};
}

[[gnu::flatten, gnu::hot]] std::size_t Tap::drain(std::size_t budget) {
  // The read that finds nothing costs as much as one that does: it is left out after as many frames as mostly come together.
  std::size_t frames = 0;
  const std::uint64_t last_octet = in_.in_bytes + kBatchOctets;
  for (; frames < budget && in_.in_bytes < last_octet; ++frames) {
    Habit& more = more_[std::min(frames, more_.size() - 1)];
    if (frames > 0 && !more.worth_asking()) break;
    const bool found = read_frame();
    if (frames > 0) more.learn(found);
    if (!found) break;
  }
  if (likely(!coalesce_)) return frames;
  if (receiver_ != nullptr) {
    coalescer_.flush(*receiver_);
  } else {
    coalescer_.discard();
  }
  return frames;
}

bool Tap::read_frame() {
  // Any frame has room in the landing slab, and the kernel has one piece to fill. What is small leaves it for a small slab: that copy costs less than what it
  // would pin. Both begin behind room for headers of our own, in the last bytes of which the virtio header lies.
  if (unlikely(!landing_)) landing_ = pool_->slab(PacketPool::super_capacity);
  const std::size_t header_size = mode_ == TapMode::offload ? sizeof(VirtioHeader) : 0;
  const auto room = landing_.bytes().subspan(Packet::headroom - header_size);
  ++in_.reads;
  const auto received = ::read(descriptor_, room.data(), room.size());
  if (unlikely(received < 0)) {
    if (errno != EAGAIN && errno != EINTR) ++in_.in_errors;
    return false;
  }
  if (unlikely(static_cast<std::size_t>(received) < header_size)) {
    drops_.count(Drop::truncated);
    return true;
  }
  VirtioHeader header;
  if (likely(header_size > 0)) std::memcpy(&header, room.data(), sizeof(header));
  const std::size_t size = static_cast<std::size_t>(received) - header_size;
  ++in_.in_frames;
  in_.in_bytes += size;
  if (unlikely(coalesce_) && (receiver_ != nullptr && coalescer_.join_next(Packet{*pool_, landing_, Packet::headroom, size}, *receiver_)))
    return true;
  Packet frame = take_landed(size);
  if (const auto accepted = apply(header, frame); unlikely(!accepted)) {
    drops_.count(accepted.error());
  } else if (receiver_ != nullptr) {
    hand_up(std::move(frame));
  }
  return true;
}

/// The frame of `size` bytes that lies in the landing slab.
Packet Tap::take_landed(std::size_t size) {
  const std::size_t end = Packet::headroom + size;
  if (unlikely(end > PacketPool::frame_capacity)) return Packet{*pool_, std::exchange(landing_, SlabRef{}), Packet::headroom, size};
  SlabRef slab = pool_->slab(end);
  std::memcpy(slab.bytes().data() + Packet::headroom, landing_.bytes().data() + Packet::headroom, size);
  return Packet{*pool_, std::move(slab), Packet::headroom, size};
}

void Tap::hand_up(Packet&& frame) {
  if (unlikely(coalesce_)) return coalescer_.take(std::move(frame), *receiver_);
  std::ignore = receiver_->demultiplex(std::move(frame), {});  // a layer that refuses it counts it by name
}

}  // namespace tapir::link
