// Options, fcntl() and ioctl() against the kernel's.
#include <catch2/catch.hpp>

#include <linux/sockios.h>

#include <array>
#include <string>

#include "same_as_linux.hpp"

using tapir::test::same_as_linux;
using tapir::test::Transcript;

TEST_CASE("options as they are at first", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    for (const int fd : {t.stream(), t.datagram()}) {
      for (const int name :
           {SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR, SO_REUSEADDR, SO_REUSEPORT, SO_KEEPALIVE, SO_BROADCAST, SO_OOBINLINE, SO_ACCEPTCONN,
            SO_RCVLOWAT, SO_SNDLOWAT, SO_PRIORITY, SO_TIMESTAMP, SO_TIMESTAMPNS, SO_NO_CHECK}) {
        t.get(fd, SOL_SOCKET, name);
      }
      for (const int name : {IP_TOS, IP_TTL, IP_MTU_DISCOVER, IP_RECVERR, IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_MULTICAST_TTL,
                             IP_MULTICAST_LOOP, IP_MTU, IP_FREEBIND, IP_MINTTL, IP_BIND_ADDRESS_NO_PORT}) {
        t.get(fd, IPPROTO_IP, name);
      }
    }
    const int fd = t.stream();
    for (const int name : {TCP_NODELAY, TCP_CORK, TCP_MAXSEG, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_LINGER2,
                           TCP_DEFER_ACCEPT, TCP_USER_TIMEOUT, TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_INQ, TCP_WINDOW_CLAMP}) {
      t.get(fd, IPPROTO_TCP, name);
    }
    t.get(fd, IPPROTO_TCP, 9999);
    t.get(fd, SOL_SOCKET, 9999);
    t.get(fd, IPPROTO_IP, 9999);
    t.get(fd, 9999, 1);
    t.set(fd, IPPROTO_TCP, 9999, 1);
    t.set(fd, SOL_SOCKET, 9999, 1);
    t.set(fd, 9999, 1, 1);
    const int datagram = t.datagram();
    t.set(datagram, IPPROTO_TCP, TCP_NODELAY, 1);
    t.get(datagram, IPPROTO_TCP, TCP_NODELAY);
  });
}

TEST_CASE("flags are 0 or 1", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.stream();
    for (const int name : {SO_REUSEADDR, SO_KEEPALIVE, SO_BROADCAST, SO_OOBINLINE}) {
      t.set(fd, SOL_SOCKET, name, 17);
      t.get(fd, SOL_SOCKET, name);
      t.set(fd, SOL_SOCKET, name, 1, 3);
      t.set(fd, SOL_SOCKET, name, 0);
      t.get(fd, SOL_SOCKET, name);
    }
    for (const int name : {SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ERROR, SO_ACCEPTCONN, SO_SNDLOWAT}) t.set(fd, SOL_SOCKET, name, 1);
    for (const int name : {TCP_NODELAY, TCP_CORK}) {
      t.set(fd, IPPROTO_TCP, name, 9);
      t.get(fd, IPPROTO_TCP, name);
      t.set(fd, IPPROTO_TCP, name, 1, 2);
    }
  });
}

TEST_CASE("numbers and their ranges", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.stream();
    for (const int name : {TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_MAXSEG, TCP_LINGER2, TCP_DEFER_ACCEPT,
                           TCP_USER_TIMEOUT, TCP_FASTOPEN_CONNECT}) {
      for (const int value : {-1, 0, 1, 2, 61, 88, 127, 128, 1460, 32767, 32768, 100000}) {
        t.set(fd, IPPROTO_TCP, name, value);
        t.get(fd, IPPROTO_TCP, name);
      }
    }
    for (const int name : {IP_TTL, IP_MTU_DISCOVER, IP_MINTTL, IP_TOS, IP_MULTICAST_TTL}) {
      for (const int value : {-2, -1, 0, 1, 5, 6, 64, 255, 256}) {
        t.set(fd, IPPROTO_IP, name, value);
        t.get(fd, IPPROTO_IP, name);
      }
      t.set(fd, IPPROTO_IP, name, 3, 1);
      t.get(fd, IPPROTO_IP, name);
    }
    const int datagram = t.datagram();
    for (const int name : {IP_TOS, IP_MULTICAST_TTL, IP_MULTICAST_LOOP}) {
      for (const int value : {-2, -1, 0, 1, 3, 255, 256}) {
        t.set(datagram, IPPROTO_IP, name, value);
        t.get(datagram, IPPROTO_IP, name);
      }
    }
  });
}

TEST_CASE("a user timeout that is taken back", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    for (const int fd : {t.stream(), all.client, all.server}) {
      for (const int value : {5000, 0}) {
        t.set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, value);
        t.get(fd, IPPROTO_TCP, TCP_USER_TIMEOUT);
      }
    }
    t.send(all.client, "x");
    t.recv(all.server, 10);
  });
}

TEST_CASE("a bound of the window", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.stream();
    for (const int value : {-1, 1, 1151, 1152, 1153, 100000, 0}) {
      t.set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, value);
      t.get(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP);
    }
    const auto all = t.linked();
    t.set(all.server, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0);
    t.set(all.server, IPPROTO_TCP, TCP_WINDOW_CLAMP, 3000);
    t.get(all.server, IPPROTO_TCP, TCP_WINDOW_CLAMP);
  });
}

TEST_CASE("a bound of the pace", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.stream();
    unsigned long rate = 0;
    const auto show = [&] {
      t.get(fd, SOL_SOCKET, SO_MAX_PACING_RATE);
      rate = 0;
      t.get_raw(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
      t.say(std::to_string(rate));
    };
    show();
    for (const int value : {1000, 2'000'000'000, -5, -1}) {
      t.set(fd, SOL_SOCKET, SO_MAX_PACING_RATE, value);
      show();
    }
    rate = 12'345;
    t.set_raw(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate));
    show();
    t.set(fd, SOL_SOCKET, SO_MAX_PACING_RATE, 1, 3);
  });
}

TEST_CASE("one switch for the time of a datagram, in one unit or the other", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.datagram();
    const auto set = [&](int name, int value) {
      t.set(fd, SOL_SOCKET, name, value);
      t.get(fd, SOL_SOCKET, SO_TIMESTAMP);
      t.get(fd, SOL_SOCKET, SO_TIMESTAMPNS);
    };
    set(SO_TIMESTAMP, 7);
    set(SO_TIMESTAMPNS, 7);
    set(SO_TIMESTAMP, 1);
    set(SO_TIMESTAMPNS, 0);
    set(SO_TIMESTAMPNS, 1);
    set(SO_TIMESTAMP, 0);
  });
}

TEST_CASE("buffers are doubled, and have a least size", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    for (const int fd : {t.stream(), t.datagram()}) {
      for (const int name : {SO_SNDBUF, SO_RCVBUF}) {
        for (const int value : {20000, 100000, 1, 0}) {
          t.set(fd, SOL_SOCKET, name, value);
          t.get(fd, SOL_SOCKET, name);
        }
      }
      for (const int value : {-5, 0, 1, 100}) {
        t.set(fd, SOL_SOCKET, SO_RCVLOWAT, value);
        t.get(fd, SOL_SOCKET, SO_RCVLOWAT);
      }
    }
  });
}

TEST_CASE("options that are structures", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.stream();
    linger lingering{.l_onoff = 5, .l_linger = 7};
    t.set_raw(fd, SOL_SOCKET, SO_LINGER, &lingering, sizeof(lingering));
    t.set_raw(fd, SOL_SOCKET, SO_LINGER, &lingering, 4);
    lingering = {};
    t.get_raw(fd, SOL_SOCKET, SO_LINGER, &lingering, sizeof(lingering));
    t.say(std::to_string(lingering.l_onoff) + " " + std::to_string(lingering.l_linger));
    t.get_raw(fd, SOL_SOCKET, SO_LINGER, &lingering, 4);
    for (const int name : {SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW}) {
      for (timeval time : {timeval{1, 500'000}, timeval{0, 1'000'000}, timeval{0, -1}, timeval{-3, 0}, timeval{0, 0}}) {
        t.set_raw(fd, SOL_SOCKET, name, &time, sizeof(time));
        time = {};
        t.get_raw(fd, SOL_SOCKET, name, &time, sizeof(time));
        t.say(std::to_string(time.tv_sec) + " " + std::to_string(time.tv_usec));
      }
      timeval time{};
      t.set_raw(fd, SOL_SOCKET, name, &time, 4);
    }
    t.set_raw(fd, SOL_SOCKET, SO_KEEPALIVE, nullptr, 4);
    int value = -1;
    t.get_raw(fd, SOL_SOCKET, SO_TYPE, &value, 2);
    t.say(std::to_string(value & 0xffff));
    t.get_raw(fd, SOL_SOCKET, SO_TYPE, &value, 100);
    t.get_raw(fd, SOL_SOCKET, SO_TYPE, &value, 0);
    t.get_raw(fd, IPPROTO_IP, IP_TTL, &value, 1);
    t.get_raw(fd, IPPROTO_IP, IP_TTL, &value, 3);
    t.get_raw(fd, IPPROTO_TCP, TCP_NODELAY, &value, 2);
    t.get_raw(fd, SOL_SOCKET, SO_TYPE, &value, static_cast<socklen_t>(-1));
    t.set_raw(fd, SOL_SOCKET, SO_KEEPALIVE, &value, static_cast<socklen_t>(-1));
  });
}

TEST_CASE("a congestion control that there is not", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.stream();
    t.set_raw(fd, IPPROTO_TCP, TCP_CONGESTION, "nonsense", 8);
    t.set_raw(fd, IPPROTO_TCP, TCP_CONGESTION, "", 0);
    t.set_raw(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    std::array<char, 16> name{};
    t.get_raw(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), name.size());
    t.say(name.data());
    t.get_raw(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), 3);
  });
}

TEST_CASE("the state in TCP_INFO", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto state = [&t](int fd) {
      std::array<unsigned char, 8> info{};
      socklen_t size = info.size();
      const int result = t.calls().getsockopt(fd, IPPROTO_TCP, TCP_INFO, info.data(), &size);
      t.say("TCP_INFO " + std::to_string(result) + ", state " + std::to_string(info[0]) + " in " + std::to_string(size));
    };
    const int fresh = t.stream();
    state(fresh);
    const auto all = t.linked();
    state(all.listener);
    state(all.client);
    t.shutdown(all.client, SHUT_WR);
    t.await(all.server, POLLRDHUP);
    state(all.server);
    t.shutdown(all.server, SHUT_WR);
    t.await(all.client, POLLRDHUP);
    t.await(all.server, POLLHUP);
    state(all.client);
    state(all.server);
  });
}

TEST_CASE("fcntl and ioctl", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int fd = t.stream(SOCK_NONBLOCK | SOCK_CLOEXEC);
    t.control(fd, F_GETFL);
    t.control(fd, F_GETFD);
    t.control(fd, F_SETFL, 0);
    t.control(fd, F_GETFL);
    t.control(fd, F_SETFD, 0);
    t.control(fd, F_GETFD);
    t.ioctl(fd, FIONBIO, 1);
    t.control(fd, F_GETFL);
    t.ioctl(fd, FIONBIO, 0);
    t.control(fd, F_GETFL);
    t.control(fd, 9999);
    t.control(-1, F_GETFL);
    t.ioctl(-1, FIONREAD);
    t.ioctl(fd, 0x7fff);
    const int datagram = t.datagram();
    t.ioctl(datagram, FIONREAD);
    t.ioctl(datagram, TIOCOUTQ);
    t.ioctl(datagram, SIOCATMARK);
  });
}

TEST_CASE("options of a connection", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.get(all.client, IPPROTO_TCP, TCP_QUICKACK);
    for (const int value : {0, 1}) {
      t.set(all.client, IPPROTO_TCP, TCP_QUICKACK, value);
      t.get(all.client, IPPROTO_TCP, TCP_QUICKACK);
    }
    for (const int value : {-1, 0, 1, 100'000}) {
      t.set(all.client, IPPROTO_TCP, TCP_NOTSENT_LOWAT, value);
      t.get(all.client, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
    }
    for (const int name : {TCP_NODELAY, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_LINGER2, TCP_DEFER_ACCEPT,
                           TCP_USER_TIMEOUT, TCP_MAXSEG, TCP_FASTOPEN_CONNECT, TCP_INQ}) {
      t.set(all.client, IPPROTO_TCP, name, 5);
      t.set(all.client, IPPROTO_TCP, name, 1, 0);
      t.set(all.listener, IPPROTO_TCP, name, 5);
    }
    for (const int fd : {all.client, all.listener, t.stream()}) {
      std::array<unsigned char, 300> info{};
      for (const socklen_t size : {socklen_t{0}, socklen_t{1}, socklen_t{104}, static_cast<socklen_t>(-1)}) {
        t.get_raw(fd, IPPROTO_TCP, TCP_INFO, info.data(), size);
      }
      t.set(fd, IPPROTO_TCP, TCP_INFO, 1);
      t.get(fd, IPPROTO_IP, IP_MTU_DISCOVER);
    }
    t.set(all.client, IPPROTO_IP, IP_TOS, 0x2b);  // the ECN bits are TCP's own
    t.get(all.client, IPPROTO_IP, IP_TOS);
    t.get_raw(all.client, IPPROTO_TCP, TCP_NODELAY, nullptr, 4);
    t.get_raw(all.client, IPPROTO_TCP, TCP_NODELAY, nullptr, 0);
  });
}

TEST_CASE("what the calls on descriptors know of sockets", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    for (const int fd : {t.stream(), t.datagram(), t.raw()}) {
      t.ioctl(fd, FIOCLEX);
      t.control(fd, F_GETFD);
      t.ioctl(fd, FIONCLEX);
      t.control(fd, F_GETFD);
      t.control(fd, F_SETFD, FD_CLOEXEC | 2);
      t.control(fd, F_GETFD);
      t.control(fd, F_SETFL, O_NONBLOCK | O_RDWR);
      t.control(fd, F_GETFL);
      t.ioctl(fd, FIONBIO, 5);
      t.control(fd, F_GETFL);
      for (const unsigned long request : {static_cast<unsigned long>(SIOCOUTQ), static_cast<unsigned long>(SIOCOUTQNSD),
                                          static_cast<unsigned long>(SIOCINQ), static_cast<unsigned long>(SIOCATMARK)}) {
        t.ioctl(fd, request, 77);
      }
    }
  });
}
