// Threads that share a stack. Time is real here, but nothing depends on how much of it passes.
#include <catch2/catch.hpp>

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <tapir/runtime/runtime.hpp>
#include <tapir/socket/service.hpp>

#include "message_room.hpp"
#include "service_host.hpp"

using tapir::posix::Service;
using tapir::test::generic;
using tapir::test::kPort;
using Host = tapir::test::ServiceHost;

namespace {

std::string read_all(Service& sockets, int fd) {
  std::string all;
  std::string buffer(10'000, '\0');
  for (;;) {
    const ssize_t count = sockets.recv(fd, buffer.data(), buffer.size(), 0);
    if (count <= 0) return all;
    all.append(buffer, 0, static_cast<std::size_t>(count));
  }
}

}  // namespace

TEST_CASE("threads talk over a stack that runs on another", "[socket][service]") {
  Host host;
  const int listener = host.listen();
  REQUIRE(listener >= 0);
  std::thread echo{[&] {
    const int fd = host.sockets.accept(listener, nullptr, nullptr);
    const std::string all = read_all(host.sockets, fd);
    (void)host.sockets.send(fd, all.data(), all.size(), 0);
    (void)host.sockets.close(fd);
  }};
  const int fd = host.connect();
  std::string sent(1'000'000, '\0');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>('a' + i % 26);
  CHECK(host.sockets.send(fd, sent.data(), sent.size(), 0) == static_cast<ssize_t>(sent.size()));
  CHECK(host.sockets.shutdown(fd, SHUT_WR) == 0);
  const bool same = read_all(host.sockets, fd) == sent;
  echo.join();
  CHECK(same);
}

TEST_CASE("many threads, one listener", "[socket][service]") {
  constexpr int kThreads = 4;
  constexpr int kRounds = 8;
  Host host;
  const int listener = host.listen(kThreads);
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        const int fd = host.sockets.accept(listener, nullptr, nullptr);
        char byte = 0;
        if (host.sockets.recv(fd, &byte, 1, 0) == 1) (void)host.sockets.send(fd, &byte, 1, 0);
        (void)host.sockets.close(fd);
      }
    });
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        const int fd = host.connect();
        char byte = 'x';
        (void)host.sockets.send(fd, &byte, 1, 0);
        byte = 0;
        if (host.sockets.recv(fd, &byte, 1, 0) == 1 && byte == 'x') ++good;
        (void)host.sockets.close(fd);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(good == kThreads * kRounds);
}

TEST_CASE("threads that use one connection at once, each in its own way", "[socket][service]") {
  Host host;
  auto& sockets = host.sockets;
  const int listener = host.listen();
  const int client = host.connect();
  const int server = sockets.accept(listener, nullptr, nullptr);
  REQUIRE(server >= 0);
  const std::string text(300'000, 'x');
  std::atomic<bool> over{false};
  std::atomic<int> looked{0};
  std::atomic<int> opened{0};
  std::thread writer{[&] {
    for (std::size_t at = 0; at < text.size(); at += 1000) (void)sockets.send(client, text.data() + at, 1000, 0);
    (void)sockets.shutdown(client, SHUT_WR);
  }};
  std::thread watcher{[&] {
    do {
      pollfd entry{.fd = server, .events = POLLIN, .revents = 0};
      tcp_info info{};
      socklen_t size = sizeof(info);
      int unread = -1;
      const bool good = sockets.poll(&entry, 1, 1) >= 0 && sockets.getsockopt(server, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
                        sockets.ioctl(server, FIONREAD, &unread) == 0 && sockets.event_descriptor(server, EPOLLIN) >= 0;
      looked = looked < 0 || !good ? -1 : looked + 1;
    } while (!over);
  }};
  std::thread opener{[&] {
    do {
      const int epoll = sockets.epoll_create1(0);
      epoll_event event{.events = EPOLLIN, .data = {.fd = server}};
      const int fd = sockets.socket(AF_INET, SOCK_DGRAM, 0);
      const bool good = sockets.epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event) == 0 && sockets.epoll_wait(epoll, &event, 1, 0) >= 0 &&
                        sockets.close(fd) == 0 && sockets.close(epoll) == 0;
      opened = opened < 0 || !good ? -1 : opened + 1;
    } while (!over);
  }};
  const bool same = read_all(sockets, server) == text;
  over = true;
  for (auto* thread : {&writer, &watcher, &opener}) thread->join();
  CHECK(same);
  CHECK(looked > 0);
  CHECK(opened > 0);
}

TEST_CASE("a real epoll watches a socket of ours", "[socket][service]") {
  Host host;
  const int listener = host.listen();
  const int watched = host.sockets.event_descriptor(listener, EPOLLIN);
  REQUIRE(watched >= 0);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  REQUIRE(::epoll_ctl(epoll, EPOLL_CTL_ADD, watched, &event) == 0);
  CHECK(::epoll_wait(epoll, &event, 1, 0) == 0);
  const int client = host.connect();
  CHECK(::epoll_wait(epoll, &event, 1, 10'000) == 1);
  const int server = host.sockets.accept(listener, nullptr, nullptr);
  CHECK(::epoll_wait(epoll, &event, 1, 0) == 0);  // nobody waits any more
  const int readable = host.sockets.event_descriptor(server, EPOLLIN);
  REQUIRE(::epoll_ctl(epoll, EPOLL_CTL_ADD, readable, &event) == 0);
  CHECK(host.sockets.send(client, "ab", 2, 0) == 2);
  CHECK(::epoll_wait(epoll, &event, 1, 10'000) == 1);
  char byte = 0;
  CHECK(host.sockets.recv(server, &byte, 1, 0) == 1);
  CHECK(::epoll_wait(epoll, &event, 1, 0) == 1);  // one byte is left
  CHECK(host.sockets.recv(server, &byte, 1, 0) == 1);
  CHECK(::epoll_wait(epoll, &event, 1, 0) == 0);
  CHECK(host.sockets.event_descriptor(12345, EPOLLIN) == -1);
  CHECK(errno == EBADF);
  ::close(epoll);
}

TEST_CASE("our epoll wakes a thread", "[socket][service]") {
  Host host;
  const int listener = host.listen();
  const int client = host.connect();
  const int server = host.sockets.accept(listener, nullptr, nullptr);
  const int epoll = host.sockets.epoll_create1(0);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = server;
  REQUIRE(host.sockets.epoll_ctl(epoll, EPOLL_CTL_ADD, server, &event) == 0);
  CHECK(host.sockets.epoll_wait(epoll, &event, 1, 0) == 0);
  CHECK(host.sockets.epoll_wait(epoll, &event, 1, 5) == 0);
  std::thread writer{[&] { (void)host.sockets.send(client, "x", 1, 0); }};
  CHECK(host.sockets.epoll_wait(epoll, &event, 1, -1) == 1);
  writer.join();
  CHECK(event.data.fd == server);
}

TEST_CASE("MSG_WAITALL waits for all that is wanted of a stream, whichever call asks", "[socket][service]") {
  const auto with_message = [](Service& sockets, int fd, std::string& into, int flags) {
    iovec parts[] = {{into.data(), 2}, {into.data() + 2, into.size() - 2}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t count = sockets.recvmsg(fd, &message, flags);
    return message.msg_iov == parts && message.msg_iovlen == 2 && parts[0].iov_len == 2 ? count : -2;
  };
  const auto with_address = [](Service& sockets, int fd, std::string& into, int flags) {
    sockaddr_in from{};
    socklen_t size = sizeof(from);
    return sockets.recvfrom(fd, into.data(), into.size(), flags, generic(from), &size);
  };
  const bool asks_for_address = GENERATE(false, true);
  const int flags = GENERATE(0, MSG_WAITALL);
  Host host;
  const int listener = host.listen();
  const int client = host.connect();
  const int server = host.sockets.accept(listener, nullptr, nullptr);
  CHECK(host.sockets.send(client, "abc", 3, 0) == 3);
  pollfd arrived{.fd = server, .events = POLLIN, .revents = 0};
  REQUIRE(host.sockets.poll(&arrived, 1, -1) == 1);
  std::string text(6, '-');
  ssize_t count = 0;
  std::thread reader{[&] {
    count = asks_for_address ? with_address(host.sockets, server, text, flags) : with_message(host.sockets, server, text, flags);
  }};
  for (int unread = 3; unread > 0;) (void)host.sockets.ioctl(server, FIONREAD, &unread);  // until the reader has the first half
  CHECK(host.sockets.send(client, "def", 3, 0) == 3);
  reader.join();
  CHECK(count == (flags == 0 ? 3 : 6));
  CHECK(text == (flags == 0 ? "abc---" : "abcdef"));
}

TEST_CASE("a receive call waits for as much as SO_RCVLOWAT says", "[socket][service]") {
  Host host;
  auto& sockets = host.sockets;
  const int listener = host.listen();
  const int client = host.connect();
  const int server = sockets.accept(listener, nullptr, nullptr);
  const int low = 5;
  REQUIRE(sockets.setsockopt(server, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)) == 0);
  const bool reads = GENERATE(false, true);
  std::string text(10, '-');
  ssize_t count = 0;
  REQUIRE(sockets.send(client, "abc", 3, 0) == 3);
  std::thread reader{
      [&] { count = reads ? sockets.read(server, text.data(), text.size()) : sockets.recv(server, text.data(), text.size(), 0); }};
  int unread = -1;
  while (sockets.ioctl(server, SIOCINQ, &unread) == 0 && unread != 0) std::this_thread::yield();
  REQUIRE(sockets.send(client, "de", 2, 0) == 2);
  reader.join();
  CHECK(count == 5);
  CHECK(text == "abcde-----");
  REQUIRE(sockets.send(client, "fgh", 3, 0) == 3);
  REQUIRE(sockets.shutdown(client, SHUT_WR) == 0);
  CHECK(sockets.recv(server, text.data(), text.size(), 0) == 3);
  CHECK(sockets.recv(server, text.data(), text.size(), 0) == 0);
}

TEST_CASE("MSG_WAITALL takes less than SO_RCVLOWAT, too", "[socket][service]") {
  Host host;
  auto& sockets = host.sockets;
  const int listener = host.listen();
  const int client = host.connect();
  const int server = sockets.accept(listener, nullptr, nullptr);
  const int low = 5;
  REQUIRE(sockets.setsockopt(server, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)) == 0);
  REQUIRE(sockets.send(client, "abcdef", 6, 0) == 6);
  std::string text(8, '-');
  ssize_t count = 0;
  std::thread reader{[&] { count = sockets.recv(server, text.data(), text.size(), MSG_WAITALL); }};
  int unread = -1;
  while (sockets.ioctl(server, SIOCINQ, &unread) == 0 && unread != 0) std::this_thread::yield();
  REQUIRE(sockets.send(client, "gh", 2, 0) == 2);
  reader.join();
  CHECK(count == 8);
  CHECK(text == "abcdefgh");
}

TEST_CASE("an error that ends a call which has done something is told to the next one", "[socket][service]") {
  Host host;
  auto& sockets = host.sockets;
  const int listener = host.listen();
  const int client = host.connect();
  const int server = sockets.accept(listener, nullptr, nullptr);
  const bool receives = GENERATE(true, false);
  REQUIRE(sockets.send(client, "abc", 3, 0) == 3);
  std::string much(receives ? 10 : 100'000'000, '-');
  ssize_t count = 0;
  std::thread worker{[&] {
    count = receives ? sockets.recv(server, much.data(), much.size(), MSG_WAITALL) : sockets.send(server, much.data(), much.size(), 0);
  }};
  pollfd entry{.fd = client, .events = POLLIN, .revents = 0};
  int unread = -1;
  if (receives) {
    while (sockets.ioctl(server, SIOCINQ, &unread) == 0 && unread != 0) std::this_thread::yield();
  } else {
    REQUIRE(sockets.poll(&entry, 1, -1) == 1);
  }
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  REQUIRE(sockets.setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0);
  CHECK(sockets.close(client) == 0);  // by a reset
  worker.join();
  if (receives) {
    CHECK(count == 3);
  } else {
    CHECK(count > 0);
    CHECK(count < std::ssize(much));
  }
  char byte = 0;
  CHECK((receives ? sockets.recv(server, &byte, 1, 0) : sockets.send(server, &byte, 1, 0)) == -1);
  CHECK(errno == ECONNRESET);
}

TEST_CASE("a look waits for as much as a read", "[socket][service]") {
  Host host;
  auto& sockets = host.sockets;
  const int listener = host.listen();
  const int client = host.connect();
  const int server = sockets.accept(listener, nullptr, nullptr);
  const bool all = GENERATE(false, true);
  const int low = all ? 1 : 6;
  REQUIRE(sockets.setsockopt(server, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)) == 0);
  REQUIRE(sockets.send(client, "abc", 3, 0) == 3);
  for (int unread = 0; unread < 3;) REQUIRE(sockets.ioctl(server, SIOCINQ, &unread) == 0);
  std::string text(6, '-');
  const auto look = [&] { return sockets.recv(server, text.data(), text.size(), MSG_PEEK | (all ? MSG_WAITALL : 0)); };
  const timeval soon{.tv_sec = 0, .tv_usec = 10'000};
  REQUIRE(sockets.setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)) == 0);
  CHECK(look() == 3);  // when its time is over
  const timeval ever{};
  REQUIRE(sockets.setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &ever, sizeof(ever)) == 0);
  ssize_t count = 0;
  std::thread looker{[&] { count = look(); }};
  std::this_thread::sleep_for(std::chrono::milliseconds{20});  // it mostly waits by now
  const bool ends = GENERATE(false, true);
  if (ends) {
    REQUIRE(sockets.shutdown(client, SHUT_WR) == 0);
  } else {
    REQUIRE(sockets.send(client, "def", 3, 0) == 3);
  }
  looker.join();
  CHECK(count == (ends ? 3 : 6));
  CHECK(text == (ends ? "abc---" : "abcdef"));
}

TEST_CASE("MSG_WAITALL takes one datagram, as ever", "[socket][service]") {
  Host host;
  const int fd = host.sockets.socket(AF_INET, SOCK_DGRAM, 0);
  const auto in = tapir::test::socket_address(tapir::Ipv4Address{0x7f000001}, kPort);
  REQUIRE(host.sockets.bind(fd, generic(in), sizeof(in)) == 0);
  for (int i = 0; i < 2; ++i) CHECK(host.sockets.sendto(fd, "abc", 3, 0, generic(in), sizeof(in)) == 3);
  std::string text(10, '-');
  CHECK(host.sockets.recv(fd, text.data(), text.size(), MSG_WAITALL) == 3);
  CHECK(text == "abc-------");
}

TEST_CASE("epoll_create() takes a size, which only has to be positive", "[socket][service]") {
  Host host;
  for (const int size : {0, -1}) {
    CHECK(host.sockets.epoll_create(size) == -1);
    CHECK(errno == EINVAL);
  }
  const int epoll = host.sockets.epoll_create(1);
  REQUIRE(epoll >= 0);
  epoll_event event{};
  CHECK(host.sockets.epoll_wait(epoll, &event, 1, 0) == 0);
}

TEST_CASE("what ends a wait", "[socket][service]") {
  Host host;
  const int fd = host.sockets.socket(AF_INET, SOCK_DGRAM, 0);
  char byte = 0;
  SECTION("a timeout") {
    const timeval soon{.tv_sec = 0, .tv_usec = 10'000};
    REQUIRE(host.sockets.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)) == 0);
    CHECK(host.sockets.recv(fd, &byte, 1, 0) == -1);
    CHECK(errno == EAGAIN);
  }
  SECTION("a negative timeout, at once") {
    const timeval none{.tv_sec = -1, .tv_usec = 0};
    REQUIRE(host.sockets.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none)) == 0);
    CHECK(host.sockets.recv(fd, &byte, 1, 0) == -1);
    CHECK(errno == EAGAIN);
    const int listener = host.listen();
    REQUIRE(host.sockets.setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none)) == 0);
    CHECK(host.sockets.accept(listener, nullptr, nullptr) == -1);
    CHECK(errno == EAGAIN);
  }
  SECTION("not having to wait") {
    CHECK((host.sockets.fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
    CHECK(host.sockets.recv(fd, &byte, 1, MSG_DONTWAIT) == -1);
    CHECK(errno == EAGAIN);
    CHECK(host.sockets.fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    CHECK((host.sockets.fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    CHECK(host.sockets.recv(fd, &byte, 1, 0) == -1);
    CHECK(errno == EAGAIN);
  }
  SECTION("a close by another thread") {
    int error = 0;
    std::thread reader{[&] {
      char unread = 0;
      if (host.sockets.recv(fd, &unread, 1, 0) < 0) error = errno;
    }};
    (void)host.sockets.close(fd);
    reader.join();
    CHECK(error == EBADF);
  }
}

TEST_CASE("connecting to nobody", "[socket][service]") {
  Host host;
  CHECK(host.connect() == -1);
  CHECK(errno == ECONNREFUSED);
}

namespace {
/// What a call comes to when nobody runs the stack: -1 and ENETDOWN.
bool is_down(long result) { return result == -1 && errno == ENETDOWN; }
}  // namespace

TEST_CASE("a connection is waited for, though an error of the last one is still to be read", "[socket][service]") {
  tapir::Runtime runtime;
  tapir::StackConfig config;
  config.address = tapir::Ipv4Prefix{tapir::test::kLeftAddress, 24};
  config.arp.retry_interval = std::chrono::milliseconds{10};
  config.arp.failure_hold = {};
  tapir::Stack stack{runtime, std::make_unique<tapir::test::Door>(), config};
  Service sockets{runtime, stack};
  const int fd = sockets.socket(AF_INET, SOCK_STREAM, 0);
  const auto nobody = tapir::test::socket_address(tapir::test::kRightAddress, kPort);
  for (int i = 0; i < 3; ++i) {
    CHECK(sockets.connect(fd, generic(nobody), sizeof(nobody)) == -1);
    CHECK(errno == EHOSTUNREACH);
  }
  const auto nowhere = tapir::test::socket_address(tapir::Ipv4Address{0x7f000001}, 0);
  CHECK(sockets.connect(fd, generic(nowhere), sizeof(nowhere)) == -1);
  CHECK(errno == ECONNREFUSED);
}

TEST_CASE("when its runtime has been stopped every call of a service fails, those that wait as well", "[socket][service]") {
  Host host;
  auto& sockets = host.sockets;
  const int listener = host.listen();
  const int client = host.connect();
  const int server = sockets.accept(listener, nullptr, nullptr);
  const int writer = host.connect();
  const int reader = sockets.accept(listener, nullptr, nullptr);  // does not read
  REQUIRE(reader >= 0);
  const int datagram = sockets.socket(AF_INET, SOCK_DGRAM, 0);
  const int epoll = sockets.epoll_create1(0);
  const int watched = sockets.event_descriptor(datagram, EPOLLIN);
  REQUIRE(watched >= 0);
  pollfd real{.fd = watched, .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&real, 1, 0) == 0);
  std::atomic<int> down{0};
  std::atomic<bool> begun{false};
  const std::function<long()> waiting[] = {
      [&] { return sockets.accept(listener, nullptr, nullptr); },
      [&] {
        char byte = 0;
        return sockets.recv(datagram, &byte, 1, 0);
      },
      [&] {
        char byte = 0;
        return sockets.recv(server, &byte, 1, 0);
      },
      [&] {
        const std::string much(100'000, 'x');
        while (sockets.send(writer, much.data(), much.size(), 0) == static_cast<ssize_t>(much.size())) {}
        return sockets.send(writer, "x", 1, 0);  // the one before has told how much it had queued
      },
      [&] {
        pollfd entry{.fd = datagram, .events = POLLIN, .revents = 0};
        return sockets.poll(&entry, 1, -1);
      },
      [&] {
        epoll_event event{};
        return sockets.epoll_wait(epoll, &event, 1, -1);
      },
  };
  std::vector<std::thread> threads;
  for (const auto& call : waiting) {
    threads.emplace_back([&down, &call] { down += is_down(call()) ? 1 : 0; });
  }
  SECTION("from within") {
    host.runtime.post([&] { host.runtime.stop(); });
  }
  SECTION("while calls are made") {
    threads.emplace_back([&] {
      int fd = 0;
      while (fd >= 0) {
        fd = sockets.socket(AF_INET, SOCK_DGRAM, 0);
        begun = true;
        if (fd >= 0) fd = sockets.close(fd);
      }
    });
    while (!begun) std::this_thread::yield();
    host.runtime.post([&] { host.runtime.stop(); });
  }
  for (auto& thread : threads) thread.join();
  CHECK(down == std::ssize(waiting));
  CHECK(::poll(&real, 1, 10'000) == 1);  // a real epoll wakes up, and then learns why
  CHECK(is_down(sockets.socket(AF_INET, SOCK_DGRAM, 0)));
  CHECK(is_down(sockets.send(client, "x", 1, MSG_DONTWAIT)));
  CHECK(is_down(sockets.getsockname(server, nullptr, nullptr)));
  CHECK(is_down(sockets.connect(datagram, nullptr, 0)));
  CHECK(is_down(sockets.event_descriptor(server, EPOLLIN)));
  pollfd entry{.fd = datagram, .events = POLLIN, .revents = 0};
  CHECK(is_down(sockets.poll(&entry, 1, 0)));
  CHECK(is_down(sockets.close(datagram)));
  CHECK(::poll(&real, 1, 0) == 1);
  CHECK(real.revents == POLLNVAL);  // close() has given the eventfd back all the same
}

TEST_CASE("a service whose runtime has been stopped can be destroyed, and what it left in the runtime does nothing", "[socket][service]") {
  tapir::Runtime runtime;
  tapir::Stack stack{runtime, tapir::StackConfig{}};
  {
    Service sockets{runtime, stack};
    const int fd = sockets.socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(fd >= 0);
    runtime.post([&] { runtime.stop(); });
    char byte = 0;
    CHECK(is_down(sockets.recv(fd, &byte, 1, 0)));
  }
  bool ran = false;
  runtime.post([&] { ran = true; });
  CHECK(runtime.run_until([&] { return ran; }, std::chrono::seconds{10}));
  Service again{runtime, stack};  // it can be had once more
  CHECK(again.socket(AF_INET, SOCK_DGRAM, 0) >= 0);
}

TEST_CASE("a service on a runtime that is to stop before it runs is down from the beginning", "[socket][service]") {
  tapir::Runtime runtime;
  tapir::Stack stack{runtime, tapir::StackConfig{}};
  runtime.stop();
  Service sockets{runtime, stack};
  CHECK(is_down(sockets.socket(AF_INET, SOCK_STREAM, 0)));
}

namespace {
/// A connection whose send buffer and whose peer's window are full: what is queued leaves when `reader` reads.
struct Full {
  explicit Full(Host& host, int listener) : writer{host.connect()}, reader{host.sockets.accept(listener, nullptr, nullptr)} {
    const std::string much(100'000, 'x');
    while (host.sockets.send(writer, much.data(), much.size(), MSG_DONTWAIT) > 0) {}
  }
  int writer;
  int reader;
};

std::thread close_with_linger(Service& sockets, int fd, int seconds, std::atomic<int>& result) {
  const linger on{.l_onoff = 1, .l_linger = seconds};
  (void)sockets.setsockopt(fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on));
  result = 1;
  std::thread closer{[&sockets, fd, &result] { result = sockets.close(fd); }};
  while (sockets.fcntl(fd, F_GETFL) >= 0) {  // until the descriptor is gone: the wait has begun
  }
  return closer;
}

constexpr int kHour = 3600;
}  // namespace

TEST_CASE("of two lingering closes each ends when its own peer has everything", "[socket][service]") {
  Host host;
  const int listener = host.listen();
  const Full first{host, listener};
  const Full second{host, listener};
  std::atomic<int> first_result{};
  std::atomic<int> second_result{};
  auto first_closer = close_with_linger(host.sockets, first.writer, kHour, first_result);
  auto second_closer = close_with_linger(host.sockets, second.writer, kHour, second_result);
  CHECK(first_result == 1);
  CHECK(host.sockets.socket(AF_INET, SOCK_DGRAM, 0) >= 0);  // the stack goes on
  CHECK_FALSE(read_all(host.sockets, first.reader).empty());
  first_closer.join();
  CHECK(first_result == 0);
  CHECK(second_result == 1);
  CHECK_FALSE(read_all(host.sockets, second.reader).empty());
  second_closer.join();
  CHECK(second_result == 0);
}

TEST_CASE("a lingering close ends with its own time, though another has longer", "[socket][service]") {
  Host host;
  const int listener = host.listen();
  const Full first{host, listener};
  const Full second{host, listener};
  std::atomic<int> first_result{};
  std::atomic<int> second_result{};
  auto first_closer = close_with_linger(host.sockets, first.writer, 1, first_result);
  auto second_closer = close_with_linger(host.sockets, second.writer, kHour, second_result);
  first_closer.join();
  CHECK(first_result == 0);
  CHECK(second_result == 1);
  CHECK(host.sockets.close(second.reader) == 0);  // with what it has not read: that resets the connection
  second_closer.join();
  CHECK(second_result == 0);
}

TEST_CASE("a lingering close ends when its runtime stops", "[socket][service]") {
  Host host;
  const int listener = host.listen();
  const Full full{host, listener};
  std::atomic<int> result{};
  auto closer = close_with_linger(host.sockets, full.writer, kHour, result);
  host.runtime.post([&] { host.runtime.stop(); });
  closer.join();
  CHECK(result == -1);
}

TEST_CASE("the time that a datagram is said to have come at is the time of day", "[socket][service][timestamping]") {
  Host host;
  const int fd = host.sockets.socket(AF_INET, SOCK_DGRAM, 0);
  const auto in = tapir::test::socket_address(tapir::Ipv4Address{0x7f000001}, kPort);
  REQUIRE(host.sockets.bind(fd, generic(in), sizeof(in)) == 0);
  const int on = 1;
  REQUIRE(host.sockets.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) == 0);
  timespec before{};
  timespec after{};
  ::clock_gettime(CLOCK_REALTIME, &before);
  REQUIRE(host.sockets.sendto(fd, "x", 1, 0, generic(in), sizeof(in)) == 1);
  tapir::test::MessageRoom room{1};
  REQUIRE(host.sockets.recvmsg(fd, &room.header, 0) == 1);
  ::clock_gettime(CLOCK_REALTIME, &after);
  REQUIRE(CMSG_FIRSTHDR(&room.header) != nullptr);
  const auto at = tapir::test::control_data<timespec>(*CMSG_FIRSTHDR(&room.header));
  constexpr long kSetMeanwhile = 3600;  // s: somebody may set the clock while this runs
  CHECK(at.tv_sec >= before.tv_sec - kSetMeanwhile);
  CHECK(at.tv_sec <= after.tv_sec + kSetMeanwhile);
}
