#include "message.hpp"

#include <algorithm>
#include <cstdint>

#include "timestamping_flags.hpp"

namespace tapir::posix::detail {

namespace {
constexpr int kTimestampKey = 81;  // SCM_TS_OPT_ID of newer headers than some

Result<std::uint32_t> word_of(std::span<const std::byte> data) {
  std::uint32_t word = 0;
  if (data.size() != sizeof(word)) return error(EINVAL);
  std::memcpy(&word, data.data(), sizeof(word));
  return word;
}
}  // namespace

void ControlWriter::add(int level, int type, std::span<const std::byte> data) noexcept {
  const std::size_t left = room_.size() - written_;
  if (left < sizeof(cmsghdr)) {
    truncated_ = true;
    return;
  }
  const std::size_t fits = std::min(data.size(), left - std::min(left, CMSG_LEN(0)));
  if (fits < data.size()) truncated_ = true;
  cmsghdr header{};
  header.cmsg_len = CMSG_LEN(fits);
  header.cmsg_level = level;
  header.cmsg_type = type;
  std::memcpy(room_.data() + written_, &header, sizeof(header));
  if (fits > 0) std::memcpy(room_.data() + written_ + CMSG_LEN(0), data.data(), fits);
  written_ += std::min(CMSG_SPACE(fits), left);
}

Result<> take_socket_control(const cmsghdr& header, std::span<const std::byte> data, SocketControl& asked) {
  switch (header.cmsg_type) {
    case SCM_RIGHTS:
    case SCM_CREDENTIALS: return {};  // between processes alone
    case SO_MARK:
    case SO_TIMESTAMPING_OLD:
    case SO_TIMESTAMPING_NEW:
    case kTimestampKey: break;
    default: return error(EINVAL);
  }
  const auto word = word_of(data);
  if (!word) return fail(word.error());
  if (header.cmsg_type == kTimestampKey) {
    asked.key = *word;
  } else if (header.cmsg_type != SO_MARK) {
    if ((*word & ~kTimestampingStages) != 0) return error(EINVAL);
    asked.stages = *word;
  }
  return {};
}

std::size_t size_of(std::span<const iovec> parts) noexcept {
  std::size_t size = 0;
  for (const iovec& part : parts) size += part.iov_len;
  return size;
}

std::span<std::byte> room_at(std::span<const iovec> parts, std::size_t offset) noexcept {
  for (const iovec& part : parts) {
    if (offset < part.iov_len) return bytes_of(part).subspan(offset);
    offset -= part.iov_len;
  }
  return {};
}

std::size_t scatter(std::span<const std::byte> bytes, std::span<const iovec> parts, std::size_t offset) noexcept {
  std::size_t copied = 0;
  while (copied < bytes.size()) {
    const auto room = room_at(parts, offset + copied);
    if (room.empty()) break;
    const std::size_t step = std::min(room.size(), bytes.size() - copied);
    std::memcpy(room.data(), bytes.data() + copied, step);
    copied += step;
  }
  return copied;
}

}  // namespace tapir::posix::detail
