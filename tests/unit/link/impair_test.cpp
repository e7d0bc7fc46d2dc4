#include <catch2/catch.hpp>

#include <algorithm>

#include <support/lab.hpp>
#include <tapir/link/delay_line.hpp>
#include <tapir/link/impair.hpp>

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

constexpr int kMany = 20'000;

struct Swallow final : Demultiplexer<link::Received> {
  Accepted demultiplex(Packet&& frame, const link::Received&) override {
    frames.push_back(frame.bytes());
    ingress.push_back(frame.meta().ingress);
    checksums.push_back(frame.meta().checksum);
    return {};
  }
  std::vector<Bytes> frames;
  std::vector<TimePoint> ingress;
  std::vector<ChecksumState> checksums;
};

/// A frame whose bytes 20-23 are `number`.
Bytes numbered(std::uint32_t number) {
  Bytes frame(60);
  for (std::size_t i = 0; i < 4; ++i) frame[20 + i] = static_cast<std::byte>(number >> (8 * (3 - i)) & 0xffU);
  return frame;
}
std::uint32_t number_of(const Bytes& frame) {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number = number << 8U | std::to_integer<std::uint32_t>(frame[20 + i]);
  return number;
}

struct Impaired {
  explicit Impaired(const link::FaultConfig& outgoing, const link::FaultConfig& incoming = {}, link::Capabilities capabilities = {}) {
    auto owned = std::make_unique<RecordingLink>(lab.pool, capabilities);
    below = owned.get();
    impair.emplace(std::move(owned), lab.scheduler, lab.random, outgoing, incoming);
    impair->attach(&up);
  }
  void send(std::uint32_t count, Duration spacing = 100us) {
    for (std::uint32_t i = 0; i < count; ++i) {
      REQUIRE(impair->transmit(lab.packet(numbered(i))));
      lab.advance(spacing);
    }
    lab.advance(10s);
  }
  [[nodiscard]] std::vector<std::uint32_t> numbers() const {
    std::vector<std::uint32_t> all;
    for (const auto& frame : below->sent) all.push_back(number_of(frame));
    return all;
  }

  Lab lab;
  RecordingLink* below = nullptr;
  std::optional<link::Impair> impair;
  Swallow up;
};

int bits_that_differ(const Bytes& a, const Bytes& b) {
  int count = 0;
  for (std::size_t i = 0; i < a.size(); ++i) count += std::popcount(std::to_integer<unsigned>(a[i] ^ b[i]));
  return count;
}

}  // namespace

TEST_CASE("faults happen as often as configured", "[link]") {
  Lab lab;
  link::FaultModel model{lab.random, {.loss = 0.1, .duplication = 0.2, .corruption = 0.3, .reordering = 0.4}};
  int lost = 0;
  int twice = 0;
  int corrupted = 0;
  int reordered = 0;
  int arrivals = 0;
  for (int i = 0; i < kMany; ++i) {
    const link::Fate fate = model.decide(100);
    lost += fate.lost() ? 1 : 0;
    twice += fate.arrivals().size() == 2 ? 1 : 0;
    for (const auto& arrival : fate.arrivals()) {
      ++arrivals;
      corrupted += arrival.flipped_bit ? 1 : 0;
      reordered += arrival.reordered ? 1 : 0;
      if (arrival.flipped_bit) REQUIRE(*arrival.flipped_bit < 800);
    }
  }
  CHECK(lost == Approx(0.1 * kMany).epsilon(0.1));
  CHECK(twice == Approx(0.2 * 0.9 * kMany).epsilon(0.1));
  CHECK(corrupted == Approx(0.3 * arrivals).epsilon(0.1));
  CHECK(reordered == Approx(0.4 * arrivals).epsilon(0.1));
}

TEST_CASE("the same seed decides the same, another seed otherwise", "[link]") {
  const auto decide = [](std::uint64_t seed) {
    sim::SeededRandom random{seed};
    link::FaultModel model{random, {.loss = 0.3, .duplication = 0.3, .corruption = 0.3, .jitter = 1ms}};
    std::vector<std::pair<std::int64_t, std::size_t>> trace;
    for (int i = 0; i < 200; ++i) {
      const link::Fate fate = model.decide(64);
      for (const auto& arrival : fate.arrivals()) trace.emplace_back(arrival.delay.count(), arrival.flipped_bit.value_or(~std::size_t{0}));
    }
    return trace;
  };
  CHECK(decide(1) == decide(1));
  CHECK(decide(1) != decide(2));
}

TEST_CASE("extreme probabilities are exact, and a perfect line costs no random number", "[link]") {
  Lab lab;
  link::FaultModel model{lab.random, {.loss = 1}};
  CHECK(model.decide(60).lost());
  model.set_config({});
  sim::SeededRandom untouched{1};
  (void)untouched.next();  // loss took one number
  const auto fate = model.decide(60);
  REQUIRE(fate.arrivals().size() == 1);
  CHECK(fate.arrivals()[0].delay == 0ns);
  CHECK(lab.random.next() == untouched.next());
}

TEST_CASE("flipping a bit changes that bit, in a copy when the bytes are shared", "[link]") {
  Lab lab;
  const Bytes original = numbered(0x12345678);
  for (std::size_t bit = 0; bit < original.size() * 8; ++bit) {
    Packet frame = lab.packet(original);
    const Packet other = frame.share();
    link::flip_bit(frame, bit);
    const Bytes flipped = frame.bytes();
    REQUIRE(bits_that_differ(flipped, original) == 1);
    REQUIRE((flipped[bit / 8] ^ original[bit / 8]) == static_cast<std::byte>(0x80U >> bit % 8));
    REQUIRE(other.bytes() == original);
  }
  Packet frame = lab.packet(original);
  link::flip_bit(frame, original.size() * 8);
  CHECK(frame.bytes() == original);
}

TEST_CASE("a delay line hands out by time, and by order within one moment", "[link]") {
  Lab lab;
  std::vector<std::uint32_t> order;
  link::DelayLine line{lab.scheduler, [&](const Packet& frame) { order.push_back(number_of(frame.bytes())); }, 4};
  const TimePoint start = lab.scheduler.now();
  REQUIRE(line.put(lab.packet(numbered(3)), start + 3ms));
  REQUIRE(line.put(lab.packet(numbered(1)), start + 1ms));
  REQUIRE(line.put(lab.packet(numbered(2)), start + 1ms));
  REQUIRE(line.put(lab.packet(numbered(4)), start + 3ms));
  CHECK(line.full());
  CHECK_FALSE(line.put(lab.packet(numbered(5)), start + 1ms));
  lab.advance(1ms - 1ns);
  CHECK(order.empty());
  lab.advance(1ns);
  CHECK(order == std::vector<std::uint32_t>{1, 2});
  lab.advance(1s);
  CHECK(order == std::vector<std::uint32_t>{1, 2, 3, 4});
  REQUIRE(line.put(lab.packet(numbered(6)), lab.scheduler.now() + 1ms));
  line.clear();
  lab.advance(1s);
  CHECK(order.size() == 4);
}

TEST_CASE("a delay line may be destroyed by whom it delivers to", "[link]") {
  Lab lab;
  std::unique_ptr<link::DelayLine> line;
  int delivered = 0;
  line = std::make_unique<link::DelayLine>(lab.scheduler, [&](const Packet&) {
    ++delivered;
    line.reset();
  });
  REQUIRE(line->put(lab.packet(numbered(1)), lab.scheduler.now() + 1ms));
  REQUIRE(line->put(lab.packet(numbered(2)), lab.scheduler.now() + 1ms));
  lab.advance(1s);
  CHECK(delivered == 1);
  CHECK(line == nullptr);
}

TEST_CASE("a perfect impairment passes everything at once", "[link]") {
  Impaired impaired{{}};
  REQUIRE(impaired.impair->transmit(impaired.lab.packet(numbered(7))));
  REQUIRE(impaired.below->inject(numbered(8)));
  CHECK(impaired.below->sent == std::vector<Bytes>{numbered(7)});
  CHECK(impaired.up.frames == std::vector<Bytes>{numbered(8)});
}

TEST_CASE("delay holds every frame back, and jitter never reorders", "[link]") {
  Impaired impaired{{.delay = 20ms, .jitter = 15ms}};
  REQUIRE(impaired.impair->transmit(impaired.lab.packet(numbered(0))));
  impaired.lab.advance(20ms - 1ns);
  CHECK(impaired.below->sent.empty());
  impaired.lab.advance(15ms + 1ns);
  CHECK(impaired.below->sent.size() == 1);
  impaired.below->sent.clear();
  impaired.send(500);
  const auto numbers = impaired.numbers();
  CHECK(numbers.size() == 500);
  CHECK(std::ranges::is_sorted(numbers));
}

TEST_CASE("reordered frames are overtaken, none is lost", "[link]") {
  Impaired impaired{{.reordering = 0.1, .reordering_delay = 1ms}};
  impaired.send(1000);
  auto numbers = impaired.numbers();
  CHECK_FALSE(std::ranges::is_sorted(numbers));
  std::ranges::sort(numbers);
  CHECK(numbers.size() == 1000);
  CHECK(std::ranges::adjacent_find(numbers) == numbers.end());
  CHECK(impaired.impair->outgoing().reordered > 50);
}

TEST_CASE("loss, duplication and corruption are counted each way", "[link]") {
  Impaired impaired{{.loss = 0.2, .duplication = 0.2}, {.corruption = 1}};
  impaired.send(1000);
  const auto& stats = impaired.impair->outgoing();
  CHECK(stats.frames == 1000);
  CHECK(stats.lost > 0);
  CHECK(stats.duplicated > 0);
  CHECK(impaired.below->sent.size() == 1000 - stats.lost + stats.duplicated);
  CHECK(impaired.impair->incoming().frames == 0);

  REQUIRE(impaired.below->inject(numbered(9)));
  REQUIRE(impaired.up.frames.size() == 1);
  CHECK(bits_that_differ(impaired.up.frames[0], numbered(9)) == 1);
  CHECK(impaired.impair->incoming().corrupted == 1);
  impaired.impair->set_faults({}, {.loss = 1});
  REQUIRE(impaired.below->inject(numbered(9)));
  CHECK(impaired.up.frames.size() == 1);
}

TEST_CASE("no device may repair or vouch for what is broken behind it", "[link]") {
  Impaired impaired{{}, {}, {.completes_checksums = true, .max_super_segment = 65535}};
  CHECK_FALSE(impaired.impair->capabilities().completes_checksums);
  CHECK(impaired.impair->capabilities().max_super_segment == 0);
  Packet frame = impaired.lab.packet(numbered(1));
  frame.meta().checksum = ChecksumState::verified;
  REQUIRE(impaired.below->inject(std::move(frame)));
  CHECK(impaired.up.checksums.at(0) == ChecksumState::unverified);
}

TEST_CASE("a late frame tells when it really arrived", "[link]") {
  Impaired impaired{{}, {.delay = 7ms}};
  const TimePoint start = impaired.lab.scheduler.now();
  REQUIRE(impaired.below->inject(numbered(1)));
  impaired.lab.advance(1s);
  CHECK(impaired.up.ingress == std::vector{start + 7ms});
}

TEST_CASE("the link below learns whose pulls it may defer to", "[link]") {
  Impaired impaired{{}};
  impaired.impair->defer_to(&impaired.lab.scheduler);
  CHECK(impaired.below->deferring == &impaired.lab.scheduler);
  impaired.impair->defer_to(nullptr);
  CHECK(impaired.below->deferring == nullptr);
}

TEST_CASE("a full link below is passed on as such", "[link]") {
  Impaired impaired{{}};
  impaired.below->full = true;
  CHECK_FALSE(impaired.impair->writable());
  const auto sent = impaired.impair->transmit(impaired.lab.packet(numbered(1)));
  REQUIRE_FALSE(sent);
  CHECK(sent.error() == Error::would_block);
  const auto large = impaired.impair->transmit(impaired.lab.packet(Bytes(1523)));
  REQUIRE_FALSE(large);
  CHECK(large.error() == Error::message_too_large);
}
