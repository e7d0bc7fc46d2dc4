#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include <tapir/core/addresses.hpp>
#include <tapir/core/error.hpp>
#include <tapir/core/time.hpp>

#include "error_number.hpp"

namespace tapir::posix::detail {

/// What a send call was given.
struct Outgoing {
  std::span<const iovec> parts = {};
  int flags = 0;
  const sockaddr* to = nullptr;  ///< nullptr: not said
  socklen_t to_size = 0;
  std::span<const std::byte> control = {};
};

/// The control buffer of recvmsg(): messages are added while there is room.
class ControlWriter {
 public:
  ControlWriter() noexcept = default;
  explicit ControlWriter(std::span<std::byte> room) noexcept : room_{room} {}

  /// Adds one message, cut to the room there is.
  void add(int level, int type, std::span<const std::byte> data) noexcept;
  template <class T>
  void add(int level, int type, const T& value) noexcept {
    add(level, type, std::as_bytes(std::span{&value, 1}));
  }
  [[nodiscard]] std::size_t written() const noexcept { return written_; }
  /// Something did not fit: MSG_CTRUNC.
  [[nodiscard]] bool truncated() const noexcept { return truncated_; }

 private:
  std::span<std::byte> room_;
  std::size_t written_ = 0;
  bool truncated_ = false;
};

/// Hands each control message of a send call to `see(header, data)`, which returns Result<>, until one fails. EINVAL for one whose length is wrong.
template <class See>
[[nodiscard]] Result<> for_each_control(std::span<const std::byte> control, See&& see) {
  while (control.size() >= sizeof(cmsghdr)) {
    cmsghdr header{};
    std::memcpy(&header, control.data(), sizeof(header));
    if (header.cmsg_len < sizeof(header) || header.cmsg_len > control.size()) return error(EINVAL);
    const auto seen = see(header, control.subspan(CMSG_LEN(0), header.cmsg_len - CMSG_LEN(0)));
    if (!seen) return seen;
    control = control.subspan(std::min(CMSG_ALIGN(header.cmsg_len), control.size()));
  }
  return {};
}
/// What control messages of SOL_SOCKET ask for one send call.
struct SocketControl {
  std::optional<std::uint32_t> stages = {};  ///< SO_TIMESTAMPING: these SOF_TIMESTAMPING_TX_* count for it, not the socket's
  std::optional<std::uint32_t> key = {};     ///< SCM_TS_OPT_ID: the datagram's number in what is told of it
};
/// Adds what one of them says. What Linux takes beside is of no meaning here. EINVAL for one that it does not know.
[[nodiscard]] Result<> take_socket_control(const cmsghdr& header, std::span<const std::byte> data, SocketControl& asked);

/// Where a receive call wants things, and what it tells beside the bytes.
struct Incoming {
  std::span<const iovec> parts = {};
  int flags = 0;
  bool wants_address = false;
  std::optional<Endpoint> from = {};      ///< of the datagram
  std::optional<TimePoint> arrived = {};  ///< when the last octet of a stream came, where somebody wants to know
  int out_flags = 0;                      ///< msg_flags
  ControlWriter control = {};
};

/// Bytes in all parts together.
[[nodiscard]] std::size_t size_of(std::span<const iovec> parts) noexcept;
[[nodiscard]] inline std::span<std::byte> bytes_of(const iovec& part) noexcept {
  return {static_cast<std::byte*>(part.iov_base), part.iov_len};
}
/// Copies `bytes` into the parts, from `offset` on. Returns how many found room.
std::size_t scatter(std::span<const std::byte> bytes, std::span<const iovec> parts, std::size_t offset = 0) noexcept;
/// What is left of the parts behind the first `offset` bytes, contiguous: empty at the end.
[[nodiscard]] std::span<std::byte> room_at(std::span<const iovec> parts, std::size_t offset) noexcept;

}  // namespace tapir::posix::detail
