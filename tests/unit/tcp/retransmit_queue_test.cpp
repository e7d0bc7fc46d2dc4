#include <catch2/catch.hpp>

#include <map>
#include <optional>
#include <vector>

#include <tapir/sim/seeded_random.hpp>

#include "tcp/retransmit_queue.hpp"

using namespace tapir;
using namespace std::chrono_literals;
using tcp::RetransmitQueue;
using tcp::SeqNum;

namespace {
const SeqNum kBase{0xffff'fff0U};
SeqNum at(std::uint32_t offset) { return kBase + offset; }
TimePoint ms(std::int64_t count) { return TimePoint{} + count * 1ms; }
}  // namespace

TEST_CASE("what is sent is outstanding until it is acknowledged", "[tcp]") {
  RetransmitQueue queue;
  CHECK(queue.empty());
  CHECK(queue.front() == nullptr);
  queue.on_sent(at(0), at(1), ms(0));  // a SYN
  queue.on_sent(at(1), at(101), ms(10));
  queue.on_sent(at(101), at(201), ms(20));
  CHECK(queue.outstanding() == 201);
  CHECK(queue.in_network() == 201);
  CHECK(queue.range_count() == 3);
  const auto first = queue.on_ack(at(1));
  CHECK(first.bytes == 1);
  CHECK(first.rtt_sent_at == ms(0));
  const auto part = queue.on_ack(at(51));
  CHECK(part.bytes == 50);
  CHECK(part.rtt_sent_at == ms(10));
  CHECK(queue.front()->begin == at(51));
  const auto rest = queue.on_ack(at(201));
  CHECK(rest.bytes == 150);
  CHECK(rest.rtt_sent_at == ms(10));
  CHECK(queue.empty());
  CHECK(queue.outstanding() == 0);
}

TEST_CASE("an acknowledgment of nothing new, or of the unsent, does nothing", "[tcp]") {
  RetransmitQueue queue;
  CHECK(queue.on_ack(at(5)).bytes == 0);
  queue.on_sent(at(0), at(100), ms(0));
  for (const auto ack : {at(0), at(101), kBase - 1, at(0x8000'0000U)}) {
    CHECK(queue.on_ack(ack).bytes == 0);
    CHECK_FALSE(queue.on_ack(ack).rtt_sent_at);
  }
  CHECK(queue.outstanding() == 100);
}

TEST_CASE("Karn: what was sent twice gives no sample", "[tcp]") {
  RetransmitQueue queue;
  queue.on_sent(at(0), at(100), ms(0));
  queue.on_sent(at(100), at(200), ms(1));
  queue.on_sent(at(200), at(300), ms(2));
  queue.on_sent(at(0), at(100), ms(1000));
  CHECK(queue.front()->transmissions == 2);
  CHECK(queue.front()->first_sent == ms(0));
  CHECK(queue.front()->last_sent == ms(1000));
  const auto repaired = queue.on_ack(at(200));
  CHECK(repaired.bytes == 200);
  CHECK(repaired.retransmitted);
  CHECK_FALSE(repaired.rtt_sent_at);  // the second range waited for the first
  const auto clean = queue.on_ack(at(300));
  CHECK_FALSE(clean.retransmitted);
  CHECK(clean.rtt_sent_at == ms(2));
}

TEST_CASE("a part of a range can be retransmitted", "[tcp]") {
  RetransmitQueue queue;
  queue.on_sent(at(0), at(1000), ms(0));
  queue.on_sent(at(300), at(500), ms(50));
  REQUIRE(queue.range_count() == 3);
  CHECK(queue.find(at(299))->transmissions == 1);
  CHECK(queue.find(at(300))->transmissions == 2);
  CHECK(queue.find(at(499))->transmissions == 2);
  CHECK(queue.find(at(500))->transmissions == 1);
  CHECK(queue.find(at(1000)) == nullptr);
  CHECK(queue.find(kBase - 1) == nullptr);
  // Old octets and new ones in one segment.
  queue.on_sent(at(900), at(1100), ms(60));
  CHECK(queue.outstanding() == 1100);
  CHECK(queue.find(at(950))->transmissions == 2);
  CHECK(queue.find(at(1050))->transmissions == 1);
  // Octets acknowledged meanwhile are ignored.
  CHECK(queue.on_ack(at(400)).retransmitted);
  queue.on_sent(at(0), at(450), ms(70));
  CHECK(queue.front()->begin == at(400));
  CHECK(queue.find(at(420))->transmissions == 3);
  CHECK(queue.outstanding() == 700);
}

TEST_CASE("neighbours sent at the same time are one range", "[tcp]") {
  RetransmitQueue queue;
  for (std::uint32_t i = 0; i < 10; ++i) queue.on_sent(at(i * 100), at(i * 100 + 100), ms(5));
  CHECK(queue.range_count() == 1);
  for (std::uint32_t i = 0; i < 10; ++i) queue.on_sent(at(i * 100), at(i * 100 + 100), ms(9));
  CHECK(queue.range_count() == 1);
  CHECK(queue.front()->transmissions == 2);
}

TEST_CASE("lost octets leave the network and come back when they are sent again", "[tcp]") {
  RetransmitQueue queue;
  queue.on_sent(at(0), at(1000), ms(0));
  CHECK(queue.next_lost() == nullptr);
  queue.mark_lost(at(100), at(200));
  CHECK(queue.lost_bytes() == 100);
  CHECK(queue.in_network() == 900);
  REQUIRE(queue.next_lost() != nullptr);
  CHECK(queue.next_lost()->begin == at(100));
  CHECK(queue.next_lost()->end == at(200));
  queue.on_sent(at(100), at(150), ms(1));
  CHECK(queue.next_lost()->begin == at(150));
  CHECK(queue.lost_bytes() == 50);
  queue.mark_all_lost([](const RetransmitQueue::Range&) {});
  CHECK(queue.lost_bytes() == 1000);
  CHECK(queue.next_lost()->begin == at(0));
  CHECK(queue.on_ack(at(500)).bytes == 500);
  CHECK(queue.lost_bytes() == 500);
  queue.clear();
  CHECK(queue.lost_bytes() == 0);
  CHECK(queue.outstanding() == 0);
}

TEST_CASE("sacked octets are neither lost nor in the network", "[tcp]") {
  RetransmitQueue queue;
  queue.on_sent(at(0), at(1000), ms(0));
  CHECK(queue.mark_sacked(at(500), at(700)) == 200);
  CHECK(queue.mark_sacked(at(600), at(800)) == 100);
  CHECK(queue.mark_sacked(at(500), at(800)) == 0);
  CHECK(queue.mark_sacked(at(950), at(5000)) == 50);
  CHECK(queue.sacked_bytes() == 350);
  queue.mark_all_lost([](const RetransmitQueue::Range&) {});
  CHECK(queue.lost_bytes() == 650);
  CHECK(queue.in_network() == 0);
  CHECK(queue.mark_sacked(at(0), at(100)) == 100);
  CHECK(queue.lost_bytes() == 550);
  CHECK(queue.on_ack(at(1000)).bytes == 1000);
  CHECK(queue.sacked_bytes() == 0);
  CHECK(queue.mark_sacked(at(0), at(10)) == 0);
}

namespace {

/// The same as a map of octets, and nothing clever.
class OctetMap {
 public:
  struct Octet {
    unsigned transmissions = 1;
    std::int64_t first = 0;
    std::int64_t last = 0;
    bool lost = false;
    bool sacked = false;
  };
  struct Acked {
    std::uint32_t bytes = 0;
    bool retransmitted = false;
    std::optional<std::int64_t> oldest;  ///< ms
  };

  void send(std::uint32_t size, std::int64_t now) {
    for (std::uint32_t k = nxt; k < nxt + size; ++k) octets_[k] = {.first = now, .last = now};
    nxt += size;
  }
  void send_again(std::uint32_t from, std::uint32_t to, std::int64_t now) {
    for (auto k = from; k < to; ++k) {
      ++octets_[k].transmissions;
      octets_[k].last = now;
      octets_[k].lost = false;
    }
  }
  void lose(std::uint32_t from, std::uint32_t to) {
    for (auto k = from; k < to; ++k) octets_[k].lost = !octets_[k].sacked;
  }
  /// How many octets that is news of.
  std::uint32_t sack(std::uint32_t from, std::uint32_t to) {
    std::uint32_t news = 0;
    for (auto k = from; k < to; ++k) {
      if (!octets_[k].sacked) ++news;
      octets_[k].sacked = true;
      octets_[k].lost = false;
    }
    return news;
  }
  Acked acknowledge(std::uint32_t to) {
    Acked acked{.bytes = to - una, .oldest = {}};
    for (; una < to; ++una) {
      const Octet octet = octets_.extract(una).mapped();
      if (octet.sacked) continue;  // known to have arrived before: it tells nothing of the round trip
      acked.retransmitted = acked.retransmitted || octet.transmissions > 1;
      if (!acked.oldest) acked.oldest = octet.first;
    }
    return acked;
  }
  void check(const RetransmitQueue& queue) const;

  std::uint32_t una = 0;
  std::uint32_t nxt = 0;

 private:
  std::map<std::uint32_t, Octet> octets_;
};

void OctetMap::check(const RetransmitQueue& queue) const {
  std::uint32_t lost = 0;
  std::uint32_t sacked = 0;
  std::uint32_t retransmitted = 0;
  std::optional<std::uint32_t> first_lost;
  bool agrees = true;
  for (const auto& [k, octet] : octets_) {
    if (octet.lost && !first_lost) first_lost = k;
    lost += octet.lost ? 1U : 0U;
    sacked += octet.sacked ? 1U : 0U;
    const auto* range = queue.find(at(k));
    agrees = agrees && range != nullptr && range->lost == octet.lost && range->sacked == octet.sacked;
    // Sacked ranges become one whatever they differ in.
    agrees = agrees && (octet.sacked || (range->transmissions == octet.transmissions && range->first_sent == ms(octet.first) &&
                                         range->last_sent == ms(octet.last)));
    retransmitted += !octet.sacked && !octet.lost && octet.transmissions > 1 ? 1U : 0U;
  }
  REQUIRE(agrees);
  REQUIRE(queue.outstanding() == nxt - una);
  REQUIRE(queue.lost_bytes() == lost);
  REQUIRE(queue.sacked_bytes() == sacked);
  REQUIRE(queue.retransmitted_bytes() == retransmitted);
  REQUIRE(queue.in_network() == nxt - una - lost - sacked);
  REQUIRE((queue.next_lost() != nullptr) == first_lost.has_value());
  if (first_lost) REQUIRE(queue.next_lost()->begin == at(*first_lost));
}

/// The same random thing happens to both.
void step(RetransmitQueue& queue, OctetMap& model, sim::SeededRandom& random, std::int64_t now) {
  const auto from = model.una + static_cast<std::uint32_t>(random.below(model.nxt - model.una + 1));
  const auto to = from + static_cast<std::uint32_t>(random.below(model.nxt - from + 1));
  switch (random.below(7)) {
    case 0:
    case 1: {
      const auto size = static_cast<std::uint32_t>(1 + random.below(60));
      queue.on_sent(at(model.nxt), at(model.nxt + size), ms(now));
      model.send(size, now);
      break;
    }
    case 2:
      if (from == to) break;
      queue.on_sent(at(from), at(to), ms(now));
      model.send_again(from, to, now);
      break;
    case 3:
      queue.mark_lost(at(from), at(to));
      model.lose(from, to);
      break;
    case 4: REQUIRE(queue.mark_sacked(at(from), at(to)) == model.sack(from, to)); break;
    case 5: {
      const auto acked = queue.on_ack(at(from));
      const auto expected = model.acknowledge(from);
      REQUIRE(acked.bytes == expected.bytes);
      REQUIRE(acked.retransmitted == expected.retransmitted);
      REQUIRE(acked.rtt_sent_at.has_value() == (expected.oldest && !expected.retransmitted));
      if (acked.rtt_sent_at) REQUIRE(*acked.rtt_sent_at == ms(*expected.oldest));
      break;
    }
    default:
      if (random.below(10) != 0) break;
      queue.mark_all_lost([](const RetransmitQueue::Range&) {});
      model.lose(model.una, model.nxt);
      break;
  }
}

}  // namespace

TEST_CASE("random histories agree with a map of octets", "[tcp][RFC9293-3.4-1]") {
  sim::SeededRandom random{23};
  for (int run = 0; run < 40; ++run) {
    RetransmitQueue queue;
    OctetMap model;
    for (int i = 1; i <= 150; ++i) {
      step(queue, model, random, i / 3);
      model.check(queue);
    }
  }
}
