// How stream sockets end: each body runs over the kernel's sockets and over ours, and both must tell the same.
#include <catch2/catch.hpp>

#include <linux/sockios.h>

#include <atomic>
#include <string>
#include <thread>

#include "same_as_linux.hpp"

using tapir::test::same_as_linux;
using tapir::test::same_as_linux_in_threads;
using tapir::test::Transcript;

TEST_CASE("half-close", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.send(all.client, "last");
    t.shutdown(all.client, SHUT_WR);
    t.poll(all.client);
    t.send(all.client, "x");
    t.shutdown(all.client, SHUT_WR);
    t.await(all.server, POLLRDHUP);
    t.poll(all.server);
    t.ioctl(all.server, SIOCINQ);
    t.recv(all.server, 10);
    t.recv(all.server, 10);
    t.recv(all.server, 10);
    t.poll(all.server);
    t.send(all.server, "answer");
    t.await(all.client, POLLIN);
    t.recv(all.client, 10);
    t.recv(all.client, 10, MSG_DONTWAIT);
    t.shutdown(all.server, SHUT_WR);
    t.await(all.client, POLLRDHUP);
    t.poll(all.client);
    t.recv(all.client, 10);
    t.recv(all.client, 10);
    t.shutdown(all.client, SHUT_RDWR);
    t.peer_of(all.client);
    t.send(all.server, "x");
    t.await(all.server, POLLHUP);
    t.poll(all.server);
    t.get(all.server, SOL_SOCKET, SO_ERROR);
    t.connect(all.server, all.place);
  });
}

TEST_CASE("a receiving side that is shut", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.send(all.server, "early");
    t.await(all.client, POLLIN);
    t.shutdown(all.client, SHUT_RD);
    t.poll(all.client);
    t.recv(all.client, 3);
    t.recv(all.client, 10);
    t.recv(all.client, 10);
    t.send(all.client, "still sends");
    t.recv(all.server, 100);
    t.shutdown(all.client, SHUT_WR);
    t.poll(all.client);
  });
}

TEST_CASE("closing with unread data resets", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.send(all.client, "never read");
    t.await(all.server, POLLIN);
    t.close(all.server);
    t.await(all.client, POLLHUP);
    t.poll(all.client);
    t.recv(all.client, 10);
    t.poll(all.client);
    t.recv(all.client, 10);
    t.send(all.client, "x");
    t.get(all.client, SOL_SOCKET, SO_ERROR);
    t.peer_of(all.client);
    t.name_of(all.client);
    t.shutdown(all.client, SHUT_WR);
  });
}

TEST_CASE("a reset tells the writer first", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    const linger now{.l_onoff = 1, .l_linger = 0};
    t.set_raw(all.server, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    t.close(all.server);
    t.await(all.client, POLLHUP);
    t.send(all.client, "x");
    t.send(all.client, "x");
    t.recv(all.client, 1);
    t.poll(all.client);
  });
}

TEST_CASE("what came before a reset can be read", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    const linger now{.l_onoff = 1, .l_linger = 0};
    t.send(all.server, "precious");
    t.await(all.client, POLLIN);
    t.set_raw(all.server, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    t.close(all.server);
    t.await(all.client, POLLHUP);
    t.poll(all.client);
    t.ioctl(all.client, SIOCINQ);
    t.recv(all.client, 4);
    t.get(all.client, SOL_SOCKET, SO_ERROR);
    t.recv(all.client, 10);
    t.recv(all.client, 10);
  });
}

TEST_CASE("writing to a peer that has closed", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.close(all.server);
    t.await(all.client, POLLRDHUP);
    t.poll(all.client);
    t.recv(all.client, 1);
    t.send(all.client, "into the void");
    t.await(all.client, POLLHUP);
    t.poll(all.client);
    t.get(all.client, SOL_SOCKET, SO_ERROR);
    t.send(all.client, "x");
    t.recv(all.client, 1);
    t.poll(all.client);
  });
}

TEST_CASE("an error that nobody has taken is told by the next write", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.close(all.server);
    t.await(all.client, POLLRDHUP);
    t.send(all.client, "into the void");
    t.await(all.client, POLLHUP);
    t.recv(all.client, 1);
    t.send(all.client, "x");
    t.get(all.client, SOL_SOCKET, SO_ERROR);
  });
}

TEST_CASE("closing in order with SO_LINGER waits for the peer", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    const linger on{.l_onoff = 1, .l_linger = 1};
    t.set_raw(all.client, SOL_SOCKET, SO_LINGER, &on, sizeof(on));
    t.send(all.client, "all of it");
    t.close(all.client);
    t.recv(all.server, 20);
    t.recv(all.server, 20);
  });
}

TEST_CASE("a connection that was reset before accept", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = t.far_stream(SOCK_NONBLOCK);
    t.bind(listener);
    t.listen(listener);
    const int client = t.stream();
    t.connect(client, t.place_of(listener));
    t.await(listener, POLLIN);
    const linger now{.l_onoff = 1, .l_linger = 0};
    t.set_raw(client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    t.close(client);
    t.poll(listener);
    const int server = t.accept(listener);
    t.await(server, POLLHUP);
    t.poll(server);
    t.recv(server, 1);
    t.recv(server, 1);
  });
}

TEST_CASE("closing a listener resets those who wait", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = t.far_stream();
    t.bind(listener);
    t.listen(listener);
    const int client = t.stream();
    t.connect(client, t.place_of(listener));
    t.await(listener, POLLIN);
    t.close(listener);
    t.await(client, POLLHUP);
    t.poll(client);
    t.recv(client, 1);
  });
}

TEST_CASE("SO_LINGER waits no longer than it says, and the rest goes on", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.control(all.client, F_SETFL, O_NONBLOCK);
    const std::string much(std::size_t{64} * 1024, 'x');
    std::size_t sent = 0;
    for (;;) {
      const ssize_t count = t.calls().send(all.client, much.data(), much.size(), 0);
      if (count <= 0) break;
      sent += static_cast<std::size_t>(count);
    }
    const linger on{.l_onoff = 1, .l_linger = 1};
    t.set_raw(all.client, SOL_SOCKET, SO_LINGER, &on, sizeof(on));
    t.close(all.client);
    std::size_t received = 0;
    std::string into(std::size_t{1024} * 1024, '\0');
    for (;;) {
      const ssize_t count = t.calls().recv(all.server, into.data(), into.size(), 0);
      if (count <= 0) break;
      received += static_cast<std::size_t>(count);
    }
    t.say(received == sent ? "all of it arrived" : "another number arrived");
    t.recv(all.server, 1);
  });
}

TEST_CASE("of two lingering closes each has its own time", "[socket][linux]") {
  same_as_linux_in_threads([](Transcript& t) {
    const auto first = t.linked();
    const auto second = t.linked();
    const std::string much(std::size_t{64} * 1024, 'x');
    for (const auto& all : {first, second}) {
      t.control(all.client, F_SETFL, O_NONBLOCK);
      while (t.calls().send(all.client, much.data(), much.size(), 0) > 0) {}
    }
    linger on{.l_onoff = 1, .l_linger = 1};
    t.set_raw(first.client, SOL_SOCKET, SO_LINGER, &on, sizeof(on));
    on.l_linger = 600;
    t.set_raw(second.client, SOL_SOCKET, SO_LINGER, &on, sizeof(on));
    std::atomic<int> first_result{1};
    std::atomic<int> second_result{1};
    const auto begin = [&t](int fd, std::atomic<int>& result) {
      std::thread closer{[&t, fd, &result] { result = t.calls().close(fd); }};
      while (t.calls().fcntl(fd, F_GETFD, 0) >= 0) {  // the descriptor is gone when the wait begins
      }
      return closer;
    };
    auto first_closer = begin(first.client, first_result);
    auto second_closer = begin(second.client, second_result);
    first_closer.join();
    t.say("the first: " + std::to_string(first_result) + ", the second meanwhile: " + std::to_string(second_result));
    std::string into(std::size_t{1024} * 1024, '\0');
    while (t.calls().recv(second.server, into.data(), into.size(), 0) > 0) {}
    second_closer.join();
    t.say("the second: " + std::to_string(second_result));
  });
}

TEST_CASE("SO_LINGER of no time, where there is no connection", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    const int fresh = t.stream();
    t.set_raw(fresh, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    t.close(fresh);
    const int datagram = t.datagram();
    t.set_raw(datagram, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    t.close(datagram);
    const auto all = t.linked();
    t.set_raw(all.listener, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    t.close(all.listener);
    t.send(all.client, "still there");
    t.recv(all.server, 20);
    // Behind a shutdown() it resets, too.
    t.set_raw(all.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    t.shutdown(all.client, SHUT_WR);
    t.await(all.server, POLLRDHUP);
    t.close(all.client);
    t.await(all.server, POLLHUP);
    t.poll(all.server);
    t.recv(all.server, 1);
    t.send(all.server, "x");
    t.get(all.server, SOL_SOCKET, SO_ERROR);
  });
}

TEST_CASE("data for one who has closed without reading is answered by a reset", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.shutdown(all.server, SHUT_RD);
    t.send(all.client, "into a socket that will not read");
    t.await(all.server, POLLIN);
    t.ioctl(all.server, SIOCINQ);
    t.close(all.server);
    t.await(all.client, POLLHUP);
    t.poll(all.client);
    t.send(all.client, "x");
    t.send(all.client, "x");
    t.recv(all.client, 1);
    t.shutdown(all.client, SHUT_RDWR);
    t.disconnect(all.client);
    t.connect(all.client, all.place);
    t.send(all.client, "again");
    t.recv(t.accept(all.listener), 10);
  });
}

TEST_CASE("both ends close at once", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.send(all.client, "a");
    t.send(all.server, "b");
    t.shutdown(all.client, SHUT_RDWR);
    t.shutdown(all.server, SHUT_RDWR);
    t.await(all.client, POLLHUP);
    t.await(all.server, POLLHUP);
    for (const int fd : {all.client, all.server}) {
      t.poll(fd);
      t.recv(fd, 2);
      t.recv(fd, 2);
      t.send(fd, "x");
      t.get(fd, SOL_SOCKET, SO_ERROR);
      t.peer_of(fd);
      t.shutdown(fd, SHUT_WR);
    }
  });
}
