// When datagrams and octets left, as MSG_ERRQUEUE tells it (Linux' Documentation/networking/timestamping), and in which order: each body runs over the kernel's
// sockets and over ours, and both must tell the same.
#include <catch2/catch.hpp>

#include <linux/icmp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "icmp_message.hpp"
#include "timed_sockets.hpp"

using tapir::test::Clock;
using tapir::test::departure;
using tapir::test::Host;
using tapir::test::Place;
using tapir::test::same_as_linux;
using tapir::test::Transcript;

TEST_CASE("a datagram tells when it left", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    const int receiver = t.far_datagram();
    t.bind(receiver);
    const Place place = t.place_of(receiver);
    const int fd = t.datagram(SOCK_NONBLOCK);
    const int raw = t.raw(SOCK_NONBLOCK);
    t.set(raw, SOL_RAW, ICMP_FILTER, -1);
    const auto exchange = [&](int from) {
      if (from == fd) {
        t.send_to(fd, "x", place);
      } else {
        t.send_to(raw, tapir::test::icmp_message(ICMP_ECHOREPLY, 0, 0x12340001, "data"), {place.address, 0});
      }
      t.poll(from);
      t.get(from, SOL_SOCKET, SO_ERROR);
      for (int i = 0; i < 3; ++i) departure(t, from);
      t.poll(from);
    };
    const int both = SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE;
    for (const int from : {fd, raw}) {
      for (const int flags : {both, both | SOF_TIMESTAMPING_SOFTWARE, SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE,
                              SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY}) {
        t.set(from, SOL_SOCKET, SO_TIMESTAMPING, flags);
        exchange(from);
      }
      t.set(from, SOL_SOCKET, SO_TIMESTAMPING_NEW, both | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID);
      exchange(from);
      t.set(from, SOL_SOCKET, SO_TIMESTAMP, 1);
      exchange(from);
      t.set(from, SOL_SOCKET, SO_TIMESTAMPING, both | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID);
      exchange(from);
      t.set(from, SOL_SOCKET, SO_TIMESTAMPING, 0);
      exchange(from);
      t.set(from, SOL_SOCKET, SO_TIMESTAMPING, both | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID);
      exchange(from);
    }
  });
}

TEST_CASE("what is gathered tells of its leaving as was asked when it began", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    const int receiver = t.far_datagram();
    t.bind(receiver);
    const int fd = t.datagram(SOCK_NONBLOCK);
    t.connect(fd, t.place_of(receiver));
    const auto told = [&] {
      for (int i = 0; i < 3; ++i) departure(t, fd);
    };
    const int software = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    const auto settings = {0, software, software | SOF_TIMESTAMPING_OPT_ID,
                           SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID};
    for (const int first : settings) {
      for (const int then : settings) {
        t.set(fd, SOL_SOCKET, SO_TIMESTAMPING, first);
        t.send(fd, "a", MSG_MORE);
        t.set(fd, SOL_SOCKET, SO_TIMESTAMPING, then);
        t.send(fd, "b", MSG_MORE);
        t.send(fd, "c");
        told();
        t.send(fd, "d");
        told();
      }
    }
    t.send(fd, "never", MSG_MORE);  // its number is gone with it
    t.send(fd, std::string(65'507, 'x'));
    t.send(fd, "e");
    told();
    t.send(fd, "f", MSG_MORE);
    t.shutdown(fd, SHUT_WR);
    t.send(fd, "g");
    told();
    t.send(fd, "h", MSG_MORE);
  });
}

TEST_CASE("a stream tells when a write left and arrived", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    const auto all = t.linked();
    t.set(all.client, IPPROTO_TCP, TCP_NODELAY, 1);
    for (const int flags : {int{SOF_TIMESTAMPING_TX_SOFTWARE}, SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_SOFTWARE,
                            SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID,
                            SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID}) {
      t.set(all.client, SOL_SOCKET, SO_TIMESTAMPING, flags);
      t.send(all.client, "words");
      t.await(all.client, POLLERR);
      departure(t, all.client);
      departure(t, all.client);
      t.recv(all.server, 5, MSG_WAITALL);
    }
    t.set(all.client, SOL_SOCKET, SO_TIMESTAMP, 1);
    t.set(all.client, IPPROTO_TCP, TCP_INQ, 1);  // says nothing there
    t.send(all.client, "words");
    t.await(all.client, POLLERR);
    departure(t, all.client);
  });
}

namespace {
/// sendmsg() with one control message of SOL_SOCKET.
void send_asking(Transcript& t, int fd, const std::string& bytes, int type, std::uint32_t value, socklen_t size = sizeof(std::uint32_t)) {
  alignas(cmsghdr) std::array<std::byte, 64> control{};
  const std::array<std::uint32_t, 2> values{value, 0};
  const cmsghdr header{.cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = type};
  std::memcpy(control.data(), &header, sizeof(header));
  std::memcpy(control.data() + CMSG_LEN(0), values.data(), size);
  iovec part{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(size);
  const ssize_t count = t.calls().sendmsg(fd, &message, 0);
  t.say("sendmsg(type " + std::to_string(type) + ", " + std::to_string(value) + ") " +
        (count < 0 ? ::strerrorname_np(errno) : std::to_string(count)));
}

constexpr int kKey = 81;  // SCM_TS_OPT_ID
}  // namespace

TEST_CASE("a call asks for itself when its datagram leaves", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    const int receiver = t.far_datagram();
    t.bind(receiver);
    const int fd = t.datagram(SOCK_NONBLOCK);
    t.connect(fd, t.place_of(receiver));
    const int raw = t.raw(SOCK_NONBLOCK);
    t.set(raw, SOL_RAW, ICMP_FILTER, -1);
    t.connect(raw, {t.address_of(Host::far), 0});
    const std::string reply = tapir::test::icmp_message(ICMP_ECHOREPLY, 0, 0x12340001, "data");
    for (const int from : {fd, raw}) {
      for (const std::uint32_t of_socket : {0U, unsigned{SOF_TIMESTAMPING_TX_SOFTWARE}, unsigned{SOF_TIMESTAMPING_OPT_ID}}) {
        t.set(from, SOL_SOCKET, SO_TIMESTAMPING, static_cast<int>(of_socket | SOF_TIMESTAMPING_SOFTWARE));
        for (const int type : {SO_TIMESTAMPING_OLD, SO_TIMESTAMPING_NEW}) {
          send_asking(t, from, reply, type, 0);
          departure(t, from);
          for (unsigned bit = 0; bit < 20; ++bit) {
            send_asking(t, from, reply, type, 1U << bit);
            departure(t, from);
            departure(t, from);
          }
        }
        send_asking(t, from, reply, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE, 2);
        send_asking(t, from, reply, SO_TIMESTAMPING, SOF_TIMESTAMPING_TX_SOFTWARE, 8);
        send_asking(t, from, reply, kKey, 4711);
        departure(t, from);
        t.send(from, reply);
        departure(t, from);
      }
      t.set(from, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_TX_SOFTWARE);
      send_asking(t, from, reply, kKey, 4711);
      departure(t, from);
      send_asking(t, from, reply, kKey, 4711, 2);
      if (from == raw) continue;  // there Linux 6.18 gives the number to all that follow
      t.send(from, reply);
      departure(t, from);
    }
  });
}

TEST_CASE("a call asks for itself when its octets leave and arrive", "[socket][timestamping][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    const auto all = t.linked();
    t.set(all.client, IPPROTO_TCP, TCP_NODELAY, 1);
    t.set(all.client, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID);
    for (const std::uint32_t stage :
         {unsigned{SOF_TIMESTAMPING_TX_SCHED}, unsigned{SOF_TIMESTAMPING_TX_SOFTWARE}, unsigned{SOF_TIMESTAMPING_TX_ACK}}) {
      send_asking(t, all.client, "words", SO_TIMESTAMPING, stage);
      t.await(all.client, POLLERR);
      departure(t, all.client);
      t.recv(all.server, 5, MSG_WAITALL);
      t.send(all.client, "words");
      t.recv(all.server, 5, MSG_WAITALL);
      departure(t, all.client);
    }
    t.set(all.client, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE);
    send_asking(t, all.client, "words", SO_TIMESTAMPING, 0);
    t.recv(all.server, 5, MSG_WAITALL);
    departure(t, all.client);
    send_asking(t, all.client, "words", SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE);
    send_asking(t, all.client, "words", kKey, 1);
  });
}

TEST_CASE("the error queue of a stream is in the order of what has happened", "[socket][timestamping][zerocopy][linux]") {
  same_as_linux([](Transcript& t) {
    const Clock clock{t};
    const auto all = t.linked();
    const auto take = [&](int count) {
      for (int i = 0; i < count; ++i) {
        t.await(all.client, POLLERR);
        departure(t, all.client);
      }
    };
    t.set(all.client, IPPROTO_TCP, TCP_NODELAY, 1);
    t.set(all.client, SOL_SOCKET, SO_ZEROCOPY, 1);
    t.send(all.client, "words", MSG_ZEROCOPY);
    t.await(all.client, POLLERR);
    t.set(all.client, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SOFTWARE);
    t.send(all.client, "words");
    t.recv(all.server, 10, MSG_WAITALL);
    take(2);
    t.set(all.client, SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_ACK);
    for (int i = 0; i < 2; ++i) t.send(all.client, "words", MSG_ZEROCOPY);
    t.recv(all.server, 10, MSG_WAITALL);
    take(1);
  });
}
