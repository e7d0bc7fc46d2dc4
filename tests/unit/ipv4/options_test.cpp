#include <catch2/catch.hpp>

#include <random>

#include <unit/ipv4/ipv4_lab.hpp>

using namespace tapir;
using namespace tapir::test;

namespace {

network::Send with(const Bytes& options) {
  network::Send to;
  to.destination = "192.0.2.1"_ipv4;
  to.protocol = Protocol::udp;
  to.options = options;
  return to;
}

/// The problem's pointer, or 0.
unsigned pointer_of(const Bytes& options) {
  const auto parsed = ipv4::parse_options(options);
  return parsed ? 0U : parsed.error().pointer;
}

}  // namespace

TEST_CASE("options are sent as the transport gave them, padded with zeros", "[ipv4][RFC791-3.1-11][RFC1122-3.2.1.8-1][RFC1122-3.4-1]") {
  Ipv4Lab lab;
  const Bytes three = hex("9e 03 55");
  REQUIRE(lab.send(with(three)));
  auto sent = lab.wire.take_one();
  CHECK(sent.bytes[0] == std::byte{0x46});
  CHECK(part(sent.bytes, 20, 24) == hex("9e 03 55 00"));

  const Bytes record_route = hex("07 07 04 00000000");
  REQUIRE(lab.send(with(record_route)));
  sent = lab.wire.take_one();
  const auto ip = sent.parse();
  REQUIRE(ip.search_option(Tins::IP::option_identifier{static_cast<std::uint8_t>(7)}) != nullptr);
  CHECK(ip.head_len() == 7);
  CHECK(sent.data() == Ipv4Lab::counting(100));
}

TEST_CASE("options that may not be sent are refused", "[ipv4][RFC1122-3.2.1.8-9][RFC1122-3.2.1.8-5]") {
  Ipv4Lab lab;
  CHECK(error_of(lab.send(with(hex("83 07 04 c0000201 83 07 04 c0000203")))) == Error::invalid_argument);
  CHECK(error_of(lab.send(with(hex("83 07 04 c0000201 89 07 04 c0000203")))) == Error::invalid_argument);
  CHECK(error_of(lab.send(with(hex("88 04 0001")))) == Error::invalid_argument);  // stream identifier
  CHECK(error_of(lab.send(with(Bytes(41)))) == Error::invalid_argument);
  CHECK(error_of(lab.send(with(hex("07 09 04")))) == Error::invalid_argument);
  CHECK(lab.wire.sent.empty());
  CHECK(lab.send(with(Bytes(40))));
  CHECK(lab.send(with(hex("83 07 04 c0000203"))));
}

TEST_CASE("a source route leaves with the first hop as destination and the last stop in the list", "[ipv4][RFC1122-3.2.1.8-7]") {
  Ipv4Lab lab;
  auto to = with(hex("83 0b 04 c0000209 cb007107"));  // by 192.0.2.9 and 203.0.113.7
  to.destination = "198.51.100.5"_ipv4;
  const Bytes options = hex("83 0b 04 c0000209 cb007107");
  to.options = options;
  REQUIRE(lab.send(to));
  const auto sent = lab.wire.take_one();
  CHECK(sent.to.next_hop == "192.0.2.9"_ipv4);
  const auto ip = sent.parse();
  CHECK(ip.dst_addr() == "192.0.2.9");
  CHECK(ip.lsrr().pointer == 4);
  CHECK(ip.lsrr().routes == std::vector<Tins::IPv4Address>{"203.0.113.7", "198.51.100.5"});
}

TEST_CASE("a completed source route ends here, and what it recorded is handed up", "[ipv4][RFC1122-3.2.1.8-7][RFC1122-3.2.1.8-2]") {
  Ipv4Lab lab;
  const Bytes options = hex("01 83 0b 0c cb007107 c0000209");
  REQUIRE(lab.inject(with_options(options, Ipv4Lab::counting(9))));
  REQUIRE(lab.upper.items.size() == 1);
  CHECK(lab.upper.items[0].bytes == Ipv4Lab::counting(9));
  CHECK(lab.upper.items[0].options == options);
  CHECK(lab.upper.items[0].from.header_size == 32);
}

TEST_CASE("the way back is the recorded route reversed, without the source", "[ipv4][RFC1122-3.2.1.8-8]") {
  const auto reply = [](const char* received) { return bytes_of(ipv4::reply_options(hex(received), "198.51.100.5"_ipv4).bytes()); };
  CHECK(reply("83 0b 0c cb007107 c0000209") == hex("83 0b 04 c0000209 cb007107 00"));
  CHECK(reply("83 0f 10 c6336405 cb007107 c0000209 00") == hex("83 0b 04 c0000209 cb007107 00"));  // begins with the source
  CHECK(reply("89 07 08 c6336405 00") == hex(""));
  CHECK(reply("83 0b 04 cb007107 c0000209").empty());  // not completed: nothing was recorded
  CHECK(reply("07 07 08 c0000209 00") == hex("07 07 08 c0000209 00"));
}

TEST_CASE("unknown options, No-Operation and the stream identifier do no harm; End of List ends",
          "[ipv4][RFC1122-3.2.1.8-3][RFC1122-3.2.1.8-6][RFC791-3.1-12]") {
  for (const char* options : {"9e 04 1234", "88 04 1234", "01 01 00 ff", "00 83 01 00", "01 01 01 01", "86 02 01 00"}) {
    INFO(options);
    Ipv4Lab lab;
    REQUIRE(lab.inject(with_options(hex(options), Ipv4Lab::counting(8))));
    CHECK(lab.upper.items.size() == 1);
    CHECK(lab.errors.sent.empty());
  }
}

TEST_CASE("illegal lengths are a parameter problem at the octet at fault", "[ipv4][RFC1122-3.2.1.8-4]") {
  CHECK(pointer_of(hex("9e 00 00 00")) == 21);
  CHECK(pointer_of(hex("9e 01 00 00")) == 21);
  CHECK(pointer_of(hex("01 9e 04 00")) == 22);  // past the end of the header
  CHECK(pointer_of(hex("01 01 01 07")) == 23);  // no length at all
  CHECK(pointer_of(hex("07 02 00 00")) == 21);  // no room for a pointer
  CHECK(pointer_of(hex("07 07 03 00000000 00")) == 22);
  CHECK(pointer_of(hex("44 04 04 00")) == 22);
  CHECK(pointer_of(hex("44 03 05 00")) == 21);
  CHECK(pointer_of(hex("83 08 06 0000000000")) == 22);      // room for part of an address
  CHECK(pointer_of(hex("83 03 04 83 03 04 00 00")) == 23);  // the second source route
  CHECK(pointer_of(hex("07 07 04 00000000 00")) == 0);

  Ipv4Lab lab;
  const auto bytes = with_options(hex("9e 09 00 00"), Ipv4Lab::counting(8));
  CHECK(reason_of(lab.inject(bytes)) == Drop::bad_option);
  REQUIRE(lab.errors.sent.size() == 1);
  CHECK(lab.errors.sent[0].problem.kind == network::ErrorKind::parameter_problem);
  CHECK(lab.errors.sent[0].problem.pointer == 21);
  CHECK(lab.errors.sent[0].datagram == bytes);
  CHECK(lab.ip.drops()[Drop::bad_option] == 1);
}

TEST_CASE("any bytes as options are survived", "[ipv4][RFC1122-3.2.1.8-4]") {
  std::mt19937 random{1};
  Ipv4Lab lab{{.source_routing = ipv4::SourceRouting::any}};
  const std::array<int, 8> likely{0, 1, 7, 68, 131, 137, 3, 4};
  for (int round = 0; round < 20000; ++round) {
    Bytes options((random() % 10 + 1) * 4);
    for (auto& byte : options) byte = static_cast<std::byte>(random() % 2 == 0 ? likely[random() % 8] : static_cast<int>(random() % 44));
    (void)lab.inject(with_options(options, Ipv4Lab::counting(8)));
    (void)ipv4::reply_options(options, "192.0.2.1"_ipv4);
    (void)ipv4::copied_options(options);
  }
  CHECK_FALSE(lab.upper.items.empty());
  CHECK(lab.ip.drops()[Drop::bad_option] > 0);
}

TEST_CASE("Record Route gets our address while there is room", "[ipv4][RFC1122-3.2.1.8-10]") {
  Ipv4Lab lab;
  REQUIRE(lab.inject(with_options(hex("07 0b 08 cb007107 00000000 00"), Ipv4Lab::counting(8))));
  CHECK(lab.upper.items.at(0).options == hex("07 0b 0c cb007107 c0000202 00"));
  REQUIRE(lab.inject(with_options(hex("07 07 08 cb007107 00"), Ipv4Lab::counting(8))));
  CHECK(lab.upper.items.at(1).options == hex("07 07 08 cb007107 00"));
}

TEST_CASE("Timestamp gets our time before it is handed up", "[ipv4][RFC1122-3.2.1.8-11]") {
  Ipv4Lab lab;
  lab.advance(1500ms);
  const auto received = [&](const char* options) {
    lab.upper.items.clear();
    REQUIRE(lab.inject(with_options(hex(options), Ipv4Lab::counting(8))));
    return lab.upper.items.at(0).options;
  };
  // 1500 ms is 5dc; the top bit says that it is not UT (RFC 791).
  CHECK(received("44 0c 05 00 00000000 00000000") == hex("44 0c 09 00 800005dc 00000000"));
  CHECK(received("44 0c 05 01 00000000 00000000") == hex("44 0c 0d 01 c0000202 800005dc"));
  CHECK(received("44 0c 05 03 c0000202 00000000") == hex("44 0c 0d 03 c0000202 800005dc"));
  CHECK(received("44 0c 05 03 c0000209 00000000") == hex("44 0c 05 03 c0000209 00000000"));  // somebody else's turn
  CHECK(received("44 08 09 00 80000001") == hex("44 08 09 10 80000001"));                    // full: the overflow is counted
  CHECK(reason_of(lab.inject(with_options(hex("44 08 09 f0 80000001"), Ipv4Lab::counting(8)))) == Drop::bad_option);
}

TEST_CASE("an incomplete source route is not followed by a host", "[ipv4][RFC1122-3.3.5-2][RFC1122-3.3.5-3]") {
  Ipv4Lab lab;
  RecordingNeighbours other;
  lab.add("tap1", {"198.51.100.1/24"_prefix}, other);
  const auto bytes = with_options(hex("83 07 04 c6336405 00"), Ipv4Lab::counting(8));  // on to 198.51.100.5
  CHECK(reason_of(lab.inject(bytes)) == Drop::source_route);
  CHECK(other.sent.empty());
  CHECK(lab.wire.sent.empty());
  REQUIRE(lab.errors.sent.size() == 1);
  CHECK(lab.errors.sent[0].problem.kind == network::ErrorKind::source_route_failed);
  CHECK(lab.errors.sent[0].datagram == bytes);

  Ipv4Lab open{{.source_routing = ipv4::SourceRouting::any}};
  open.add("tap1", {"198.51.100.1/24"_prefix}, other);
  REQUIRE(open.inject(bytes));
  const auto ip = other.take_one().parse();
  CHECK(ip.dst_addr() == "198.51.100.5");
  CHECK(ip.lsrr().pointer == 8);
  CHECK(ip.lsrr().routes == std::vector<Tins::IPv4Address>{"198.51.100.1"});
  CHECK(ip.ttl() == 63);
}

TEST_CASE("a local source route leaves by the interface that it came in by, if that is allowed", "[ipv4][RFC1122-3.3.5-1]") {
  const auto local = with_options(hex("83 07 04 c0000209 00"), Ipv4Lab::counting(8));
  const auto remote = with_options(hex("83 07 04 c6336405 00"), Ipv4Lab::counting(8));
  RecordingNeighbours other;
  Ipv4Lab lab{{.source_routing = ipv4::SourceRouting::same_interface}};
  lab.add("tap1", {"198.51.100.1/24"_prefix}, other);
  REQUIRE(lab.inject(local));
  const auto ip = lab.wire.take_one().parse();
  CHECK(ip.dst_addr() == "192.0.2.9");
  CHECK(ip.lsrr().routes == std::vector<Tins::IPv4Address>{"192.0.2.2"});
  CHECK(reason_of(lab.inject(remote)) == Drop::source_route);
  CHECK(other.sent.empty());
}
