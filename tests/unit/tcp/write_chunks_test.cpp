#include <catch2/catch.hpp>

#include "tcp/cwnd_usage.hpp"
#include "tcp/write_chunks.hpp"

// How much of a write is taken, and whether cwnd is in use: as Linux reckons both.
using namespace tapir::tcp;

TEST_CASE("a chunk is half of the peer's largest window in whole segments", "[tcp]") {
  CHECK(chunks::size(1000, 32896) == 16000);
  CHECK(chunks::size(1460, 0) == 65215 / 1460 * 1460);  // not known yet: what a super-segment may carry
  CHECK(chunks::size(1000, 500) == 1000);               // never less than a segment
}

TEST_CASE("a chunk begins while the limits have room and is filled then", "[tcp]") {
  const chunks::Decision empty{.limit = 50'000, .not_sent_low = 0xffffffffU, .chunk = 16'000};
  CHECK(chunks::room(empty) == 16'000);
  auto filling = empty;
  filling.queued = 60'000;
  filling.tail = 6'000;
  CHECK(chunks::room(filling) == 10'000);  // beyond the limit
  filling.tail = 16'000;
  CHECK(chunks::room(filling) == 0);
  auto low = empty;
  low.not_sent_low = 4'000;
  low.waiting = 3'999;
  CHECK(chunks::room(low) == 16'000);
  low.waiting = 4'000;
  CHECK(chunks::room(low) == 0);
}

TEST_CASE("a writer is woken when a third is free and half of what may wait does not", "[tcp]") {
  chunks::Decision decision{.queued = 32'000, .limit = 50'000, .not_sent_low = 0xffffffffU, .chunk = 16'000};
  CHECK(chunks::worth_writing(decision) == (50'000 - 34'560 >= 34'560 / 2));  // two chunks of overhead count
  decision.queued = 16'000;
  CHECK(chunks::worth_writing(decision));
  decision.not_sent_low = 4'000;
  decision.waiting = 1'999;
  CHECK(chunks::worth_writing(decision));
  decision.waiting = 2'000;
  CHECK_FALSE(chunks::worth_writing(decision));
}

TEST_CASE("slow start grows for a window of which more than half was used", "[tcp][cwv][RFC7661-4-5]") {
  CwndUsage five;
  five.on_sent(5'000, 10'000, 1'000, SeqNum{0}, SeqNum{5'000});
  CHECK_FALSE(five.limited(10'000, true));
  CwndUsage nine;
  nine.on_sent(9'000, 10'000, 1'000, SeqNum{0}, SeqNum{9'000});
  CHECK(nine.limited(10'000, true));
  CHECK(nine.limited(16'000, true));
  CHECK_FALSE(nine.limited(18'000, true));  // the window has outgrown its use
  CHECK_FALSE(nine.limited(10'000, false));
}

TEST_CASE("what a window was used for holds until it is acknowledged", "[tcp][cwv]") {
  CwndUsage usage;
  usage.on_sent(10'000, 10'000, 1'000, SeqNum{0}, SeqNum{10'000});
  usage.on_sent(2'000, 20'000, 1'000, SeqNum{9'000}, SeqNum{11'000});
  CHECK(usage.limited(20'000, false));
  usage.on_sent(2'000, 20'000, 1'000, SeqNum{10'000}, SeqNum{12'000});
  CHECK_FALSE(usage.limited(20'000, false));
}
