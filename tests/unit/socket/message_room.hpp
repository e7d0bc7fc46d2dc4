#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

namespace tapir::test {

/// Hands each control message that came with a message to `see`.
template <class See>
void for_each_control(msghdr& message, See&& see) {
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) see(std::as_const(*each));
}

/// What a control message carries from `offset` on; what did not come is zero.
template <class T>
[[nodiscard]] T control_data(const cmsghdr& control, std::size_t offset = 0) {
  T value{};
  const std::size_t there = control.cmsg_len - CMSG_LEN(0);
  if (offset < there) std::memcpy(&value, CMSG_DATA(&control) + offset, std::min(sizeof(value), there - offset));
  return value;
}

/// What recvmsg() is given: room for `size` bytes, an address, and control messages.
struct MessageRoom {
  explicit MessageRoom(std::size_t size, std::size_t control_size = 256) : bytes(size, '\0') {
    header.msg_name = &from;
    header.msg_namelen = sizeof(from);
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = std::min(control.size(), control_size);
  }
  MessageRoom(const MessageRoom&) = delete;
  MessageRoom& operator=(const MessageRoom&) = delete;
  ~MessageRoom() = default;

  std::string bytes;
  sockaddr_in from{};
  alignas(cmsghdr) std::array<std::byte, 256> control{};
  iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
  msghdr header{};
};

}  // namespace tapir::test
