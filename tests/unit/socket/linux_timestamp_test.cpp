// When packets came, as sockets tell it (SO_TIMESTAMP and SIOCGSTAMP of man 7 socket, Linux' Documentation/networking/timestamping): each body runs over the
// kernel's sockets and over ours, and both must tell the same.
#include <catch2/catch.hpp>

#include <linux/icmp.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>

#include <array>
#include <cerrno>
#include <string>

#include "icmp_message.hpp"
#include "same_as_linux.hpp"
#include "timed_sockets.hpp"

using tapir::test::Clock;
using tapir::test::Host;
using tapir::test::Place;
using tapir::test::same_as_linux;
using tapir::test::Transcript;

namespace {

constexpr std::array kTimes{SO_TIMESTAMP_OLD, SO_TIMESTAMP_NEW, SO_TIMESTAMPNS_OLD, SO_TIMESTAMPNS_NEW};
constexpr std::array kAllOptions{SO_TIMESTAMP_OLD,   SO_TIMESTAMP_NEW,    SO_TIMESTAMPNS_OLD,
                                 SO_TIMESTAMPNS_NEW, SO_TIMESTAMPING_OLD, SO_TIMESTAMPING_NEW};
constexpr std::uint32_t kOptIdTcp = 1U << 16U;
constexpr std::uint32_t kOptRxFilter = 1U << 17U;
constexpr int kArrivals = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;

void get_all(Transcript& t, int fd) {
  for (const int name : kAllOptions) t.get(fd, SOL_SOCKET, name);
}

void stamp_of(Transcript& t, int fd) {
  for (const unsigned long request : {std::uint64_t{SIOCGSTAMP_OLD}, std::uint64_t{SIOCGSTAMPNS_OLD}, std::uint64_t{SIOCGSTAMP_NEW}}) {
    std::array<long, 2> time{};
    const int result = t.calls().ioctl(fd, request, reinterpret_cast<int*>(time.data()));
    t.say(result == 0 ? "a stamp" : ::strerrorname_np(errno));
  }
}

/// A datagram for `fd`, from the other host where there is one.
void deliver(Transcript& t, int fd, std::string_view bytes = "x") {
  t.send_to(t.far_datagram(), bytes, t.place_of(fd));
  t.await(fd, POLLIN);
}

}  // namespace

TEST_CASE("the options of the time as they are read and written", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    for (const int fd : {t.stream(), t.datagram(), t.raw()}) {
      get_all(t, fd);
      for (const int name : kTimes) {
        t.set(fd, SOL_SOCKET, name, 1);
        get_all(t, fd);
        t.set(fd, SOL_SOCKET, name, 0);
        get_all(t, fd);
      }
      for (const int first : kTimes) {
        for (const int second : kTimes) {
          t.set(fd, SOL_SOCKET, first, 1);
          t.set(fd, SOL_SOCKET, second, 1);
          get_all(t, fd);
          t.set(fd, SOL_SOCKET, first, 0);
          get_all(t, fd);
        }
      }
      t.set(fd, SOL_SOCKET, SO_TIMESTAMP, 1, 3);
    }
  });
}

TEST_CASE("SO_TIMESTAMPING as it is read and written", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    for (const int fd : {t.stream(), t.datagram(), t.raw()}) {
      for (const int name : {SO_TIMESTAMPING_NEW, SO_TIMESTAMPING_OLD}) {
        for (unsigned bit = 0; bit < 20; ++bit) {
          t.set(fd, SOL_SOCKET, name, static_cast<int>(1U << bit));
          get_all(t, fd);
        }
        t.set(fd, SOL_SOCKET, name, static_cast<int>(kOptIdTcp | SOF_TIMESTAMPING_OPT_ID));
        get_all(t, fd);
        t.set(fd, SOL_SOCKET, name, SOF_TIMESTAMPING_OPT_STATS | SOF_TIMESTAMPING_OPT_TSONLY);
        t.set(fd, SOL_SOCKET, name, 1 << 30);
        t.set(fd, SOL_SOCKET, name, kArrivals);
        get_all(t, fd);
        for (const int other : kTimes) {
          t.set(fd, SOL_SOCKET, other, 1);
          get_all(t, fd);
          t.set(fd, SOL_SOCKET, other, 0);
          get_all(t, fd);
        }
      }
      for (const socklen_t size : {0U, 1U, 4U, 6U, 8U, 12U}) {
        std::array<int, 4> value{kArrivals};
        t.set_raw(fd, SOL_SOCKET, SO_TIMESTAMPING, value.data(), size);
        value = {};
        t.get_raw(fd, SOL_SOCKET, SO_TIMESTAMPING, value.data(), size);
        t.say(std::to_string(value[0]));
      }
    }
  });
}

TEST_CASE("a datagram tells when it came", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    for (const int name : kTimes) {
      const int fd = t.datagram();
      t.bind(fd);
      t.set(fd, SOL_SOCKET, name, 1);
      deliver(t, fd);
      t.recv_control(fd, 1, MSG_PEEK);
      t.recv_control(fd, 1);
      t.set(fd, SOL_SOCKET, name, 0);
      deliver(t, fd);
      t.recv_control(fd, 1);
    }
    for (const int name : {SO_TIMESTAMPING_OLD, SO_TIMESTAMPING_NEW}) {
      const int fd = t.datagram();
      t.bind(fd);
      t.set(fd, IPPROTO_IP, IP_RECVTTL, 1);
      for (const int flags : {int{SOF_TIMESTAMPING_RX_SOFTWARE}, int{SOF_TIMESTAMPING_TX_SOFTWARE}, kArrivals}) {
        t.set(fd, SOL_SOCKET, name, flags);
        deliver(t, fd);
        t.recv_control(fd, 1);
      }
      t.set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
      t.set(fd, SOL_SOCKET, name, kArrivals);
      deliver(t, fd);
      t.recv_control(fd, 1);
      for (const std::uint32_t filter : {0U, kOptRxFilter}) {
        t.set(fd, SOL_SOCKET, name, static_cast<int>(SOF_TIMESTAMPING_SOFTWARE | filter));
        deliver(t, fd);
        t.recv_control(fd, 1);
      }
    }
  });
}

TEST_CASE("an ICMP message tells a raw socket when it came", "[socket][raw][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    const int fd = t.raw();
    t.set(fd, SOL_RAW, ICMP_FILTER, static_cast<int>(~(1U << ICMP_ECHOREPLY)));
    t.set(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
    t.set(fd, SOL_SOCKET, SO_TIMESTAMPING, kArrivals);
    t.send_to(fd, tapir::test::icmp_message(ICMP_ECHO, 0, 0x12340001, "data"), {t.address_of(Host::far), 0});
    t.await(fd, POLLIN);
    t.recv_control(fd, 10);
    stamp_of(t, fd);
  });
}

TEST_CASE("a stream tells when its last octet came", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    const auto all = t.linked();
    const auto arrive = [&] {
      t.send(all.client, "hello");
      t.await(all.server, POLLIN);
    };
    for (const int name : kTimes) {
      t.set(all.server, SOL_SOCKET, name, 1);
      arrive();
      t.recv_control(all.server, 2);
      t.recv_control(all.server, 2, MSG_PEEK);
      t.recv_control(all.server, 0);
      t.recv_control(all.server, 1, MSG_TRUNC);
      t.recv_control(all.server, 10);
      t.recv_control(all.server, 10, MSG_DONTWAIT);
      t.set(all.server, SOL_SOCKET, name, 0);
    }
    for (const int name : {SO_TIMESTAMPING_OLD, SO_TIMESTAMPING_NEW}) {
      t.set(all.server, SOL_SOCKET, name, kArrivals);
      arrive();
      t.recv_control(all.server, 10);
      t.set(all.server, SOL_SOCKET, name, SOF_TIMESTAMPING_RX_SOFTWARE);
      arrive();
      t.recv_control(all.server, 10);
    }
    t.set(all.server, IPPROTO_TCP, TCP_INQ, 1);
    t.set(all.server, SOL_SOCKET, SO_TIMESTAMP, 1);
    t.set(all.server, SOL_SOCKET, SO_TIMESTAMPING, kArrivals);
    arrive();
    t.recv_control(all.server, 2);
    t.recv_control(all.server, 10);
    t.send(all.client, "!", MSG_OOB);
    t.await(all.server, POLLPRI);
    t.recv_control(all.server, 1, MSG_OOB);
    t.shutdown(all.client, SHUT_WR);
    t.await(all.server, POLLRDHUP);
    t.recv_control(all.server, 10);
    stamp_of(t, all.server);
    stamp_of(t, all.listener);
  });
}

TEST_CASE("connections tell what their listener was asked for", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    const int listener = t.far_stream();
    t.bind(listener);
    t.listen(listener);
    t.set(listener, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    t.set(listener, SOL_SOCKET, SO_TIMESTAMPING, kArrivals);
    const int client = t.stream();
    t.connect(client, t.place_of(listener));
    t.send(client, "early");
    const int server = t.accept(listener);
    t.await(server, POLLIN);
    get_all(t, server);
    t.recv_control(server, 10);
  });
}

TEST_CASE("SIOCGSTAMP tells of what was read last", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    const int fd = t.datagram();
    t.bind(fd);
    stamp_of(t, fd);
    deliver(t, fd);
    stamp_of(t, fd);
    t.recv(fd, 1);
    stamp_of(t, fd);
    const int told = t.datagram();
    t.bind(told);
    t.set(told, SOL_SOCKET, SO_TIMESTAMP, 1);
    deliver(t, told);
    t.recv(told, 1);
    stamp_of(t, told);
    t.set(told, SOL_SOCKET, SO_TIMESTAMP, 0);
    deliver(t, told);
    t.recv(told, 1, MSG_PEEK);
    stamp_of(t, told);
  });
}
