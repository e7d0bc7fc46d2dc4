// A stream is the same however it was cut, in whatever order and how often its pieces came, and wherever its numbers wrap.

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>
#include <vector>

#include <unit/tcp/wire.hpp>

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

struct Range {
  std::size_t begin;
  std::size_t end;
};

std::uint32_t pick(std::mt19937& random, std::size_t bound) { return static_cast<std::uint32_t>(random() % bound); }

/// [0, size) cut into pieces of 1 to `longest` bytes.
std::vector<Range> random_cuts(std::size_t size, std::size_t longest, std::mt19937& random) {
  std::vector<Range> ranges;
  for (std::size_t at = 0; at < size;) {
    const std::size_t end = std::min(size, at + 1 + pick(random, longest));
    ranges.push_back({at, end});
    at = end;
  }
  return ranges;
}

/// How far a stream of which `arrived` bytes are there is complete.
std::size_t complete(const std::vector<bool>& arrived) {
  return static_cast<std::size_t>(std::ranges::find(arrived, false) - arrived.begin());
}

/// An established connection whose peer's numbers wrap inside the first `size` bytes of its stream.
void wrap_inside(Conversation& talk, SeqNum first) {
  REQUIRE(talk.peer.say({.flags = kSyn, .seq = first, .options = mss_option(1460)}));
  talk.peer.nxt = first + 1;
  REQUIRE(talk.peer.hear_one().flags == kSynAck);
  REQUIRE(talk.peer.say({}));
  REQUIRE(talk.peer.quiet());
  auto accepted = talk.listener.accept();
  REQUIRE(accepted);
  talk.connection = std::move(*accepted);
}

/// A connection opened by us with the initial sequence number `iss`, which follows from the clock (RFC 9293 section 3.4.1).
struct Opened {
  explicit Opened(SeqNum iss) {
    Wire probe;
    const auto first = probe.tcp.connect({kPeerAddress, kPeerPort}, {.local = {{}, Port{6000}}});
    REQUIRE(first);
    const SeqNum now = probe.hear().at(0).seq;
    wire.advance(std::chrono::microseconds{4} * (iss.value() - now.value()));  // the same seed, so the same key
    auto opened = wire.tcp.connect({kPeerAddress, kPeerPort}, {.local = {{}, Port{6000}}, .settings = {.nagle = false}});
    REQUIRE(opened);
    connection = std::move(*opened);
  }
  Wire wire;
  tcp::Connection connection;
  Peer peer{wire, Port{6000}};
};

}  // namespace

TEST_CASE("any cut of a stream, in any order, with repetitions and overlaps, across the wrap, is read as it was written",
          "[tcp][RFC9293-3.4-1][RFC9293-MUST-58][RFC9293-SHLD-31]") {
  std::mt19937 random{793};
  for (int round = 0; round < 300; ++round) {
    const std::size_t longest = std::size_t{1} << pick(random, 12);
    const std::size_t size = 1 + pick(random, std::min<std::size_t>(30'000, longest * 60));  // more gaps than that are not kept
    const std::string text = stream(size, pick(random, 1000));
    auto ranges = random_cuts(size, longest, random);
    std::shuffle(ranges.begin(), ranges.end(), random);
    INFO("round " << round << ", " << size << " bytes in " << ranges.size() << " pieces");

    Conversation talk{{.passive = true}, State::listen};
    const SeqNum first = SeqNum{0} - pick(random, size + 2);  // the wrap is somewhere from SYN to FIN
    wrap_inside(talk, first);
    const SeqNum begin = first + 1;
    std::vector<bool> arrived(size);
    bool fin = false;
    std::string received;
    const auto say = [&](std::size_t from, std::size_t to) {
      const bool last = to == size && random() % 2 == 0;
      fin = fin || last;
      std::fill(arrived.begin() + static_cast<std::ptrdiff_t>(from), arrived.begin() + static_cast<std::ptrdiff_t>(to), true);
      (void)talk.peer.say(
          {.flags = last ? kFinAck : kAck, .seq = begin + static_cast<std::uint32_t>(from), .payload = text.substr(from, to - from)});
    };
    const auto check = [&] {
      if (random() % 8 == 0) talk.advance(1s);
      const auto heard = talk.peer.hear();
      const std::size_t there = complete(arrived);
      // What is acknowledged is there; what is there is acknowledged, at the latest half a second later.
      for (const auto& one : heard) REQUIRE(tcp::distance(begin, one.ack) <= there + (fin && there == size ? 1 : 0));
      REQUIRE(talk.connection.info().rcv_nxt == begin + static_cast<std::uint32_t>(there + (fin && there == size ? 1 : 0)));
      if (random() % 2 == 0) received += talk.read();
    };
    for (const Range& range : ranges) {
      if (random() % 8 == 0) {  // something from the neighbourhood, whether it was there before or not
        const std::size_t from = range.begin - pick(random, std::min<std::size_t>(range.begin, 500) + 1);
        say(from, std::min(size, from + 1 + pick(random, 1460)));
        check();
      }
      say(range.begin, range.end);
      check();
    }
    if (!fin) REQUIRE(talk.peer.say({.flags = kFinAck, .seq = begin + static_cast<std::uint32_t>(size)}));
    talk.advance(1s);
    const auto heard = talk.peer.hear();
    received += talk.read();
    REQUIRE((received == text));
    REQUIRE(talk.at_end());
    REQUIRE(talk.connection.info().rcv_nxt == begin + static_cast<std::uint32_t>(size + 1));
    REQUIRE(talk.connection.info().out_of_order == 0);
  }
}

TEST_CASE("any sequence of writes is sent as one stream, whatever is lost, across the wrap", "[tcp][RFC9293-3.4-1]") {
  std::mt19937 random{9293};
  for (int round = 0; round < 100; ++round) {
    const std::size_t longest = std::size_t{1} << pick(random, 13);
    const std::size_t size = 1 + pick(random, std::min<std::size_t>(20'000, longest * 300));
    const std::string text = stream(size, pick(random, 1000));
    const auto writes = random_cuts(size, longest, random);
    const auto mss = static_cast<std::uint16_t>(100 + pick(random, 1361));
    const std::uint32_t loss = pick(random, 30);  // percent
    INFO("round " << round << ", " << size << " bytes in " << writes.size() << " writes, MSS " << mss << ", loss " << loss << " %");

    const SeqNum iss = SeqNum{0} - pick(random, size + 2);
    Opened opened{iss};
    Peer& peer = opened.peer;
    REQUIRE(peer.hear_one().seq == iss);
    REQUIRE(peer.say({.flags = kSynAck, .options = mss_option(mss)}));
    std::string received(size, '\0');
    std::vector<bool> arrived(size + 1);  // the last place is the FIN's
    std::size_t written = 0;
    for (int step = 0; complete(arrived) <= size; ++step) {
      REQUIRE(step < 5000);
      if (written < writes.size()) {
        const Range& range = writes[written++];
        const auto taken = opened.connection.send(std::as_bytes(std::span{text}.subspan(range.begin, range.end - range.begin)));
        REQUIRE(taken == range.end - range.begin);  // the buffer takes all of it
        if (written == writes.size()) REQUIRE(opened.connection.shutdown());
      } else {
        opened.wire.advance(std::chrono::milliseconds{pick(random, 1500)});
      }
      for (const auto& heard : opened.wire.hear()) {
        REQUIRE(heard.payload.size() <= mss);
        if (heard.pure_ack() || pick(random, 100) < loss) continue;
        const std::size_t at = tcp::distance(iss + 1, heard.seq);
        REQUIRE(at + heard.payload.size() <= size + 1);
        received.replace(at, heard.payload.size(), text_of(heard.payload));
        std::fill_n(arrived.begin() + static_cast<std::ptrdiff_t>(at), heard.payload.size(), true);
        if (heard.has(Flags::fin)) {
          REQUIRE(at + heard.payload.size() == size);
          arrived[size] = true;
        }
      }
      if (random() % 4 != 0) (void)peer.say({.ack = iss + 1 + static_cast<std::uint32_t>(complete(arrived))});
    }
    REQUIRE((received == text));
    (void)peer.say({.ack = iss + 2 + static_cast<std::uint32_t>(size)});
    CHECK(opened.connection.state() == State::fin_wait_2);
  }
}
