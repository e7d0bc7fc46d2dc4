// What packetdrill asks of a shared object, one script at a time.

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "loaded_stack.hpp"
#include "support/folder.hpp"

namespace tapir::test {
namespace {

using namespace std::chrono_literals;
using Tins::TCP;

/// Whether the thread with this number sleeps in the kernel: what packetdrill takes for "the call blocks".
bool sleeps(pid_t thread) {
  std::ifstream in{"/proc/self/task/" + std::to_string(thread) + "/stat"};
  std::string number;
  std::string name;
  std::string state;
  in >> number >> name >> state;
  return state == "S";
}

TEST_CASE("a connection is opened from outside, accepted, and carries data both ways", "[packetdrill]") {
  LoadedStack stack;
  auto& calls = stack.calls();
  std::uint32_t isn = 0;
  const int connection = stack.accepted(isn);

  std::array<char, 3000> bytes{};
  REQUIRE(calls.write(stack.self(), connection, bytes.data(), 1000) == 1000);
  const auto data = stack.receive();
  REQUIRE(data);
  CHECK(data->payload == 1000);
  CHECK(data->tcp.seq() == isn + 1);
  CHECK(data->tcp.flags() == (TCP::PSH | TCP::ACK));
  CHECK(data->ip.src_addr() == kOurs);
  CHECK(data->ip.dst_addr() == kPeers);

  stack.inject(TCP::PSH | TCP::ACK, 1, isn + 1001, 500);
  CHECK(calls.read(stack.self(), connection, bytes.data(), bytes.size()) == 500);
  CHECK(calls.close(stack.self(), connection) == 0);
}

TEST_CASE("a datagram larger than the device's MTU is taken, and what leaves is never larger", "[packetdrill]") {
  LoadedStack stack;
  auto& calls = stack.calls();
  std::uint32_t isn = 0;
  const int connection = stack.accepted(isn);
  stack.inject(TCP::PSH | TCP::ACK, 1, isn + 1, 20000);
  std::vector<char> bytes(30000);
  CHECK(calls.read(stack.self(), connection, bytes.data(), bytes.size()) == 20000);
  const auto ack = stack.receive();
  REQUIRE(ack);
  CHECK(ack->tcp.ack_seq() == 20001);

  REQUIRE(calls.write(stack.self(), connection, bytes.data(), 5000) == 5000);
  for (std::uint32_t sent = 0; sent < 5000; sent += 1000) {
    const auto segment = stack.receive();
    REQUIRE(segment);
    CHECK(segment->payload == 1000);  // the MSS that the peer asked for
    CHECK(segment->tcp.seq() == isn + 1 + sent);
  }
}

TEST_CASE("a look at the clock takes a microsecond, sleep oversleeps by twenty", "[packetdrill]") {
  LoadedStack stack;
  const auto start = stack.look_at_clock();
  CHECK(stack.look_at_clock() - start == 1us);
  REQUIRE(stack.calls().usleep(stack.self(), 1000) == 0);
  CHECK(stack.look_at_clock() - start == 1us + 1020us + 1us);
}

TEST_CASE("waiting for a datagram jumps to the timer that sends it, and says when it left", "[packetdrill]") {
  LoadedStack stack;
  auto& calls = stack.calls();
  const int client = calls.socket(stack.self(), AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP);
  const sockaddr_in peer = LoadedStack::address(kPeers, kListening);
  REQUIRE(calls.connect(stack.self(), client, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) == -1);
  CHECK(errno == EINPROGRESS);
  const auto first = stack.receive();
  REQUIRE(first);
  CHECK(first->tcp.flags() == TCP::SYN);
  const auto second = stack.receive();
  REQUIRE(second);
  CHECK(second->tcp.flags() == TCP::SYN);
  CHECK(second->at - first->at == 1s);  // RFC 6298 section 2.1
  CHECK(stack.look_at_clock() >= second->at);

  REQUIRE(calls.usleep(stack.self(), 10'000'000) == 0);  // what leaves meanwhile keeps its own time
  const auto third = stack.receive();
  REQUIRE(third);
  CHECK(third->at - second->at == 2s);
}

TEST_CASE("where no timer is pending nothing will ever leave", "[packetdrill]") {
  LoadedStack stack;
  CHECK_FALSE(stack.receive());
  const auto listener = stack.listening();
  CHECK(listener >= 0);
  CHECK_FALSE(stack.receive());
  stack.inject_syn();
  CHECK(stack.receive());
}

TEST_CASE("a call that blocks sleeps until the moment at which what it waits for has happened", "[packetdrill]") {
  LoadedStack stack;
  auto& calls = stack.calls();
  std::uint32_t isn = 0;
  const int connection = stack.accepted(isn);
  std::atomic<pid_t> reader_id = 0;
  std::atomic<long> result = -2;
  std::chrono::microseconds ended{};
  std::thread reader{[&] {
    std::array<char, 100> bytes{};
    reader_id = gettid();
    const long size = calls.read(stack.self(), connection, bytes.data(), bytes.size());
    ended = stack.look_at_clock();
    result = size;
  }};
  while (reader_id == 0 || !sleeps(reader_id)) std::this_thread::yield();

  REQUIRE(calls.usleep(stack.self(), 500'000) == 0);
  CHECK(result == -2);
  const auto before = stack.look_at_clock();
  stack.inject(TCP::PSH | TCP::ACK, 1, isn + 1, 7);
  REQUIRE(calls.usleep(stack.self(), 500'000) == 0);  // the call has returned before this begins
  reader.join();
  CHECK(result == 7);
  CHECK(ended - before < 1ms);
}

TEST_CASE("a call that blocks with a time limit returns at that moment of the virtual time", "[packetdrill]") {
  LoadedStack stack;
  auto& calls = stack.calls();
  std::uint32_t isn = 0;
  const int connection = stack.accepted(isn);
  std::atomic<pid_t> poller_id = 0;
  std::atomic<int> result = -2;
  std::chrono::microseconds began{};
  std::chrono::microseconds ended{};
  std::thread poller{[&] {
    pollfd one{.fd = connection, .events = POLLIN, .revents = 0};
    began = stack.look_at_clock();
    poller_id = gettid();
    const int ready = calls.poll(stack.self(), &one, 1, 300);
    ended = stack.look_at_clock();
    result = ready;
  }};
  while (poller_id == 0 || !sleeps(poller_id)) std::this_thread::yield();
  REQUIRE(calls.usleep(stack.self(), 1'000'000) == 0);
  poller.join();
  CHECK(result == 0);
  CHECK(ended - began >= 300ms);
  CHECK(ended - began < 301ms);
}

TEST_CASE("a socket's number is a real descriptor until it is closed", "[packetdrill]") {
  LoadedStack stack;
  auto& calls = stack.calls();
  const int number = calls.socket(stack.self(), AF_INET, SOCK_STREAM, IPPROTO_TCP);
  REQUIRE(number >= 0);
  struct stat status{};
  CHECK(fstat(number, &status) == 0);
  CHECK(calls.close(stack.self(), number) == 0);
  CHECK(fstat(number, &status) == -1);
  CHECK(calls.close(stack.self(), number) == -1);
  CHECK(errno == EBADF);
}

TEST_CASE("the exported getsockopt answers for our sockets, and passes on what is asked about others", "[packetdrill]") {
  LoadedStack stack;
  std::uint32_t isn = 0;
  const int connection = stack.accepted(isn);
  const auto getsockopt_of = reinterpret_cast<int (*)(int, int, int, void*, socklen_t*)>(stack.exported("getsockopt"));
  REQUIRE(getsockopt_of != nullptr);
  std::array<std::uint8_t, 280> info{};  // packetdrill asks for no less
  socklen_t size = info.size();
  REQUIRE(getsockopt_of(connection, IPPROTO_TCP, TCP_INFO, info.data(), &size) == 0);
  CHECK(size == info.size());
  CHECK(info[0] == TCP_ESTABLISHED);

  const int theirs = ::socket(AF_INET, SOCK_DGRAM, 0);
  REQUIRE(theirs >= 0);
  int type = 0;
  size = sizeof(type);
  CHECK(getsockopt_of(theirs, SOL_SOCKET, SO_TYPE, &type, &size) == 0);
  CHECK(type == SOCK_DGRAM);
  ::close(theirs);
}

TEST_CASE("epoll tells of a descriptor by the data it was given", "[packetdrill]") {
  LoadedStack stack;
  auto& calls = stack.calls();
  std::uint32_t isn = 0;
  const int connection = stack.accepted(isn);
  const int epoll = calls.epoll_create(stack.self(), 1);
  REQUIRE(epoll >= 0);
  epoll_event wanted{.events = EPOLLIN, .data = {.fd = connection}};
  REQUIRE(calls.epoll_ctl(stack.self(), epoll, EPOLL_CTL_ADD, connection, &wanted) == 0);
  epoll_event seen{};
  CHECK(calls.epoll_wait(stack.self(), epoll, &seen, 1, 0) == 0);
  stack.inject(TCP::PSH | TCP::ACK, 1, isn + 1, 7);
  CHECK(calls.epoll_wait(stack.self(), epoll, &seen, 1, 0) == 1);
  CHECK(seen.data.fd == connection);
  CHECK(seen.events == EPOLLIN);
}

TEST_CASE("fcntl and ioctl take their argument as the system's do", "[packetdrill]") {
  LoadedStack stack;
  auto& calls = stack.calls();
  std::uint32_t isn = 0;
  const int connection = stack.accepted(isn);
  CHECK(calls.fcntl(stack.self(), connection, F_GETFL) == O_RDWR);
  REQUIRE(calls.fcntl(stack.self(), connection, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
  CHECK(calls.fcntl(stack.self(), connection, F_GETFL) == (O_RDWR | O_NONBLOCK));
  stack.inject(TCP::PSH | TCP::ACK, 1, isn + 1, 7);
  int waiting = 0;
  CHECK(calls.ioctl(stack.self(), connection, FIONREAD, &waiting) == 0);
  CHECK(waiting == 7);
}

TEST_CASE("a setting that changes while the script runs holds for the next connection", "[packetdrill]") {
  const bool changes = GENERATE(false, true);
  const Folder settings;
  settings.write("tcp_wmem", "4096 20000 20000\n");
  LoadedStack stack{"settings=" + settings.path()};
  auto& calls = stack.calls();
  if (changes) settings.write("tcp_wmem", "4096 150000 150000\n");
  std::uint32_t isn = 0;
  const int connection = stack.accepted(isn);
  const std::vector<char> bytes(200'000);
  REQUIRE(calls.fcntl(stack.self(), connection, F_SETFL, O_NONBLOCK) == 0);
  const ssize_t taken = calls.write(stack.self(), connection, bytes.data(), bytes.size());
  CHECK(taken > 0);
  CHECK((taken > 100'000) == changes);
}

TEST_CASE("the routes that ip prints set MTU and MSS, and may change while the script runs", "[packetdrill]") {
  const Folder folder;
  const std::string file = folder.write("routes", "192.0.2.1 via 192.168.0.2 dev tun0 mtu lock 640 advmss 500\n");
  LoadedStack stack{"routes=" + file};
  auto& calls = stack.calls();
  const int listener = stack.listening();
  stack.inject_syn();
  const auto answer = stack.receive();
  REQUIRE(answer);
  CHECK(answer->tcp.mss() == 500);
  std::uint32_t next = answer->tcp.seq() + 1;
  stack.inject(TCP::ACK, 1, next);
  const int connection = calls.accept(stack.self(), listener, nullptr, nullptr);
  REQUIRE(connection >= 0);

  const std::array<char, 1000> bytes{};
  const auto first_segment = [&] {
    REQUIRE(calls.write(stack.self(), connection, bytes.data(), bytes.size()) == 1000);
    next += 1000;
    const auto first = stack.receive();
    REQUIRE(first);
    for (std::size_t left = bytes.size() - first->payload; left > 0;) {
      const auto more = stack.receive();
      REQUIRE(more);
      left -= more->payload;
    }
    stack.inject(TCP::ACK, 1, next);
    return first->payload;
  };
  CHECK(first_segment() == 600);
  folder.write("routes", "192.0.2.1 via 192.168.0.2 dev tun0 advmss 1460\n");
  CHECK(first_segment() == 1000);  // the peer's MSS
  folder.write("routes", "");
  CHECK(first_segment() == 1000);
}

TEST_CASE("the exported sendfile sends a file on a socket of ours", "[packetdrill]") {
  LoadedStack stack;
  std::uint32_t isn = 0;
  const int connection = stack.accepted(isn);
  const Folder folder;
  const int file = ::open(folder.write("data", "0123456789").c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(file >= 0);
  using Sendfile = ssize_t (*)(int, int, off_t*, size_t);
  const auto send_file = reinterpret_cast<Sendfile>(stack.exported("sendfile"));
  REQUIRE(send_file != nullptr);
  off_t offset = 3;
  CHECK(send_file(connection, file, &offset, 5) == 5);
  CHECK(offset == 8);
  const auto left = stack.receive();
  REQUIRE(left);
  CHECK(left->payload == 5);
  CHECK(send_file(connection, file, &offset, 100) == 2);  // to its end
  CHECK(::lseek(file, 2, SEEK_SET) == 2);
  CHECK(send_file(connection, file, nullptr, 3) == 3);
  CHECK(::lseek(file, 0, SEEK_CUR) == 5);
  ::close(file);
}

TEST_CASE("splice moves what has arrived into a pipe", "[packetdrill]") {
  LoadedStack stack;
  auto& calls = stack.calls();
  std::uint32_t isn = 0;
  const int connection = stack.accepted(isn);
  int ends[2] = {-1, -1};
  REQUIRE(calls.pipe(stack.self(), ends) == 0);
  stack.inject(TCP::PSH | TCP::ACK, 1, isn + 1, 7);
  loff_t none = 0;  // packetdrill says where its number is, not the number
  CHECK(calls.splice(stack.self(), connection, &none, ends[1], &none, 100, 0) == 7);
  std::array<char, 16> bytes{};
  CHECK(::read(ends[0], bytes.data(), bytes.size()) == 7);
  CHECK(calls.splice(stack.self(), connection, &none, ends[1], &none, 100, SPLICE_F_NONBLOCK) == -1);
  CHECK(errno == EAGAIN);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a device that merges segments says of what size they were", "[packetdrill]") {
  const bool merges = GENERATE(false, true);
  LoadedStack stack{merges ? "segment=700" : ""};
  auto& calls = stack.calls();
  std::uint32_t isn = 0;
  const int connection = stack.accepted(isn);
  stack.inject(TCP::PSH | TCP::ACK, 1, isn + 1, 7000);
  tcp_info info{};
  socklen_t size = sizeof(info);
  REQUIRE(calls.getsockopt(stack.self(), connection, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
  CHECK((info.tcpi_rcv_mss == 700) == merges);
}

}  // namespace
}  // namespace tapir::test
