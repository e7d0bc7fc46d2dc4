// What a stream tells of itself, and what MSG_EOR does to it: two hosts on a cable in virtual time.
#include <catch2/catch.hpp>

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "two_hosts.hpp"

using namespace std::chrono_literals;
using tapir::test::far_apart;
using tapir::test::TwoHosts;

namespace {
constexpr tapir::Duration kOneWay = 10ms;

/// Linux' struct tcp_info as far as it is looked at here: what glibc's lacks stands behind it.
struct LongInfo {
  tcp_info known;
  std::uint64_t pacing_rate;
  std::uint64_t max_pacing_rate;
  std::uint64_t bytes_acked;
  std::uint64_t bytes_received;
  std::uint32_t segs_out;
  std::uint32_t segs_in;
  std::uint32_t notsent_bytes;
  std::uint32_t min_rtt;
  std::uint32_t data_segs_in;
  std::uint32_t data_segs_out;
  std::uint64_t delivery_rate;
  std::uint64_t busy_time;
  std::uint64_t rwnd_limited;
  std::uint64_t sndbuf_limited;
  std::uint32_t delivered;
  std::uint32_t delivered_ce;
};

/// tcpi_delivery_rate_app_limited: the lowest bit behind the shifts of the windows.
bool app_limited(const LongInfo& info) {
  constexpr std::size_t kAt = 7;
  std::array<unsigned char, sizeof(LongInfo)> bytes{};
  std::memcpy(bytes.data(), &info, sizeof(info));
  return (bytes[kAt] & 1U) != 0;
}

LongInfo info_of(tapir::posix::Sockets& sockets, int fd) {
  LongInfo info{};
  socklen_t size = sizeof(info);
  REQUIRE(sockets.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
  REQUIRE(size == sizeof(info));
  return info;
}
}  // namespace

TEST_CASE("TCP_INFO of a transfer", "[socket]") {
  TwoHosts hosts{far_apart(kOneWay)};
  const auto ends = hosts.linked();
  hosts.pair.world.run_for(1s);
  const auto fresh = info_of(hosts.left, ends.client);
  CHECK(fresh.known.tcpi_state == TCP_ESTABLISHED);
  CHECK(fresh.known.tcpi_ca_state == TCP_CA_Open);
  CHECK(fresh.known.tcpi_options == (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE));
  CHECK(fresh.known.tcpi_snd_wscale == 7);
  CHECK(fresh.known.tcpi_snd_mss == 1448);
  CHECK(fresh.known.tcpi_advmss == 1460);  // what the SYN said, which timestamps take nothing of
  CHECK(fresh.known.tcpi_rcv_ssthresh == 65'535);
  CHECK(fresh.max_pacing_rate == UINT64_MAX);
  CHECK(fresh.delivered == 1);  // the SYN
  CHECK(fresh.known.tcpi_pmtu == 1500);
  CHECK(fresh.known.tcpi_snd_cwnd == 10);
  CHECK(fresh.known.tcpi_rtt >= 20'000);
  CHECK(fresh.known.tcpi_rtt < 40'000);  // the first round trip has ARP's in it
  CHECK(fresh.bytes_received == 0);

  REQUIRE(TwoHosts::send(hosts.left, ends.client, std::string(10'000, 'x')) == 10'000);
  hosts.pair.world.run_for(kOneWay);
  REQUIRE(TwoHosts::send(hosts.left, ends.client, std::string(100, 'y')) == 100);
  hosts.pair.world.run_for(1us);
  const auto sending = info_of(hosts.left, ends.client);
  CHECK(sending.known.tcpi_unacked ==
        7);  // six of 1448 bytes and a small one; the next small one waits for that one's acknowledgment (Minshall)
  CHECK(sending.known.tcpi_last_data_sent <= 10);
  CHECK(sending.notsent_bytes == 100);
  hosts.pair.world.run_for(1s);
  const auto sent = info_of(hosts.left, ends.client);
  const auto received = info_of(hosts.right, ends.server);
  CHECK(sent.known.tcpi_unacked == 0);
  CHECK(sent.bytes_acked == 10'100);
  CHECK(sent.segs_out == fresh.segs_out + 8);
  CHECK(sent.segs_in > fresh.segs_in);
  CHECK(sent.known.tcpi_total_retrans == 0);
  CHECK(sent.min_rtt >= 20'000);
  CHECK(sent.min_rtt < 22'000);
  CHECK(sent.known.tcpi_last_data_sent >= 900);
  CHECK(sent.delivered == 9);
  CHECK(sent.delivered_ce == 0);
  CHECK(received.bytes_received == 10'100);
  CHECK(received.known.tcpi_rcv_ssthresh > 65'535);  // data has opened it further
  CHECK(received.known.tcpi_rcv_mss == 1448);
  CHECK(received.known.tcpi_last_data_recv >= 900);
}

TEST_CASE("tcpi_advmss is what a SYN offered, whatever the peer's", "[socket]") {
  TwoHosts hosts{far_apart(kOneWay)};
  const int listener = hosts.listen();
  REQUIRE(TwoHosts::set(hosts.right, listener, IPPROTO_TCP, TCP_MAXSEG, 1000) == 0);
  const int client = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(hosts.connect(client) == 0);
  const int server = hosts.right.accept(listener, nullptr, nullptr);
  CHECK(info_of(hosts.left, client).known.tcpi_snd_mss == 988);
  CHECK(info_of(hosts.left, client).known.tcpi_advmss == 1460);
  CHECK(info_of(hosts.right, server).known.tcpi_advmss == 1000);
}

TEST_CASE("TCP_INFO has the bound of SO_MAX_PACING_RATE", "[socket]") {
  TwoHosts hosts{far_apart(kOneWay)};
  const auto ends = hosts.linked();
  REQUIRE(TwoHosts::set(hosts.left, ends.client, SOL_SOCKET, SO_MAX_PACING_RATE, 123'456) == 0);
  CHECK(info_of(hosts.left, ends.client).max_pacing_rate == 123'456);
  CHECK(info_of(hosts.left, ends.client).pacing_rate == 123'456);
  CHECK(info_of(hosts.right, ends.server).max_pacing_rate == UINT64_MAX);
}

TEST_CASE("the delivery rate is the line's when that is what limits", "[socket]") {
  constexpr std::uint64_t kLine = 10'000'000 / 8;  // bytes per second
  auto config = far_apart(kOneWay);
  config.cable.rate_bits_per_second = 10'000'000;
  TwoHosts hosts{config};
  const int listener = hosts.listen();
  REQUIRE(TwoHosts::set(hosts.right, listener, SOL_SOCKET, SO_RCVBUF, 1'000'000) == 0);
  const int client = hosts.left.socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(TwoHosts::set(hosts.left, client, SOL_SOCKET, SO_SNDBUF, 2'000'000) == 0);
  REQUIRE(hosts.connect(client) == 0);
  CHECK(hosts.pair.left->tcp().connections().at(0).delivery_rate.value_or(0) < kLine / 100);  // the SYN alone
  const int server = hosts.right.accept(listener, nullptr, nullptr);
  CHECK(info_of(hosts.right, server).delivery_rate < kLine / 100);
  REQUIRE(TwoHosts::send(hosts.left, client, std::string(600'000, 'x')) == 600'000);
  hosts.pair.world.run_for(300ms);
  const auto info = info_of(hosts.left, client);
  CHECK(info.notsent_bytes > 0);
  constexpr std::uint64_t kPayload = kLine * 1448 / 1538;  // of a full segment and its 1538 octets on the line
  CHECK(info.delivery_rate > kPayload * 99 / 100);
  CHECK(info.delivery_rate < kPayload * 101 / 100);
  CHECK_FALSE(app_limited(info));
}

TEST_CASE("the delivery rate of a dialogue is the application's", "[socket]") {
  TwoHosts hosts{far_apart(kOneWay)};
  const auto ends = hosts.linked();
  for (int i = 0; i < 5; ++i) {
    TwoHosts::send(hosts.left, ends.client, std::string(1000, 'x'));
    hosts.pair.world.run_for(100ms);
  }
  const auto info = info_of(hosts.left, ends.client);
  CHECK(info.delivery_rate > 40'000);  // a kilobyte in a round trip of 20 ms
  CHECK(info.delivery_rate <= 50'000);
  CHECK(app_limited(info));
}

TEST_CASE("TCP_INFO of a loss", "[socket]") {
  TwoHosts hosts{far_apart(kOneWay)};
  const auto ends = hosts.linked();
  int data = 0;
  hosts.pair.cable.filter([&](tapir::sim::End from, std::span<const std::byte> frame) {
    const bool lost = from == tapir::sim::End::left && frame.size() > 1000 && ++data == 1;
    return lost ? tapir::sim::Verdict::drop : tapir::sim::Verdict::pass;
  });
  TwoHosts::send(hosts.left, ends.client, std::string(14'000, 'x'));
  std::vector<int> states;
  for (int i = 0; i < 200; ++i) {
    hosts.pair.world.run_for(1ms);
    const int state = info_of(hosts.left, ends.client).known.tcpi_ca_state;
    if (states.empty() || states.back() != state) states.push_back(state);
  }
  CHECK(states == std::vector<int>{TCP_CA_Open, TCP_CA_Recovery, TCP_CA_Open});
  const auto info = info_of(hosts.left, ends.client);
  CHECK(info.known.tcpi_total_retrans == 1);
  CHECK(info.known.tcpi_lost == 0);
  CHECK(info.known.tcpi_retrans == 0);
  CHECK(info.known.tcpi_snd_ssthresh < 10);
  CHECK(info.bytes_acked == 14'000);
}

TEST_CASE("TCP_INFO takes as many bytes as there is room for", "[socket]") {
  TwoHosts hosts;
  const auto ends = hosts.linked();
  for (const socklen_t room : {socklen_t{1}, socklen_t{8}, socklen_t{104}}) {
    std::vector<unsigned char> bytes(room + 8, 0x77);
    socklen_t size = room;
    REQUIRE(hosts.left.getsockopt(ends.client, IPPROTO_TCP, TCP_INFO, bytes.data(), &size) == 0);
    CHECK(size == room);
    CHECK(bytes[0] == TCP_ESTABLISHED);
    CHECK(bytes[room] == 0x77);
  }
  const int fd = hosts.left.socket(AF_INET, SOCK_DGRAM, 0);
  LongInfo info{};
  socklen_t size = sizeof(info);
  CHECK(hosts.left.getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == -1);
}

TEST_CASE("MSG_EOR: no segment holds octets of two records", "[socket]") {
  const bool records = GENERATE(true, false);
  TwoHosts hosts{far_apart(kOneWay)};
  const auto ends = hosts.linked();
  const int flags = records ? MSG_EOR : 0;
  // Nagle's algorithm holds back what comes behind the first octet.
  CHECK(TwoHosts::send(hosts.left, ends.client, "1") == 1);
  hosts.pair.world.run_for(1ms);
  CHECK(TwoHosts::send(hosts.left, ends.client, "first", flags) == 5);
  CHECK(TwoHosts::send(hosts.left, ends.client, "second", flags) == 6);
  hosts.pair.world.run_for(1s);
  CHECK(hosts.log.sizes() == (records ? std::vector<std::size_t>{1, 5, 6} : std::vector<std::size_t>{1, 11}));
  CHECK(TwoHosts::receive(hosts.right, ends.server, 20) == "1firstsecond");  // the receiver has a stream
}

TEST_CASE("the retries of the stack's settings end a connection", "[socket]") {
  TwoHosts hosts{far_apart(kOneWay)};
  auto config = hosts.pair.left->tcp().config();
  config.data_retries = 3;
  hosts.pair.left->tcp().set_config(config);
  const auto ends = hosts.linked();
  hosts.pair.cable.filter([](tapir::sim::End from, std::span<const std::byte>) {
    return from == tapir::sim::End::left ? tapir::sim::Verdict::drop : tapir::sim::Verdict::pass;
  });
  TwoHosts::send(hosts.left, ends.client, "x");
  hosts.log.segments.clear();
  std::string buffer(1, ' ');
  CHECK(hosts.left.recv(ends.client, buffer.data(), 1, 0) == -1);
  CHECK(errno == ETIMEDOUT);
  std::size_t repeated = 0;
  for (const auto& segment : hosts.log.segments) repeated += segment.payload;
  CHECK(repeated >= 3);
  CHECK(repeated <= 5);  // the first transmission and a tail loss probe may stand beside the three
}
