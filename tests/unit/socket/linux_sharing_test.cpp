// Several sockets at one port, and listeners that wait for data: against the kernel's.
#include <catch2/catch.hpp>

#include <array>
#include <set>
#include <string>
#include <vector>

#include "same_as_linux.hpp"

using tapir::test::Host;
using tapir::test::Place;
using tapir::test::same_as_linux;
using tapir::test::Transcript;

namespace {
/// `fd` with SO_REUSEPORT.
int reusing(Transcript& t, int fd) {
  t.set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  return fd;
}
}  // namespace

TEST_CASE("SO_REUSEPORT lets listeners share a port", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int first = reusing(t, t.far_stream());
    t.bind(first);
    const auto place = t.place_of(first);
    const int plain = t.far_stream();
    t.bind(plain, place);
    t.set(plain, SOL_SOCKET, SO_REUSEADDR, 1);
    t.bind(plain, place);
    const int second = reusing(t, t.far_stream());
    t.bind(second, place);
    t.bind(plain, {INADDR_ANY, place.port});
    t.listen(first);
    t.listen(second);
    const int third = reusing(t, t.far_stream());
    t.bind(third, {INADDR_ANY, place.port});
    t.listen(third);
    t.close(first);
    t.close(second);
    const int client = t.stream();
    t.connect(client, place);  // the third has it now
    t.await(third, POLLIN);
    t.accept(third);
  });
}

TEST_CASE("one that did not agree shares no port", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int first = t.far_stream();
    t.bind(first);
    const auto place = t.place_of(first);
    const int second = reusing(t, t.far_stream());
    t.bind(second, place);
    t.set(first, SOL_SOCKET, SO_REUSEPORT, 1);
    t.get(first, SOL_SOCKET, SO_REUSEPORT);
    t.bind(second, {INADDR_LOOPBACK + 1, place.port});
  });
}

TEST_CASE("connections go to one or the other of two listeners", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    std::array<int, 2> listeners{};
    Place place{.address = t.address_of(Host::far)};
    for (int& fd : listeners) {
      fd = reusing(t, t.far_stream(SOCK_NONBLOCK));
      t.bind(fd, place);
      place = t.place_of(fd);
      t.listen(fd, 64);
    }
    constexpr int kClients = 40;
    for (int i = 0; i < kClients; ++i) t.connect(t.stream(), place);
    std::array<int, 2> accepted{};
    for (std::size_t i = 0; i < 2; ++i) {
      int fd = -1;
      while ((fd = t.calls().accept4(listeners[i], nullptr, nullptr, 0)) >= 0) {
        ++accepted[i];
        (void)t.calls().close(fd);
      }
    }
    t.say(accepted[0] + accepted[1] == kClients ? "all" : "not all");
    t.say(accepted[0] > 0 && accepted[1] > 0 ? "both" : "one");
  });
}

TEST_CASE("SO_REUSEPORT spreads datagrams by their sender", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    std::array<int, 2> servers{};
    Place place{.address = t.address_of(Host::far)};
    for (int& fd : servers) {
      fd = reusing(t, t.far_datagram(SOCK_NONBLOCK));
      t.bind(fd, place);
      place = t.place_of(fd);
    }
    const int plain = t.far_datagram();
    t.bind(plain, place);
    constexpr int kClients = 40;
    std::vector<int> clients;
    for (int i = 0; i < kClients; ++i) {
      clients.push_back(t.datagram());
      t.send_to(clients.back(), "x", place);
      t.send_to(clients.back(), "y", place);
    }
    for (const int fd : servers) t.await(fd, POLLIN);
    std::array<int, 2> got{};
    bool together = true;
    for (std::size_t i = 0; i < 2; ++i) {
      std::array<char, 4> text{};
      std::string all;
      while (true) {
        iovec part{.iov_base = text.data(), .iov_len = text.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        if (t.calls().recvmsg(servers[i], &message, 0) != 1) break;
        all.push_back(text[0]);
        ++got[i];
      }
      for (std::size_t at = 0; at + 1 < all.size(); at += 2) together = together && all.substr(at, 2) == "xy";
    }
    t.say(got[0] + got[1] == 2 * kClients ? "all" : "not all");
    t.say(got[0] > 0 && got[1] > 0 ? "both" : "one");
    t.say(together ? "a sender's go together" : "they do not");
  });
}

TEST_CASE("of datagram sockets that share by SO_REUSEADDR the latest gets what comes", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    std::array<int, 3> servers{};
    Place place{.address = t.address_of(Host::far)};
    for (int& fd : servers) {
      fd = t.far_datagram(SOCK_NONBLOCK);
      t.set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
      t.bind(fd, place);
      place = t.place_of(fd);
    }
    const int client = t.datagram();
    t.send_to(client, "x", place);
    t.await(servers[2], POLLIN);
    for (const int fd : servers) t.recv(fd, 1);
    t.close(servers[2]);
    t.send_to(client, "y", place);
    t.await(servers[1], POLLIN);
    t.recv(servers[0], 1);
    t.recv(servers[1], 1);
  });
}

TEST_CASE("TCP_DEFER_ACCEPT keeps a connection back until data comes", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = t.far_stream(SOCK_NONBLOCK);
    t.set(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
    t.get(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT);
    t.bind(listener);
    t.listen(listener);
    const int client = t.stream();
    t.connect(client, t.place_of(listener));
    t.poll(client);
    t.poll(listener);
    t.accept(listener);
    t.send(client, "hello");
    t.await(listener, POLLIN);
    t.poll(listener);
    const int server = t.accept(listener);
    t.recv(server, 10);
    t.get(server, IPPROTO_TCP, TCP_DEFER_ACCEPT);
    // Switched off while it listens.
    t.set(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0);
    const int other = t.stream();
    t.connect(other, t.place_of(listener));
    t.await(listener, POLLIN);
    t.accept(listener);
  });
}
