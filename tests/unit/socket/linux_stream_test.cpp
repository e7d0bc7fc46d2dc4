// What stream sockets carry: each body runs over the kernel's sockets and over ours, and both must tell the same.
#include <catch2/catch.hpp>

#include <linux/sockios.h>

#include <string>

#include "same_as_linux.hpp"

using tapir::test::same_as_linux;
using tapir::test::Transcript;

TEST_CASE("bytes", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.poll(all.client);
    t.recv(all.client, 10, MSG_DONTWAIT);
    t.recv(all.client, 0, MSG_DONTWAIT);
    t.read(all.client, 0);
    t.send(all.server, "");
    t.send(all.server, "hello");
    t.await(all.client, POLLIN);
    t.poll(all.client);
    t.ioctl(all.client, SIOCINQ);
    t.recv(all.client, 3, MSG_PEEK);
    t.recv(all.client, 0);
    t.recv(all.client, 2);
    t.recv(all.client, 10, MSG_PEEK | MSG_DONTWAIT);
    t.recv(all.client, 2, MSG_TRUNC);
    t.ioctl(all.client, SIOCINQ);
    t.recv(all.client, 10);
    t.write(all.client, "abc");
    t.write(all.client, "def");
    t.recv(all.server, 6, MSG_WAITALL);
    t.write(all.client, "gh");
    t.await(all.server, POLLIN);
    t.recv(all.server, 10, MSG_WAITALL | MSG_DONTWAIT);
    t.recv(all.server, 1, MSG_ERRQUEUE);
    t.recv(all.server, 1, MSG_OOB);
    t.connect(all.client, all.place);
  });
}

TEST_CASE("waiting for bytes has an end", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    const timeval soon{.tv_sec = 0, .tv_usec = 50'000};
    t.set_raw(all.client, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
    t.recv(all.client, 10);
    t.send(all.server, "ab");
    t.recv(all.client, 10, MSG_WAITALL);
    t.set_raw(all.listener, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
    t.accept(all.listener);
    t.set(all.client, SOL_SOCKET, SO_RCVLOWAT, 5);
    t.send(all.server, "abc");
    t.poll(all.client);
    t.recv(all.client, 2);
    t.recv(all.client, 10);
    t.send(all.server, "defghi");
    t.await(all.client, POLLIN);
    t.poll(all.client);
    t.recv(all.client, 10);
  });
}

TEST_CASE("how much is left, as TCP_INQ tells it", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.set(all.server, IPPROTO_TCP, TCP_INQ, 1);
    t.send(all.client, "abc");
    t.recv_control(all.server, 1);
    t.recv_control(all.server, 2);
    t.shutdown(all.client, SHUT_WR);
    t.await(all.server, POLLRDHUP);
    t.recv_control(all.server, 2);
  });
}

TEST_CASE("urgent data out of band", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.recv(all.server, 1, MSG_OOB);
    t.send(all.client, "ab");
    t.send(all.client, "cd", MSG_OOB);
    t.send(all.client, "ef");
    t.await(all.server, POLLPRI);
    t.poll(all.server);
    t.ioctl(all.server, SIOCATMARK);
    t.recv(all.server, 1, MSG_OOB | MSG_PEEK);
    t.poll(all.server);
    t.recv(all.server, 5, MSG_OOB);
    t.poll(all.server);
    t.recv(all.server, 5, MSG_OOB);
    t.recv(all.server, 10);  // up to the mark
    t.ioctl(all.server, SIOCATMARK);
    t.recv(all.server, 10);
    t.ioctl(all.server, SIOCATMARK);
    t.recv(all.server, 10, MSG_DONTWAIT);
    t.recv(all.server, 1, MSG_OOB);
  });
}

TEST_CASE("an urgent octet that nobody takes is lost", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.send(all.client, "!", MSG_OOB);
    t.await(all.server, POLLPRI);
    t.poll(all.server);
    t.ioctl(all.server, SIOCINQ);
    t.ioctl(all.server, SIOCATMARK);
    t.recv(all.server, 10, MSG_DONTWAIT);
    t.poll(all.server);
    t.send(all.client, "tail");
    t.await(all.server, POLLIN);
    t.recv(all.server, 10);
    t.recv(all.server, 1, MSG_OOB);
    t.poll(all.server);
  });
}

TEST_CASE("urgent data in line", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.set(all.server, SOL_SOCKET, SO_OOBINLINE, 1);
    t.send(all.client, "ab");
    t.send(all.client, "c", MSG_OOB);
    t.send(all.client, "d");
    t.await(all.server, POLLPRI);
    t.poll(all.server);
    t.recv(all.server, 1, MSG_OOB);
    t.ioctl(all.server, SIOCINQ);
    t.recv(all.server, 10);
    t.ioctl(all.server, SIOCATMARK);
    t.recv(all.server, 10);
    t.ioctl(all.server, SIOCATMARK);
    t.poll(all.server);
  });
}

TEST_CASE("a full send buffer", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const int listener = t.far_stream();
    t.set(listener, SOL_SOCKET, SO_RCVBUF, 8192);
    t.bind(listener);
    t.listen(listener);
    const int client = t.stream(SOCK_NONBLOCK);
    t.set(client, SOL_SOCKET, SO_SNDBUF, 8192);
    t.connect(client, t.place_of(listener));
    t.await(client, POLLOUT);
    const int server = t.accept(listener, SOCK_NONBLOCK);
    // How much fits is each stack's own affair.
    auto& calls = t.calls();
    const std::string bytes(4096, 'x');
    iovec part{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    std::size_t sent = 0;
    for (;;) {
      const ssize_t count = calls.sendmsg(client, &message, 0);
      if (count < 0) {
        pollfd settle{.fd = client, .events = POLLOUT, .revents = 0};
        if (calls.poll(&settle, 1, 300) == 0) {
          part.iov_len = 1;  // a probe of the closed window may have made room for a byte, which is not worth waking a writer for
          while (calls.sendmsg(client, &message, 0) > 0) ++sent;
          break;
        }
        continue;
      }
      sent += static_cast<std::size_t>(count);
    }
    t.send(client, "x");
    t.poll(client);
    std::size_t received = 0;
    std::string into(65536, '\0');
    for (;;) {
      const ssize_t count = calls.read(server, into.data(), into.size());
      if (count > 0) received += static_cast<std::size_t>(count);
      if (received >= sent) break;
      if (count < 0) t.await(server, POLLIN);
    }
    t.say(received == sent ? "all arrived" : "something is missing");
    t.await(client, POLLOUT);
    t.poll(client);
    t.send(client, "x");
  });
}

TEST_CASE("one urgent octet after another", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    t.send(all.client, "", MSG_OOB);
    t.send(all.client, "ab1", MSG_OOB);
    t.await(all.server, POLLPRI);
    t.send(all.client, "cd2", MSG_OOB);  // the first is an octet like others now
    t.send(all.client, "ef");
    t.recv(all.server, 6, MSG_PEEK | MSG_WAITALL);
    t.ioctl(all.server, SIOCINQ);
    t.recv(all.server, 1, MSG_OOB);
    t.recv(all.server, 10);
    t.ioctl(all.server, SIOCATMARK);
    t.recv(all.server, 10);
    t.poll(all.server);
    t.recv(all.server, 1, MSG_OOB);
  });
}

TEST_CASE("urgent data before the end, and behind it", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    const int epoll = t.far_epoll();
    t.epoll_ctl(epoll, EPOLL_CTL_ADD, all.server, EPOLLPRI);
    t.epoll_wait(epoll);
    t.send(all.client, "a!", MSG_OOB);
    t.epoll_wait(epoll, 1000);
    t.shutdown(all.client, SHUT_WR);
    t.send(all.client, "b", MSG_OOB);
    t.await(all.server, POLLRDHUP);
    t.poll(all.server);
    t.recv(all.server, 10);
    t.ioctl(all.server, SIOCATMARK);
    t.recv(all.server, 1, MSG_OOB);
    t.recv(all.server, 1, MSG_OOB);
    t.recv(all.server, 10);
    t.poll(all.server);
    t.recv(all.server, 1, MSG_OOB);
    t.shutdown(all.server, SHUT_RDWR);
    t.recv(all.server, 1, MSG_OOB);
  });
}

TEST_CASE("waiting for more than there will be", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    const timeval soon{.tv_sec = 0, .tv_usec = 50'000};
    t.set_raw(all.server, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
    t.send(all.client, "abc");
    t.await(all.server, POLLIN);
    t.recv(all.server, 5, MSG_PEEK | MSG_WAITALL);
    t.recv_from(all.server, 5, 16, MSG_WAITALL);
    t.recv(all.server, 5, MSG_WAITALL);
    t.recv(all.server, 1, MSG_PEEK);
    t.send(all.client, "de");
    t.shutdown(all.client, SHUT_WR);
    t.recv(all.server, 5, MSG_WAITALL);
    t.recv(all.server, 5, MSG_WAITALL);
    t.recv(all.server, 5, MSG_PEEK);
  });
}

TEST_CASE("a writer waits no longer than SO_SNDTIMEO", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    const timeval soon{.tv_sec = 0, .tv_usec = 50'000};
    t.set_raw(all.client, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof(soon));
    t.set(all.client, SOL_SOCKET, SO_SNDBUF, 8192);
    // How much fits is each stack's own affair.
    const std::string much(std::size_t{16} * 1024 * 1024, 'x');
    const ssize_t sent = t.calls().send(all.client, much.data(), much.size(), 0);
    t.say(sent > 0 && sent < static_cast<ssize_t>(much.size()) ? "a part" : "all or nothing");
    t.shutdown(all.client, SHUT_WR);
    t.send(all.client, "x");
    std::size_t received = 0;
    std::string into(std::size_t{1024} * 1024, '\0');
    for (;;) {
      const ssize_t count = t.calls().recv(all.server, into.data(), into.size(), 0);
      if (count <= 0) break;
      received += static_cast<std::size_t>(count);
    }
    t.say(received == static_cast<std::size_t>(sent) ? "all of it arrived" : "another number arrived");
  });
}

TEST_CASE("what Nagle holds back goes with the FIN", "[socket][linux]") {
  same_as_linux([](Transcript& t) {
    const auto all = t.linked();
    for (int i = 0; i < 30; ++i) {  // an exchange, in which acknowledgments wait for answers
      t.send(all.client, "p");
      t.recv(all.server, 10);
      t.send(all.server, "q");
      t.recv(all.client, 10);
    }
    t.set(all.server, IPPROTO_TCP, TCP_QUICKACK, 0);
    t.send(all.client, std::string(100, 'x'));
    t.send(all.client, std::string(100, 'y'));
    t.ioctl(all.server, SIOCINQ);  // the second waits
    t.shutdown(all.client, SHUT_WR);
    t.ioctl(all.server, SIOCINQ);
    t.recv(all.server, 300, MSG_DONTWAIT);
    t.recv(all.server, 300, MSG_DONTWAIT);
  });
}
