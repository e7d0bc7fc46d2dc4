#include <catch2/catch.hpp>

#include <set>

#include <tapir/core/checksum.hpp>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;

namespace {

network::Send udp(bool dont_fragment = false) {
  network::Send to;
  to.destination = "192.0.2.1"_ipv4;
  to.protocol = Protocol::udp;
  to.dont_fragment = dont_fragment;
  return to;
}

/// Puts the data of fragments together by their offsets.
Bytes joined(const std::vector<RecordingNeighbours::Sent>& fragments) {
  Bytes whole;
  for (const auto& fragment : fragments) {
    const std::size_t offset = fragment.parse().fragment_offset() * std::size_t{8};
    const Bytes data = fragment.data();
    if (whole.size() < offset + data.size()) whole.resize(offset + data.size());
    std::copy(data.begin(), data.end(), whole.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  return whole;
}

}  // namespace

TEST_CASE("a datagram beyond the MTU leaves in the fewest fragments, in order",
          "[ipv4][RFC791-3.1-9][RFC791-3.2-2][RFC791-3.2-3][RFC791-3.1-7][RFC1122-3.3.3-1]") {
  Ipv4Lab lab;
  REQUIRE(lab.send(udp(), 3000));
  auto fragments = lab.wire.take();
  REQUIRE(fragments.size() == 3);
  CHECK(fragments[1].parse().fragment_offset() == 185);
  CHECK(joined(fragments) == Ipv4Lab::counting(3000));
  REQUIRE(lab.send(udp(), 4000));
  CHECK(lab.wire.take().size() == 3);
  CHECK(lab.ip.stats().frag_reqds == 2);
  CHECK(lab.ip.stats().frag_oks == 2);
  CHECK(lab.ip.stats().frag_creates == 6);

  REQUIRE(lab.ip.set_mtu(lab.tap, 1006));
  REQUIRE(lab.send(udp(), 4001));
  fragments = lab.wire.take();
  REQUIRE(fragments.size() == 5);  // 984 bytes each: the greatest multiple of 8 in 986
  for (std::size_t i = 0; i < fragments.size(); ++i) {
    const auto ip = fragments[i].parse();
    CHECK(ip.fragment_offset() == i * 123);
    CHECK((ip.flags() == Tins::IP::MORE_FRAGMENTS) == (i < 4));
    CHECK(fragments[i].data().size() == (i < 4 ? 984 : 65));
    CHECK(ip.id() == fragments[0].parse().id());
    CHECK(ip.src_addr() == "192.0.2.2");
    CHECK(ip.dst_addr() == "192.0.2.1");
    CHECK(ip.protocol() == 17);
    Bytes again = fragments[i].bytes;
    fix_checksum(again);
    CHECK(again == fragments[i].bytes);
  }
  CHECK(joined(fragments) == Ipv4Lab::counting(4001));
}

TEST_CASE("the data of fragments is shared, not copied", "[ipv4]") {
  Ipv4Lab lab;
  Packet packet{lab.pool};
  packet.append(lab.pool.copy(Ipv4Lab::counting(60000)));
  const auto before = lab.pool.in_use();
  struct Keeper final : Encapsulator<arp::Send> {
    Result<> encapsulate(Packet&& packet, const arp::Send&) override {
      kept.push_back(std::move(packet));
      return {};
    }
    std::vector<Packet> kept;
  } keeper;
  REQUIRE(lab.ip.add_interface({.name = "tap1", .addresses = {"198.51.100.2/24"_prefix}, .neighbours = &keeper}));
  auto to = udp();
  to.destination = "198.51.100.1"_ipv4;
  REQUIRE(lab.ip.encapsulate(std::move(packet), to));
  REQUIRE(keeper.kept.size() == 41);
  CHECK(lab.pool.in_use() <= before + keeper.kept.size());  // a head for each, one slab of data for all
}

TEST_CASE("a datagram with DF is not cut", "[ipv4][RFC791-3.2-1]") {
  Ipv4Lab lab;
  CHECK(error_of(lab.send(udp(true), 1481)) == Error::message_too_large);
  CHECK(lab.wire.sent.empty());
  CHECK(lab.ip.stats().frag_fails == 1);
  CHECK(lab.send(udp(true), 1480));
  CHECK(lab.wire.take_one().parse().flags() == Tins::IP::DONT_FRAGMENT);
}

TEST_CASE("without local fragmentation nothing larger than the path MTU leaves", "[ipv4][RFC1122-3.3.3-3]") {
  Ipv4Lab lab{{.fragment = false}};
  CHECK(error_of(lab.send(udp(), 1481)) == Error::message_too_large);
  CHECK(lab.send(udp(), 1480));
  CHECK(lab.wire.sent.size() == 1);
}

TEST_CASE("only options with the copied flag stand in every fragment", "[ipv4][RFC791-3.1-13]") {
  Ipv4Lab lab;
  auto to = udp();
  to.destination = "192.0.2.9"_ipv4;
  const Bytes options = hex("07 07 04 00000000 01 83 07 04 c0000201");
  to.options = options;
  REQUIRE(lab.send(to, 4000));
  const auto fragments = lab.wire.take();
  REQUIRE(fragments.size() == 3);
  for (std::size_t i = 0; i < fragments.size(); ++i) {
    const auto ip = fragments[i].parse();
    CHECK(ip.search_option(Tins::IP::option_identifier{static_cast<std::uint8_t>(131)}) != nullptr);
    CHECK((ip.search_option(Tins::IP::option_identifier{static_cast<std::uint8_t>(7)}) != nullptr) == (i == 0));
    CHECK(ip.head_len() == (i == 0 ? 9 : 7));
    CHECK(fragments[i].bytes.size() <= 1500);
    CHECK(fragments[i].bytes.size() == ip.tot_len());
  }
  CHECK(joined(fragments) == Ipv4Lab::counting(4000));
}

TEST_CASE("a super-segment passes whole", "[ipv4]") {
  Ipv4Lab lab;
  auto packet = lab.packet(Ipv4Lab::counting(20000));
  REQUIRE(packet.overwrite(12, be8{std::uint8_t{0x50}}));  // the data offset of a header without options: segments of 1,500 bytes
  packet.meta().gso = GsoKind::tcp4;
  packet.meta().gso_size = 1460;
  auto to = udp(true);
  to.protocol = Protocol::tcp;
  REQUIRE(lab.ip.encapsulate(std::move(packet), to));
  const auto sent = lab.wire.take_one();
  CHECK(sent.bytes.size() == 20020);
  CHECK(sent.meta.gso_size == 1460);
}

TEST_CASE("a partial checksum is completed before the datagram is cut", "[ipv4]") {
  Ipv4Lab lab;
  Packet packet = lab.packet(Ipv4Lab::counting(3000));
  packet.mark_transport();
  (void)packet.overwrite(6, be16{std::uint16_t{0}});
  packet.meta().checksum = ChecksumState::partial;
  packet.meta().checksum_offset = 6;
  REQUIRE(lab.ip.encapsulate(std::move(packet), udp()));
  const auto fragments = lab.wire.take();
  REQUIRE(fragments.size() == 3);
  InternetChecksum sum;
  sum.add(joined(fragments));
  CHECK(sum.value() == 0);
  for (const auto& fragment : fragments) CHECK(fragment.meta.checksum == ChecksumState::unverified);
}

TEST_CASE("a full link stops the fragments and says so", "[ipv4]") {
  Ipv4Lab lab;
  lab.wire.failure = Error::would_block;
  CHECK(error_of(lab.send(udp(), 3000)) == Error::would_block);
  CHECK(lab.ip.stats().frag_fails == 1);
  CHECK(lab.ip.stats().out_discards == 1);
}

TEST_CASE("identifications of datagrams that may be cut do not come again for two minutes",
          "[ipv4][RFC6864-4-4][RFC6864-4-5][RFC6864-4-1]") {
  Ipv4Lab lab;
  std::set<unsigned> used;
  std::size_t atomic = 0;
  for (int i = 0; i < 70000; ++i) {
    REQUIRE(lab.send(udp(), 0));
    const auto sent = lab.wire.take_one();
    if ((std::to_integer<unsigned>(sent.bytes[6]) & 0x40U) != 0) {
      ++atomic;  // cannot be cut any more, so its number does not matter (RFC 6864 section 4.1)
    } else {
      const unsigned id = std::to_integer<unsigned>(sent.bytes[4]) << 8U | std::to_integer<unsigned>(sent.bytes[5]);
      CHECK(used.insert(id).second);
    }
  }
  CHECK(used.size() == 65536);
  CHECK(atomic == 70000 - 65536);
  CHECK(error_of(lab.send(udp(), 3000)) == Error::no_buffer_space);  // one that has to be cut cannot leave
  lab.advance(2min);
  CHECK(lab.send(udp(), 3000));
}

TEST_CASE("a super-packet takes as many identifications as it becomes datagrams", "[ipv4][RFC6864-4-4]") {
  constexpr std::size_t kEach = 1000;
  const auto transport = GENERATE(std::pair{Protocol::tcp, std::size_t{20}}, std::pair{Protocol::tcp, std::size_t{32}},
                                  std::pair{Protocol::udp, std::size_t{8}});
  const auto options = GENERATE(Bytes{}, hex("01 01 01 01 01 01 01 01"));
  for (const std::size_t payload : {1001, 2000, 2001, 2991, 3000, 9999}) {
    CAPTURE(transport.second, options.size(), payload);
    Ipv4Lab lab;
    const auto identification_of = [&](std::size_t size, bool super) {
      const auto [protocol, header_size] = transport;
      Bytes bytes(header_size + size);
      if (protocol == Protocol::tcp) bytes[12] = static_cast<std::byte>(header_size / 4 << 4U);  // the data offset
      Packet packet = lab.packet(bytes);
      packet.mark_transport();
      if (super) {
        packet.meta().gso = protocol == Protocol::tcp ? GsoKind::tcp4 : GsoKind::udp4;
        packet.meta().gso_size = kEach;
      }
      network::Send to = udp();
      to.protocol = protocol;
      to.options = options;
      REQUIRE(lab.ip.encapsulate(std::move(packet), to));
      const auto sent = lab.wire.take_one();
      return std::to_integer<unsigned>(sent.bytes[4]) << 8U | std::to_integer<unsigned>(sent.bytes[5]);
    };
    const unsigned first = identification_of(payload, true);
    const unsigned next = identification_of(10, false);
    CHECK(static_cast<std::uint16_t>(next - first) == (payload + kEach - 1) / kEach);
  }
}

TEST_CASE("datagrams with DF need no identification, nor spend one", "[ipv4][RFC6864-4-2]") {
  Ipv4Lab lab;
  for (int i = 0; i < 70000; ++i) {
    REQUIRE(lab.send(udp(true), 0));
    lab.wire.sent.clear();
  }
  CHECK(lab.send(udp(), 3000));
}

namespace {
/// Neighbours on a link that is full behind so many datagrams, which some links tell only when they are given another one.
class NarrowNeighbours final : public Encapsulator<arp::Send> {
 public:
  explicit NarrowNeighbours(RecordingLink& link) : link_{link} {}
  [[nodiscard]] Result<> encapsulate(Packet&& packet, const arp::Send& to) override {
    if (room <= 0) link_.full = true;
    if (link_.full) return fail(Error::would_block);
    link_.full = --room <= 0 && !tells_late;
    return wire.encapsulate(std::move(packet), to);
  }
  RecordingNeighbours wire;
  int room = 1;
  bool tells_late = false;

 private:
  RecordingLink& link_;
};
}  // namespace

TEST_CASE("a datagram whose first fragments have left follows as the link has room", "[ipv4]") {
  constexpr auto kThere = "198.51.100.1"_ipv4;
  Ipv4Lab lab;
  RecordingLink link{lab.pool, {}};
  NarrowNeighbours narrow{link};
  narrow.tells_late = GENERATE(false, true);
  REQUIRE(lab.ip.add_interface({.name = "tap1", .addresses = {"198.51.100.2/24"_prefix}, .neighbours = &narrow, .link = &link}));
  REQUIRE(lab.send(kThere, 4000));
  CHECK(narrow.wire.sent.size() == 1);
  for (std::size_t left = 2; left > 0; --left) {
    lab.advance(1us);
    CHECK(narrow.wire.sent.size() == 3 - left);
    narrow.room = 1;
    link.full = false;
    CHECK_FALSE(lab.ip.writable(kThere));  // what is left goes first
    CHECK(error_of(lab.send(kThere, 3000)) == Error::would_block);
    CHECK(lab.send("192.0.2.1"_ipv4, 3000));  // another link
    lab.context.scheduler.unblock();
    lab.advance(1us);
  }
  CHECK(lab.ip.writable(kThere) == narrow.tells_late);
  link.full = false;
  CHECK(lab.ip.writable(kThere));
  CHECK(joined(narrow.wire.take()) == Ipv4Lab::counting(4000));
  CHECK(lab.ip.stats().frag_fails == 2);
  link.full = true;
  CHECK(error_of(lab.send(kThere, 3000)) == Error::would_block);  // nothing of it has left
  link.full = false;
  lab.context.scheduler.unblock();
  lab.advance(1us);
  CHECK(narrow.wire.sent.empty());
}
