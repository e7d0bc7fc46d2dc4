#include <catch2/catch.hpp>

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include <tapir/stack/journey.hpp>

#include "stack_lab.hpp"
#include "two_hosts.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

using Lines = std::vector<std::string>;

/// A journey that keeps its lines.
struct Story {
  Lines lines;
  Journey journey{[this](std::string_view line) { lines.emplace_back(line); }};
};

/// Whether the expressions match lines in this order; others may lie between them. The first that matches none, or "".
std::string missing(const Lines& lines, const std::vector<std::string>& expected) {
  auto from = lines.begin();
  for (const auto& each : expected) {
    from = std::find_if(from, lines.end(), [&](const std::string& line) { return std::regex_search(line, std::regex{each}); });
    if (from == lines.end()) return each;
    ++from;
  }
  return {};
}

std::string joined(const Lines& lines) {
  std::string text;
  for (const auto& line : lines) text += "\n" + line;
  return text;
}

}  // namespace

TEST_CASE("the journey says that there is no slow-start threshold before the first loss", "[stack]") {
  Story story;
  story.journey.congested({TimePoint{}, "a > b", "ack", 14600, no_ssthresh});
  story.journey.congested({TimePoint{}, "a > b", "fast retransmit", 7300, 7300});
  REQUIRE(story.lines.size() == 2);
  CHECK(story.lines[0].ends_with("cwnd 14600 ssthresh none yet"));
  CHECK(story.lines[1].ends_with("cwnd 7300 ssthresh 7300"));
}

TEST_CASE("the journey tells of a connection in short lines with numbers that count from its start", "[stack]") {
  Story story;
  TwoHosts hosts{{.observer = &story.journey}};
  std::optional<tcp::Connection> server;
  auto listener = hosts.right->tcp().listen(Port{7}, [&](tcp::Connection connection) { server = std::move(connection); });
  REQUIRE(listener);
  auto connection = hosts.left->tcp().connect({hosts.right_address, Port{7}});
  REQUIRE(connection);
  hosts.world.run_for(1s);
  REQUIRE(connection->send(bytes_of("hello")));
  hosts.world.run_for(1s);
  REQUIRE(server);
  REQUIRE(server->send(bytes_of("answer!")));
  hosts.world.run_for(1s);

  const std::string there = R"(192\.0\.2\.1:\d+ > 192\.0\.2\.2:7 )";
  const std::string back = R"(192\.0\.2\.2:7 > 192\.0\.2\.1:\d+ )";
  INFO(joined(story.lines));
  CHECK(missing(story.lines,
                {
                    R"(^0\.000000 down arp      request    28 \+ 0 bytes +I am 192\.0\.2\.1, at 02:00:00:00:00:01$)",
                    R"(down ethernet frame      14 \+ 46 bytes +02:00:00:00:00:01 > everybody ARP$)",
                    R"(     tcp      .* is SYN-SENT, was CLOSED$)",
                    "down tcp      SYN .*bytes +" + there + R"(seq 0 win \d+$)",
                    R"(down ipv4     datagram   20 \+ \d+ bytes +192\.0\.2\.1 > 192\.0\.2\.2 TCP ttl 64 DF$)",
                    R"(down arp      request .*who has 192\.0\.2\.2\? tell 192\.0\.2\.1$)",
                    R"(down ethernet frame .*02:00:00:00:00:01 > 02:00:00:00:00:02 IPv4$)",  // the host has announced itself meanwhile
                    R"(up   arp      reply .*192\.0\.2\.2 is at 02:00:00:00:00:02$)",
                    "up   tcp      SYN, ACK .*" + back + R"(seq 0 ack 1 win \d+$)",
                    "is ESTABLISHED, was SYN-SENT$",
                    "down tcp      ACK .*" + there + R"(seq 1 ack 1 win \d+$)",
                    R"(down tcp      PSH, ACK   \d+ \+ 5 bytes +)" + there + R"(seq 1 ack 1 win \d+$)",
                    "up   tcp      ACK .*" + back + R"(seq 1 ack 6 win \d+$)",
                    R"(up   tcp      PSH, ACK   \d+ \+ 7 bytes +)" + back + R"(seq 1 ack 6 win \d+$)",
                    "down tcp      ACK .*" + there + R"(seq 6 ack 8 win \d+$)",
                }) == "");
  CHECK(std::ranges::max(story.lines, {}, &std::string::size).size() <= 106);
}

TEST_CASE("the journey of a ping and of UDP", "[stack]") {
  Story story;
  TwoHosts hosts{{.observer = &story.journey}};
  const auto ping = hosts.left->ping(hosts.right_address, {.size = 2000, .count = 1}, {});
  REQUIRE(ping);
  hosts.world.run_for(1s);
  auto socket = hosts.left->udp().bind({{}, Port{9}});
  REQUIRE(socket);
  REQUIRE(socket->send_to({hosts.right_address, Port{9}}, bytes_of("x")));
  hosts.world.run_for(1s);
  INFO(joined(story.lines));
  CHECK(missing(story.lines, {
                                 R"(down icmp     echo request 8 \+ 2000 bytes +id 0x[0-9a-f]{4} seq 1$)",
                                 R"(down ipv4     fragment .*192\.0\.2\.1 > 192\.0\.2\.2 ICMP ttl 64 id \d+ offset 0 MF$)",
                                 R"(down ipv4     fragment .*192\.0\.2\.1 > 192\.0\.2\.2 ICMP ttl 64 id \d+ offset 1480$)",
                                 R"(up   icmp     echo reply .*id 0x[0-9a-f]{4} seq 1$)",
                                 R"(down udp      datagram   8 \+ 1 bytes +port 9 > port 9$)",
                                 R"(up   icmp     destination unreachable .*port$)",
                             }) == "");
  CHECK(std::ranges::max(story.lines, {}, &std::string::size).size() <= 106);
}

TEST_CASE("a line is cut between characters and carries no control characters", "[stack]") {
  Story story;
  Crossing crossing{.layer = LayerId::mqtt,
                    .direction = Direction::up,
                    .at = TimePoint{},
                    .packet = nullptr,
                    .header_size = 10,
                    .payload_size = 0,
                    .summary = "PUBLISH",
                    .fields = {}};
  std::string topic = "topic \x1b[2J\n";
  for (int i = 0; i < 100; ++i) topic += "\u00b0";  // two bytes, one column
  const std::vector<Field> fields{{"topic", topic}};
  crossing.fields = fields;
  story.journey.crossed(crossing);
  crossing.brief = "short";
  story.journey.crossed(crossing);
  REQUIRE(story.lines.size() == 2);
  const std::string& line = story.lines[0];
  CHECK(line.contains("topic topic ?[2J?\u00b0"));
  CHECK(line.ends_with("\u00b0..."));
  CHECK(std::ranges::count_if(line, [](char byte) { return (byte & 0xc0) != 0x80; }) == 118);
  CHECK(story.lines[1].ends_with("bytes    short"));
}

TEST_CASE("while paused nothing is told, and counted", "[stack]") {
  Story story;
  story.journey.pause();
  story.journey.dropped({LayerId::udp, Drop::bad_checksum, TimePoint{1s}});
  CHECK(story.lines.empty());
  CHECK(story.journey.untold() == 1);
  story.journey.resume();
  story.journey.dropped({LayerId::udp, Drop::bad_checksum, TimePoint{3s}});
  CHECK(story.lines == Lines{"2.000000 drop udp      bad_checksum"});  // the story began with the first event, told or not
  story.journey.expired({LayerId::arp, "request retry", TimePoint{3s}});
  CHECK(story.lines.back() == "2.000000      arp      timer expired: request retry");
}
