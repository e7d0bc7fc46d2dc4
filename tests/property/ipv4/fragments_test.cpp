#include <catch2/catch.hpp>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;

namespace {

struct Range {
  std::size_t begin;
  std::size_t end;
};

/// [0, size) cut at random multiples of eight.
std::vector<Range> random_cuts(std::size_t size, std::mt19937& random) {
  std::vector<Range> ranges;
  const std::size_t longest = std::size_t{8} << random() % 9;
  for (std::size_t at = 0; at < size;) {
    const std::size_t end = std::min(size, at + (random() % (longest / 8) + 1) * 8);
    ranges.push_back({at, end});
    at = end;
  }
  return ranges;
}

}  // namespace

TEST_CASE("any order of fragments, with repetitions, gives the datagram exactly after the last missing byte",
          "[ipv4][RFC815-3-4][RFC791-3.2-8][RFC791-3.2-9][POLICY-FRAG-2]") {
  std::mt19937 random{815};
  for (int round = 0; round < 300; ++round) {
    const std::size_t size = 9 + random() % (round % 10 == 0 ? 60000 : 3000);
    const Bytes whole = Ipv4Lab::counting(size, random() % 1000);
    auto ranges = random_cuts(size, random);
    if (ranges.size() < 2) continue;
    std::shuffle(ranges.begin(), ranges.end(), random);
    Ipv4Lab lab{{.reassembly = {.max_memory = 64U << 20U, .max_memory_per_source = 64U << 20U}}};
    INFO("round " << round << ", " << size << " bytes in " << ranges.size() << " fragments");
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const auto fragment = [&](const Range& range) {
        return fragment_of(part(whole, range.begin, range.end), range.begin, range.end < size, static_cast<std::uint16_t>(round));
      };
      if (i > 0 && random() % 4 == 0) {
        REQUIRE(reason_of(lab.inject(fragment(ranges[random() % i]))) == Drop::fragment_duplicate);
      }
      REQUIRE(lab.upper.items.empty());
      REQUIRE(lab.inject(fragment(ranges[i])));
    }
    REQUIRE(lab.upper.items.size() == 1);
    REQUIRE(lab.upper.items[0].bytes == whole);
    REQUIRE(lab.ip.reassembly().memory() == 0);
  }
}

TEST_CASE("what is cut for any MTU is put together again, in any order", "[ipv4][RFC791-3.2-8]") {
  std::mt19937 random{791};
  for (int round = 0; round < 200; ++round) {
    const std::size_t mtu = 68 + random() % 1433;
    const std::size_t size = random() % 20000;
    Ipv4Lab sender{{}, {"192.0.2.1/24"_prefix}, mtu};
    Ipv4Lab receiver;
    INFO("round " << round << ", " << size << " bytes, MTU " << mtu);
    REQUIRE(sender.send("192.0.2.2"_ipv4, size));
    auto sent = sender.wire.take();
    std::shuffle(sent.begin(), sent.end(), random);
    for (const auto& fragment : sent) {
      REQUIRE(fragment.bytes.size() <= mtu);
      REQUIRE(receiver.upper.items.empty());
      REQUIRE(receiver.inject(fragment.bytes));
    }
    REQUIRE(receiver.upper.items.size() == 1);
    REQUIRE(receiver.upper.items[0].bytes == Ipv4Lab::counting(size));
  }
}

namespace {

/// What reassembly must do, in the simplest way that one could write it: a list of pieces, compared with each other.
class Model {
 public:
  /// What a fragment of `data` at `begin` is to be answered with; Drop::count_: it is taken.
  Drop add(std::size_t begin, const Bytes& data, bool last) {
    whole_.reset();
    const Piece piece{begin, begin + data.size(), data, last};
    if (spoiled_) return Drop::fragment_overlap;
    if (std::ranges::any_of(pieces_, [&](const Piece& p) { return p.begin == begin && p.data == data && p.last == last; })) {
      return Drop::fragment_duplicate;
    }
    if (std::ranges::any_of(pieces_, [&](const Piece& p) { return contradict(p, piece) || contradict(piece, p); })) {
      spoiled_ = true;
      return Drop::fragment_overlap;
    }
    pieces_.push_back(piece);
    finish();
    return Drop::count_;
  }
  /// The datagram, when the last fragment was the last missing one.
  [[nodiscard]] const std::optional<Bytes>& whole() const { return whole_; }

 private:
  struct Piece {
    std::size_t begin;
    std::size_t end;
    Bytes data;
    bool last;
  };
  static bool contradict(const Piece& a, const Piece& b) {
    const bool overlap = a.begin < b.end && b.begin < a.end;
    return overlap || (a.last && b.end >= a.end);
  }
  void finish() {
    std::ranges::sort(pieces_, {}, &Piece::begin);
    Bytes bytes;
    for (const Piece& piece : pieces_) {
      if (piece.begin != bytes.size()) return;
      bytes.insert(bytes.end(), piece.data.begin(), piece.data.end());
    }
    if (!pieces_.back().last) return;
    whole_ = std::move(bytes);
    pieces_.clear();
  }

  std::vector<Piece> pieces_;
  bool spoiled_ = false;
  std::optional<Bytes> whole_;
};

}  // namespace

TEST_CASE("random fragments, overlapping and contradicting as they like, are treated as the plain rules say",
          "[ipv4][POLICY-FRAG-1][POLICY-FRAG-2][POLICY-FRAG-6][POLICY-FRAG-8][RFC815-3-4]") {
  std::mt19937 random{3128};
  std::size_t delivered = 0;
  std::size_t spoiled = 0;
  for (int round = 0; round < 3000; ++round) {
    Ipv4Lab lab;
    Model model;
    const unsigned malice = random() % 4;  // 0: every fragment is honest
    for (int i = 0; i < 14; ++i) {
      const std::size_t begin = random() % 4 * 16;
      std::size_t end = begin + 16;
      bool last = end == 64;
      std::size_t seed = 0;
      if (malice > 0 && random() % 16 < malice) {
        end = begin + (random() % 6 + 1) * 8;
        last = begin > 0 && random() % 2 == 0;  // from 0 on it would be no fragment
        seed = random() % 2;
      }
      const Bytes data = Ipv4Lab::counting(end - begin, begin + seed);
      const Drop expected = model.add(begin, data, last);
      lab.upper.items.clear();
      REQUIRE(reason_of(lab.inject(fragment_of(data, begin, !last))) == expected);
      REQUIRE(lab.upper.items.size() == (model.whole() ? 1 : 0));
      if (model.whole()) {
        REQUIRE(lab.upper.items[0].bytes == *model.whole());
        ++delivered;
      }
      if (expected == Drop::fragment_overlap) ++spoiled;
    }
  }
  CHECK(delivered > 500);
  CHECK(spoiled > 500);
}
