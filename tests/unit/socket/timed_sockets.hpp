#pragma once

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "message_room.hpp"
#include "same_as_linux.hpp"
#include "socket_address.hpp"

namespace tapir::test {

/// The kernel takes the time of packets only while some socket asks for it, and begins with that a while after it has been asked: as long as this is there, and from
/// its beginning on, it does.
class Clock {
 public:
  explicit Clock(Transcript& t) {
    const int fd = t.datagram();
    t.bind(fd);
    t.set(fd, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE);
    const Place place = t.place_of(fd);
    const sockaddr_in in = socket_address(place.address, place.port);
    constexpr int kMostTimes = 5000;
    for (int i = 0; i < kMostTimes; ++i) {
      (void)t.calls().sendto(fd, "x", 1, 0, generic(in), sizeof(in));
      MessageRoom room{1};
      (void)t.calls().recvmsg(fd, &room.header, 0);
      if (CMSG_FIRSTHDR(&room.header) != nullptr) return;
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    t.say("no time");
  }
};

/// One message of the error queue, all but the datagram that Linux hands back with it.
inline void departure(Transcript& t, int fd) {
  MessageRoom room{256};
  const ssize_t count = t.calls().recvmsg(fd, &room.header, MSG_ERRQUEUE);
  if (count < 0) return t.say(::strerrorname_np(errno));
  t.say("address of " + std::to_string(room.header.msg_namelen) + " bytes, flags " + std::to_string(room.header.msg_flags & ~MSG_TRUNC));
  for_each_control(room.header, [&t](const cmsghdr& control) {
    std::string line = "  level " + std::to_string(control.cmsg_level) + " type " + std::to_string(control.cmsg_type);
    if (control.cmsg_level == IPPROTO_IP) {
      const auto error = control_data<sock_extended_err>(control);
      const auto offender = control_data<sockaddr_in>(control, sizeof(error));
      for (const std::uint32_t each : {error.ee_errno, std::uint32_t{error.ee_origin}, error.ee_info, error.ee_data})
        line += " " + std::to_string(each);
      line += " family " + std::to_string(offender.sin_family);
    }
    t.say(line);
  });
}

}  // namespace tapir::test
