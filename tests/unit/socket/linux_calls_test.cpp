// The calls with fewer arguments than sendmsg(), recvmsg() and accept4() have, and their corners.
#include <catch2/catch.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "same_as_linux.hpp"
#include "socket_address.hpp"

using tapir::test::generic;
using tapir::test::Place;
using tapir::test::same_as_linux;
using tapir::test::socket_address;
using tapir::test::Transcript;

namespace {
constexpr int kMostParts = 1024;

/// A datagram socket with a port, and one to send to it.
struct Datagrams {
  explicit Datagrams(Transcript& t) : receiver{t.far_datagram()}, sender{t.datagram()} {
    t.bind(receiver);
    place = t.place_of(receiver);
  }
  int receiver;
  int sender;
  Place place;
};
}  // namespace

TEST_CASE("accept()", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = t.far_stream(SOCK_NONBLOCK);
    t.bind(listener);
    t.accept_raw(listener, nullptr, nullptr);  // no listener yet
    t.listen(listener);
    t.accept_raw(listener, nullptr, nullptr);
    t.accept_raw(-1, nullptr, nullptr);
    t.accept_raw(t.datagram(), nullptr, nullptr);
    const auto next = [&](bool with_address, const socklen_t* given) {
      t.connect(t.stream(), t.place_of(listener));
      t.await(listener, POLLIN);
      sockaddr_in in{};
      socklen_t size = given != nullptr ? *given : 0;
      t.accept_raw(listener, with_address ? generic(in) : nullptr, given != nullptr ? &size : nullptr);
      t.say("  family " + std::to_string(in.sin_family) + " address " + std::to_string(in.sin_addr.s_addr));
      t.poll(listener, POLLIN);  // whether the connection is gone
    };
    next(false, nullptr);
    for (const socklen_t size : {socklen_t{16}, socklen_t{0}, socklen_t{2}, socklen_t{100}, static_cast<socklen_t>(-1)}) next(true, &size);
    next(true, nullptr);
    const socklen_t size = 16;
    next(false, &size);
  });
}

TEST_CASE("send() and recv() of a stream", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.send(all.client, "hello, world");
    t.await(all.server, POLLIN);
    t.recv_plain(all.server, 5, MSG_PEEK);
    t.recv_plain(all.server, 5);
    t.recv_plain(all.server, 0);
    t.recv_plain(all.server, 2, MSG_TRUNC);
    t.recv_plain(all.server, 100, MSG_DONTWAIT);
    t.recv_plain(all.server, 1, MSG_DONTWAIT);
    t.recv_plain(all.server, 1, MSG_OOB);
    t.recv_plain(all.listener, 1, MSG_DONTWAIT);
    t.recv_plain(t.stream(), 1);
    t.recv_plain(-1, 1);
    t.send(all.listener, "x");
    t.send(t.stream(), "x");
    t.send(-1, "x");
    t.send(all.client, "");
    t.send(all.client, "abc");
    t.send(all.client, "def");
    t.shutdown(all.client, SHUT_WR);
    t.await(all.server, POLLRDHUP);
    t.recv_plain(all.server, 6, MSG_WAITALL);
    t.recv_plain(all.server, 6, MSG_WAITALL);
    t.send(all.client, "x");
  });
}

TEST_CASE("send() and recv() of datagrams", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    Datagrams d{t};
    t.send(d.sender, "x");
    t.connect(d.sender, d.place);
    for (const char* text : {"hello", "", "second", "third"}) t.send(d.sender, text);
    t.await(d.receiver, POLLIN);
    t.recv_plain(d.receiver, 3, MSG_PEEK | MSG_TRUNC);
    t.recv_plain(d.receiver, 3);
    t.recv_plain(d.receiver, 3, MSG_DONTWAIT);
    t.recv_plain(d.receiver, 3, MSG_TRUNC);
    t.recv_plain(d.receiver, 10, MSG_WAITALL);
    t.recv_plain(d.receiver, 3, MSG_DONTWAIT);
    t.send(d.sender, std::string(65'508, 'x'));
  });
}

TEST_CASE("sendto() and its address", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    Datagrams d{t};
    const socklen_t sizes[] = {16, 0, 1, 15, 17, 128, 129, static_cast<socklen_t>(-1)};
    std::array<std::byte, 256> room{};
    const sockaddr_in to = socket_address(d.place.address, d.place.port);
    std::memcpy(room.data(), &to, sizeof(to));
    const auto* address = reinterpret_cast<const sockaddr*>(room.data());
    t.send_to_raw(d.sender, "x", nullptr, 0);
    t.send_to_raw(d.sender, "x", nullptr, 16);
    for (const socklen_t size : sizes) t.send_to_raw(d.sender, "x", address, size);
    t.connect(d.sender, d.place);
    t.send_to_raw(d.sender, "y", nullptr, 0);
    t.send_to_raw(d.sender, "y", nullptr, 16);
    for (const socklen_t size : sizes) t.send_to_raw(d.sender, "y", address, size);
    t.send_to_raw(-1, "x", address, 16);
    const auto all = t.linked();
    for (const socklen_t size : sizes) t.send_to_raw(all.client, "z", address, size);
    t.send_to_raw(all.client, "z", nullptr, 16);
    const int fresh = t.stream();
    for (const socklen_t size : sizes) t.send_to_raw(fresh, "z", address, size);
    // What arrived of all that.
    t.await(d.receiver, POLLIN);
    while (t.recv_plain(d.receiver, 1, MSG_DONTWAIT) >= 0) {}
  });
}

TEST_CASE("recvfrom() and its address", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    Datagrams d{t};
    const auto next = [&] {
      t.send_to(d.sender, "hello", d.place);
      t.await(d.receiver, POLLIN);
    };
    for (const socklen_t size : {socklen_t{16}, socklen_t{0}, socklen_t{2}, socklen_t{15}, socklen_t{100}, static_cast<socklen_t>(-1)}) {
      next();
      t.recv_from(d.receiver, 10, size);
    }
    next();
    t.recv_from_raw(d.receiver, 10, nullptr, nullptr);
    next();
    socklen_t size = 16;
    t.recv_from_raw(d.receiver, 10, nullptr, &size);
    t.say("  " + std::to_string(size));
    next();
    sockaddr_in in{};
    t.recv_from_raw(d.receiver, 10, generic(in), nullptr);
    t.recv_from(d.receiver, 10, 16, MSG_DONTWAIT);
    t.recv_from(-1, 10);
    const auto all = t.linked();
    t.send(all.client, "abcdef");
    t.await(all.server, POLLIN);
    t.recv_from(all.server, 1);
    t.recv_from(all.server, 1, 0);
    t.recv_from(all.server, 1, static_cast<socklen_t>(-1));
    t.recv_from_raw(all.server, 1, generic(in), nullptr);
    t.recv_from_raw(all.server, 1, nullptr, nullptr);
    t.recv_from(all.server, 10, 16, MSG_DONTWAIT);
    t.recv_from(all.server, 10, 16, MSG_DONTWAIT);
  });
}

TEST_CASE("readv() and writev() of a stream", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.writev(all.client, {"hel", "", "lo, ", "world"});
    t.await(all.server, POLLIN);
    t.readv(all.server, {2, 0, 3});
    t.readv(all.server, {});
    t.readv(all.server, {0, 0});
    t.readv(all.server, {3, 10});
    char byte = 'x';
    std::vector<iovec> many(kMostParts + 1, iovec{.iov_base = &byte, .iov_len = 1});
    for (const int count : {-1, 0, kMostParts, kMostParts + 1}) t.writev_raw(all.client, many.data(), count);
    t.writev_raw(all.client, nullptr, 1);
    t.writev_raw(all.client, nullptr, 0);
    t.await(all.server, POLLIN);
    for (const int count : {-1, 0, kMostParts + 1, kMostParts}) t.readv_raw(all.server, many.data(), count);
    t.readv_raw(all.server, nullptr, 1);
    t.readv_raw(all.server, nullptr, 0);
    for (const int count : {-1, 0, 1}) {
      t.readv_raw(-1, many.data(), count);
      t.writev_raw(-1, many.data(), count);
    }
    const int epoll = t.epoll();
    t.readv_raw(epoll, many.data(), 1);
    t.writev_raw(epoll, many.data(), 1);
    const int fresh = t.stream();
    t.readv_raw(fresh, many.data(), 0);
    t.readv_raw(fresh, many.data(), 1);
    t.writev_raw(fresh, many.data(), 0);
    t.shutdown(all.client, SHUT_WR);
    t.await(all.server, POLLRDHUP);
    t.readv(all.server, {1, 1});
  });
}

TEST_CASE("readv() and writev() of datagrams", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    Datagrams d{t};
    t.writev(d.sender, {"x"});
    t.writev(d.sender, {});
    t.writev(d.sender, {"", ""});
    t.connect(d.sender, d.place);
    t.writev(d.sender, {"hel", "lo"});
    t.writev(d.sender, {});        // nothing leaves
    t.writev(d.sender, {"", ""});  // likewise
    t.write(d.sender, "");         // a datagram without payload
    t.writev(d.sender, {"last"});
    t.await(d.receiver, POLLIN);
    t.readv(d.receiver, {0});  // takes none
    t.readv(d.receiver, {2, 2});
    for (int i = 0; i < 3; ++i) t.recv_plain(d.receiver, 10, MSG_DONTWAIT);
  });
}

TEST_CASE("epoll_create()", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    for (const int size : {0, -1}) t.epoll_of(size);
    const int epoll = t.epoll_of(1);
    t.control(epoll, F_GETFD);
    const int receiver = t.datagram();
    t.bind(receiver);
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, receiver, EPOLLIN);
    t.epoll_wait(epoll);
    t.send_to(t.far_datagram(), "x", t.place_of(receiver));
    t.await(receiver, POLLIN);
    t.epoll_wait(epoll);
  });
}
