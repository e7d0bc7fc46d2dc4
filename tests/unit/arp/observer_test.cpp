#include <catch2/catch.hpp>

#include <map>

#include "neighbourhood.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

struct Record final : Observer {
  struct Seen {
    LayerId layer;
    Direction direction;
    std::string summary;
    std::size_t header_size;
    std::size_t payload_size;
    std::map<std::string, std::string> fields;
    Bytes bytes;
  };
  void crossed(const Crossing& crossing) override {
    std::map<std::string, std::string> fields;
    for (const Field& field : crossing.fields) fields.emplace(field.name, field.value);
    seen.push_back({crossing.layer, crossing.direction, std::string{crossing.summary}, crossing.header_size, crossing.payload_size,
                    std::move(fields), crossing.packet->bytes()});
  }
  void dropped(const DropEvent& drop) override { drops.emplace_back(drop.layer, drop.reason); }
  void expired(const TimerEvent& timer) override { timers.emplace_back(timer.timer); }

  std::vector<Seen> seen;
  std::vector<std::pair<LayerId, Drop>> drops;
  std::vector<std::string> timers;
};

}  // namespace

TEST_CASE("an observer sees messages and frames with their fields", "[arp][ethernet]") {
  Neighbourhood net;
  Record record;
  net.lab.context.observer = &record;
  REQUIRE(net.send(kPeerIp));
  REQUIRE(record.seen.size() == 2);
  CHECK(record.seen[0].layer == LayerId::arp);
  CHECK(record.seen[0].direction == Direction::down);
  CHECK(record.seen[0].summary == "request");
  CHECK(record.seen[0].header_size == 28);
  CHECK(record.seen[0].fields.at("target protocol") == "192.0.2.1");
  CHECK(record.seen[1].layer == LayerId::ethernet);
  CHECK(record.seen[1].header_size == 14);
  CHECK(record.seen[1].payload_size == 46);
  CHECK(record.seen[1].fields.at("type") == "0x0806");
  CHECK(record.seen[1].fields.at("destination") == "ff:ff:ff:ff:ff:ff");
  CHECK(record.seen[1].bytes == net.link.sent.at(0));

  record.seen.clear();
  REQUIRE(net.reply());
  REQUIRE(record.seen.size() == 3);  // up through both, and the waiting datagram down
  CHECK(record.seen[0].layer == LayerId::ethernet);
  CHECK(record.seen[0].direction == Direction::up);
  CHECK(record.seen[0].fields.at("source") == "02:00:5e:10:00:01");
  CHECK(record.seen[1].layer == LayerId::arp);
  CHECK(record.seen[1].direction == Direction::up);
  CHECK(record.seen[1].summary == "reply");
  CHECK(record.seen[1].fields.at("sender hardware") == "02:00:5e:10:00:01");
  CHECK(record.seen[2].direction == Direction::down);
}

TEST_CASE("an observer sees drops and retries", "[arp][ethernet]") {
  Neighbourhood net;
  Record record;
  net.lab.context.observer = &record;
  CHECK_FALSE(net.reply());
  CHECK_FALSE(net.link.inject(Bytes(3)));
  CHECK(record.drops == std::vector<std::pair<LayerId, Drop>>{{LayerId::arp, Drop::unsolicited}, {LayerId::ethernet, Drop::truncated}});
  REQUIRE(net.send(kPeerIp));
  net.lab.advance(3s);
  CHECK(record.timers == std::vector<std::string>(3, "request retry"));
}
