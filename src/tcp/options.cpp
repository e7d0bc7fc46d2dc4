#include "options.hpp"

#include <algorithm>
#include <cstring>

#include <tapir/core/branch.hpp>
#include <tapir/core/byte_order.hpp>

#include "window_scale.hpp"

namespace tapir::tcp {

namespace {

constexpr std::size_t kMssSize = 4;
constexpr std::size_t kWindowScaleSize = 3;
constexpr std::size_t kSackPermittedSize = 2;
constexpr std::size_t kTimestampsSize = 10;
constexpr std::size_t kUserTimeoutSize = 4;
constexpr std::uint16_t kFastOpenMagic = 0xf989;  // RFC 7413 section 4.1.1: of the experimental option (RFC 6994)

constexpr std::size_t fast_open_size(const FastOpenOption& option) noexcept {
  return 2 + (option.experimental ? sizeof(kFastOpenMagic) : 0) + option.cookie.size();
}

/// Reads the value of one option; `value` is what follows its length byte.
bool read_value(OptionKind kind, std::span<const std::byte> value, Options& options) noexcept {
  Reader reader{value};
  switch (kind) {
    case OptionKind::mss:
      if (value.size() != kMssSize - 2) return false;
      options.mss = *reader.u16();
      return true;
    case OptionKind::window_scale:
      if (value.size() != kWindowScaleSize - 2) return false;
      options.window_scale = *reader.u8();
      options.window_scale_too_large = *options.window_scale > kMaxWindowShift;
      options.window_scale = std::min(*options.window_scale, kMaxWindowShift);  // RFC 7323 section 2.3: more is taken as 14
      return true;
    case OptionKind::sack_permitted:
      if (value.size() != kSackPermittedSize - 2) return false;
      options.sack_permitted = true;
      return true;
    case OptionKind::sack:
      if (value.empty() || value.size() % kSackBlockSize != 0) return false;
      options.sack = SackBlocks{};
      while (!reader.empty()) {
        const SeqNum begin = *reader.read<SeqNum>();
        const SeqNum end = *reader.read<SeqNum>();
        (void)options.sack.push_back({begin, end});  // 40 bytes hold no more than the four there is room for
      }
      return true;
    case OptionKind::timestamps: {
      if (value.size() != kTimestampsSize - 2) return false;
      const std::uint32_t now = *reader.u32();
      options.timestamps = Timestamps{.value = now, .echo_reply = *reader.u32()};
      return true;
    }
    case OptionKind::user_timeout:
      if (value.size() != kUserTimeoutSize - 2) return false;
      options.user_timeout = UserTimeoutValue::from_wire(*reader.u16());
      return true;
    case OptionKind::fast_open:
      if (const auto cookie = FastOpenCookie::from(value)) options.fast_open = FastOpenOption{.cookie = *cookie};
      return true;
    case OptionKind::experimental:
      if (value.size() < sizeof(kFastOpenMagic) || *reader.u16() != kFastOpenMagic) return true;
      if (const auto cookie = FastOpenCookie::from(value.subspan(sizeof(kFastOpenMagic)))) {
        options.fast_open = FastOpenOption{.cookie = *cookie, .experimental = true};
      }
      return true;
    default: return true;
  }
}

[[gnu::noinline]] Accepted read_all_options(std::span<const std::byte> bytes, Options& options) noexcept {
  Reader reader{bytes};
  while (!reader.empty()) {
    const auto kind = *reader.read<OptionKind>();
    if (kind == OptionKind::end_of_list) break;
    if (kind == OptionKind::no_operation) continue;
    const auto length = reader.u8();
    if (!length || *length < 2) return std::unexpected{Drop::bad_option};
    const auto value = reader.take(*length - 2U);
    if (!value || !read_value(kind, *value, options)) return std::unexpected{Drop::bad_option};
  }
  return {};
}

bool only_timestamps(const Options& options) noexcept {
  return options.timestamps && options.sack.empty() && !options.mss && !options.sack_permitted && !options.window_scale &&
         !options.user_timeout && !options.fast_open;
}

}  // namespace

std::expected<Options, Drop> parse_options(std::span<const std::byte> bytes) noexcept {
  Options options;
  if (const auto read = read_options(bytes, options); !read) return std::unexpected{read.error()};
  return options;
}

Accepted read_options(std::span<const std::byte> bytes, Options& options) noexcept {
  if (AlignedTimestamps image{}; likely(bytes.size() == sizeof(image))) {
    std::memcpy(&image, bytes.data(), sizeof(image));
    if (likely(image.layout == kAlignedTimestampsLayout)) {
      options.timestamps = Timestamps{.value = image.value, .echo_reply = image.echo_reply};
      return {};
    }
  }
  return read_all_options(bytes, options);
}

std::size_t encoded_size(const Options& options) noexcept {
  return (options.mss ? kMssSize : 0) + (options.timestamps ? kAlignedTimestampsSize : 0) +
         (options.sack_permitted && !options.timestamps ? 2 + kSackPermittedSize : 0) + (options.window_scale ? 1 + kWindowScaleSize : 0) +
         encoded_size(options.sack) + (options.user_timeout ? kUserTimeoutSize : 0) +
         (options.fast_open ? (fast_open_size(*options.fast_open) + 3) / 4 * 4 : 0);
}

std::expected<void, Drop> encode_options(const Options& options, Writer& into) noexcept {
  if (only_timestamps(options)) {
    std::array<std::byte, kAlignedTimestampsSize> bytes;
    put_aligned(*options.timestamps, bytes);
    return into.write(bytes);
  }
  if (into.remaining() < encoded_size(options)) return std::unexpected{Drop::truncated};
  bool written = true;
  const auto put = [&](auto value) { written = into.write(value).has_value() && written; };
  const auto head = [&](OptionKind kind, std::size_t length) {
    put(kind);
    put(static_cast<std::uint8_t>(length));
  };
  const auto align = [&](std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) put(OptionKind::no_operation);
  };
  if (options.mss) {
    head(OptionKind::mss, kMssSize);
    put(*options.mss);
  }
  if (options.sack_permitted) {
    if (!options.timestamps) align(2);
    head(OptionKind::sack_permitted, kSackPermittedSize);
  }
  if (options.timestamps) {
    if (!options.sack_permitted) align(2);
    head(OptionKind::timestamps, kTimestampsSize);
    put(options.timestamps->value);
    put(options.timestamps->echo_reply);
  }
  if (options.window_scale) {
    align(1);
    head(OptionKind::window_scale, kWindowScaleSize);
    put(*options.window_scale);
  }
  if (!options.sack.empty()) {
    align(2);
    head(OptionKind::sack, 2 + kSackBlockSize * options.sack.size());
    for (const auto& block : options.sack) {
      put(block.begin);
      put(block.end);
    }
  }
  if (options.user_timeout) {
    head(OptionKind::user_timeout, kUserTimeoutSize);
    put(options.user_timeout->to_wire());
  }
  if (options.fast_open) {
    const FastOpenOption& fast_open = *options.fast_open;
    const std::size_t size = fast_open_size(fast_open);
    head(fast_open.experimental ? OptionKind::experimental : OptionKind::fast_open, size);
    if (fast_open.experimental) put(kFastOpenMagic);
    put(fast_open.cookie.bytes());
    align((4 - size % 4) % 4);
  }
  if (!written) return std::unexpected{Drop::truncated};
  return {};
}

}  // namespace tapir::tcp
