#include <catch2/catch.hpp>

#include <tins/ethernetII.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>

#include <algorithm>
#include <functional>

#include <support/lab.hpp>
#include <tapir/core/byte_order.hpp>
#include <tapir/link/coalescer.hpp>
#include <tapir/link/segmentation.hpp>

using namespace tapir;
using namespace tapir::test;

namespace {

/// A frame to be, as libtins describes it.
struct Spec {
  std::string source_mac = "02:00:00:00:00:01";
  std::string source = "192.0.2.1";
  std::uint16_t port = 40000;
  std::uint16_t identification = 7;
  bool dont_fragment = true;
  bool more_fragments = false;
  std::uint16_t fragment_offset = 0;
  std::uint8_t tos = 0;
  std::uint8_t ttl = 64;
  bool ip_option = false;
  std::uint32_t sequence = 1000;
  std::uint32_t acknowledgment = 5000;
  std::uint16_t flags = 0x10;
  std::uint16_t window = 501;
  std::uint32_t timestamp = 1;
  std::size_t payload = 1448;
};

Bytes frame_of(const Spec& spec) {
  Tins::EthernetII ethernet{"02:00:00:00:00:02", spec.source_mac};
  Tins::IP ip{"192.0.2.2", spec.source};
  ip.id(spec.identification);
  ip.ttl(spec.ttl);
  ip.tos(spec.tos);
  if (spec.dont_fragment) ip.flags(Tins::IP::DONT_FRAGMENT);
  if (spec.more_fragments) ip.flags(Tins::IP::MORE_FRAGMENTS);
  ip.fragment_offset(spec.fragment_offset);
  if (spec.ip_option) ip.noop();
  Tins::TCP tcp{9, spec.port};
  tcp.seq(spec.sequence);
  tcp.ack_seq(spec.acknowledgment);
  tcp.window(spec.window);
  tcp.flags(spec.flags);
  tcp.timestamp(spec.timestamp, 77);
  auto packet = ethernet / ip / tcp;
  Bytes payload(spec.payload);
  for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<std::byte>((spec.sequence + i) * 31 >> 3U);
  if (!payload.empty())
    packet /= Tins::RawPDU{reinterpret_cast<const std::uint8_t*>(payload.data()), static_cast<std::uint32_t>(payload.size())};
  return bytes_of(packet.serialize());
}

/// `first` and what TCP would send behind it.
std::vector<Spec> train(Spec first, std::size_t count) {
  std::vector<Spec> specs;
  for (std::size_t i = 0; i < count; ++i) {
    specs.push_back(first);
    first.sequence += static_cast<std::uint32_t>(first.payload);
    ++first.identification;
  }
  return specs;
}

/// The layer above.
class Upper final : public Demultiplexer<link::Received> {
 public:
  Accepted demultiplex(Packet&& packet, const link::Received&) override {
    packets.push_back(std::move(packet));
    return {};
  }
  /// All frames that came up, joined ones cut again.
  std::vector<Bytes> frames() {
    std::vector<Bytes> all;
    for (Packet& packet : packets) link::split(std::move(packet), [&](Packet frame) { all.push_back(frame.bytes()); });
    packets.clear();
    return all;
  }
  std::vector<Packet> packets;
};

struct Coalescing {
  Lab lab;
  link::Coalescer coalescer;
  Upper upper;

  void take(const Bytes& frame) { coalescer.take(lab.packet(frame), upper); }
  void take(const std::vector<Spec>& specs) {
    for (const Spec& spec : specs) take(frame_of(spec));
  }
  /// How many packets came up in all.
  std::size_t flush() {
    coalescer.flush(upper);
    return upper.packets.size();
  }
};

}  // namespace

TEST_CASE("segments in a row come up as one super-segment", "[link]") {
  Coalescing gro;
  auto specs = train({}, 10);
  specs.back().payload = 100;  // the last may be shorter
  gro.take(specs);
  REQUIRE(gro.flush() == 1);
  Packet& whole = gro.upper.packets.front();
  CHECK(whole.size() == 66 + 9 * 1448 + 100);
  CHECK(whole.meta().gso == GsoKind::tcp4);
  CHECK(whole.meta().gso_size == 1448);
  CHECK(whole.meta().network == 14);
  CHECK(whole.meta().transport == 34);

  Packet complete = whole.share();
  link::complete_checksum(complete);
  const Bytes bytes = complete.bytes();
  Tins::EthernetII parsed{reinterpret_cast<const std::uint8_t*>(bytes.data()), static_cast<std::uint32_t>(bytes.size())};
  auto& ip = parsed.rfind_pdu<Tins::IP>();
  auto& tcp = parsed.rfind_pdu<Tins::TCP>();
  const auto sums = std::pair{ip.checksum(), tcp.checksum()};
  CHECK(ip.tot_len() == bytes.size() - 14);
  CHECK(tcp.seq() == 1000);
  (void)parsed.serialize();  // libtins computes its own
  CHECK(std::pair{ip.checksum(), tcp.checksum()} == sums);

  std::vector<Bytes> sent;
  for (const Spec& spec : specs) sent.push_back(frame_of(spec));
  CHECK((gro.upper.frames() == sent));
}

TEST_CASE("a frame that is not what comes next is not joined, and overtakes nothing", "[link]") {
  const Spec next = train({}, 2)[1];
  const auto alone = [&](const char* what, const std::function<void(Spec&)>& change) {
    Spec other = next;
    change(other);
    for (const bool behind : {false, true}) {
      CAPTURE(what, behind);
      Coalescing gro;
      const std::vector<Bytes> sent{behind ? frame_of({}) : frame_of(other), behind ? frame_of(other) : frame_of(next)};
      for (const Bytes& frame : sent) gro.take(frame);
      CHECK(gro.flush() == 2);
      CHECK((gro.upper.frames() == sent));
    }
  };
  alone("another port", [](Spec& s) { s.port = 40001; });
  alone("another host", [](Spec& s) { s.source = "192.0.2.3"; });
  alone("another station", [](Spec& s) { s.source_mac = "02:00:00:00:00:03"; });
  alone("another type of service", [](Spec& s) { s.tos = 3; });
  alone("another time to live", [](Spec& s) { s.ttl = 63; });
  alone("without DF", [](Spec& s) { s.dont_fragment = false; });
  alone("a fragment", [](Spec& s) { s.more_fragments = true; });
  alone("a later fragment", [](Spec& s) { s.fragment_offset = 1; });
  alone("IP options", [](Spec& s) { s.ip_option = true; });
  alone("a gap", [](Spec& s) { s.sequence += 1; });
  alone("another acknowledgment", [](Spec& s) { s.acknowledgment += 1; });
  alone("another window", [](Spec& s) { s.window += 1; });
  alone("another timestamp", [](Spec& s) { s.timestamp += 1; });
  for (const unsigned flag : {0x01U, 0x02U, 0x04U, 0x20U, 0x40U, 0x80U}) {
    alone("a flag", [flag](Spec& s) { s.flags = static_cast<std::uint16_t>(s.flags | flag); });
  }
  alone("no ACK", [](Spec& s) { s.flags = 0x08; });
  alone("no payload", [](Spec& s) { s.payload = 0; });

  Coalescing gro;  // and the unchanged one is joined
  gro.take(std::vector<Spec>{{}, next});
  CHECK(gro.flush() == 1);
}

TEST_CASE("a longer segment begins anew", "[link]") {
  Coalescing gro;
  auto specs = train({.payload = 1000}, 2);
  specs[1].payload = 1001;
  gro.take(specs);
  CHECK(gro.flush() == 2);
}

TEST_CASE("a damaged frame comes up alone, as it is", "[link]") {
  const auto specs = train({}, 3);
  for (const std::size_t at : {std::size_t{22}, std::size_t{24}, std::size_t{46}, std::size_t{50}, std::size_t{66}, std::size_t{1513}}) {
    CAPTURE(at);
    Coalescing gro;
    std::vector<Bytes> sent;
    for (const Spec& spec : specs) sent.push_back(frame_of(spec));
    sent[1][at] ^= std::byte{0x04};
    for (const Bytes& frame : sent) gro.take(frame);
    REQUIRE(gro.flush() == 3);
    CHECK(gro.upper.packets[1].meta().checksum == ChecksumState::unverified);
    CHECK((gro.upper.frames() == sent));
  }
}

TEST_CASE("a frame with padding, a tag or less than its headers comes up alone", "[link]") {
  for (const int kind : {0, 1, 2}) {
    Coalescing gro;
    std::vector<Bytes> sent;
    for (const Spec& spec : train({.payload = 4}, 3)) sent.push_back(frame_of(spec));
    if (kind == 0) sent[1].resize(sent[1].size() + 2);
    if (kind == 1) sent[1].insert(sent[1].begin() + 12, {std::byte{0x81}, std::byte{0}, std::byte{0}, std::byte{7}});
    if (kind == 2) sent[1].resize(40);
    for (const Bytes& frame : sent) gro.take(frame);
    CHECK(gro.flush() == 3);
    CHECK((gro.upper.frames() == sent));
  }
}

TEST_CASE("what was pushed does not wait for more", "[link]") {
  Coalescing gro;
  auto specs = train({}, 4);
  specs[2].flags = 0x18;
  gro.take(std::vector<Spec>(specs.begin(), specs.begin() + 2));
  CHECK(gro.upper.packets.empty());
  gro.take(frame_of(specs[2]));
  CHECK(gro.upper.packets.size() == 1);
  CHECK(gro.upper.packets[0].peek<be8>(47) == be8{std::uint8_t{0x18}});
  gro.take(frame_of(specs[3]));
  CHECK(gro.upper.packets.size() == 1);
  CHECK(gro.flush() == 2);
  CHECK(gro.upper.packets[1].meta().checksum == ChecksumState::verified);  // alone, and known to be right
}

TEST_CASE("a super-segment grows to what the total length can say", "[link]") {
  Coalescing gro;
  gro.take(train({}, 46));  // 45 of them are 65,212 bytes
  REQUIRE(gro.flush() == 2);
  CHECK(gro.upper.packets[0].size() == 66 + 45 * 1448);
}

TEST_CASE("identifications that count something are kept: without DF only those in a row are joined", "[link]") {
  for (const bool in_a_row : {false, true}) {
    Coalescing gro;
    auto specs = train({.identification = 0xffff, .dont_fragment = false}, 3);
    if (!in_a_row) specs[2].identification = 7;
    gro.take(specs);
    CHECK(gro.flush() == (in_a_row ? 1U : 2U));
    std::vector<Bytes> sent;
    for (const Spec& spec : specs) sent.push_back(frame_of(spec));
    CHECK((gro.upper.frames() == sent));
  }
}

TEST_CASE("whatever comes, what goes up is the same frames in the same order", "[link]") {
  Lab lab;
  std::size_t joined = 0;
  for (int round = 0; round < 200; ++round) {
    Coalescing gro;
    std::vector<Bytes> sent;
    Spec flows[2] = {{.dont_fragment = false}, {.port = 40001, .identification = 0xfff0, .dont_fragment = false, .sequence = 0xffffff00U}};
    for (int i = 0; i < 40; ++i) {
      Spec& flow = flows[lab.random.below(8) == 0 ? 1 : 0];
      Spec spec = flow;
      const auto chance = [&](std::uint64_t n) { return lab.random.below(n) == 0; };
      if (chance(10)) spec.payload = lab.random.below(1500);
      if (chance(20)) spec.flags = 0x18;
      if (chance(30)) spec.flags = 0x11;
      if (chance(30)) spec.acknowledgment = flow.acknowledgment += 10;
      if (chance(40)) spec.sequence -= 1448;
      flow.sequence = spec.sequence + static_cast<std::uint32_t>(spec.payload);
      ++flow.identification;
      Bytes frame = frame_of(spec);
      if (chance(40)) frame[lab.random.below(frame.size())] ^= std::byte{0x10};
      sent.push_back(frame);
      gro.take(frame);
      if (chance(10)) gro.coalescer.flush(gro.upper);
    }
    joined += sent.size() - gro.flush();
    CAPTURE(round);
    REQUIRE((gro.upper.frames() == sent));
  }
  CHECK(joined > 1000);
}
