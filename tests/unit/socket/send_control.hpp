#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "same_as_linux.hpp"

namespace tapir::test {

/// sendmsg() of some bytes with one control message.
template <class T>
void send_with(Transcript& t, int fd, sockaddr_in to, int level, int type, const T& value, std::size_t length = CMSG_LEN(sizeof(T)),
               std::string bytes = "x") {
  iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<std::byte, 128> control{};
  cmsghdr header{};
  header.cmsg_len = length;
  header.cmsg_level = level;
  header.cmsg_type = type;
  std::memcpy(control.data(), &header, sizeof(header));
  std::memcpy(control.data() + CMSG_LEN(0), &value, sizeof(value));
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = sizeof(to);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(sizeof(T));
  const ssize_t count = t.calls().sendmsg(fd, &message, 0);
  t.say("sendmsg with " + std::to_string(type) + ": " + (count < 0 ? ::strerrorname_np(errno) : std::to_string(count)));
}

}  // namespace tapir::test
