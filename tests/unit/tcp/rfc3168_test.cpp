#include <catch2/catch.hpp>

#include "ecn_wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
using tcp::EcnMode;

TEST_CASE("an ECN-setup SYN has ECE and CWR, its answer ECE", "[tcp][ecn][RFC3168-6.1.1-1][RFC3168-6.1.1-9]") {
  EcnWire active;
  const auto syn = active.open();
  CHECK(syn.flags == kSetup);
  CHECK(ecn(syn) == 0);
  for (const EcnMode mode : {EcnMode::on, EcnMode::passive}) {
    EcnWire passive{{.config = {.ecn = mode}}};
    const auto syn_ack = passive.listen(kSetup);
    CHECK(syn_ack.flags == kSetupAck);
    CHECK(ecn(syn_ack) == 0);
  }
  CHECK(EcnWire{{.config = {}}}.listen(kSetup).flags == kSetupAck);  // passive is the default
}

TEST_CASE("whoever wants no ECN says nothing of it", "[tcp][ecn][RFC3168-6.1.1-7]") {
  CHECK(EcnWire{{.config = {.ecn = EcnMode::off}}}.open().flags == kSyn);
  CHECK(EcnWire{{.config = {.ecn = EcnMode::passive}}}.open().flags == kSyn);
  CHECK(EcnWire{{.config = {.ecn = EcnMode::off}}}.listen(kSetup).flags == kSynAck);
  CHECK(EcnWire{{.settings = {.ecn = EcnMode::off}}}.open().flags == kSyn);  // a connection's own choice
  CHECK(EcnWire{{.config = {}, .settings = {.ecn = EcnMode::on}}}.open().flags == kSetup);
}

TEST_CASE("only an ECN-setup SYN is answered as one", "[tcp][ecn][RFC3168-6.1.1-2][RFC3168-6.1.1-8]") {
  for (const Flags syn : {kSyn, kSyn | Flags::ece, kSyn | Flags::cwr}) {
    EcnWire wire;
    CHECK(wire.listen(syn).flags == kSynAck);
    wire.accept();
    wire.write(3000);
    const auto sent = wire.peer.hear();
    CHECK(sent.size() == 3);
    for (const auto& heard : sent) CHECK(ecn(heard) == 0);
  }
}

TEST_CASE("without an ECN-setup SYN,ACK nothing is ECN-capable", "[tcp][ecn][RFC3168-6.1.1-3][RFC3168-6.1.1-8]") {
  for (const Flags flags : {kSynAck, kSynAck | Flags::cwr, kSynAck | Flags::ece | Flags::cwr}) {
    EcnWire wire;
    wire.open_with(flags);
    wire.write(5000);
    const auto sent = wire.peer.hear();
    CHECK(sent.size() == 5);
    for (const auto& heard : sent) CHECK(ecn(heard) == 0);
    REQUIRE(wire.peer.say({.flags = kAck | Flags::ece}));  // and an echo says nothing
    CHECK(wire.info().cwnd >= 10 * kMss);
  }
}

TEST_CASE("data is ECN-capable by the codepoint ECT(0)", "[tcp][ecn][RFC3168-6.1.2-1]") {
  const EcnFlight talk;
  CHECK(talk.first.size() == 10);
  for (const auto& heard : talk.first) CHECK(ecn(heard) == kEct0);
  EcnWire passive;
  (void)passive.listen(kSetup);
  passive.accept();
  passive.write(5000);
  const auto sent = passive.peer.hear();
  CHECK(sent.size() == 5);
  for (const auto& heard : sent) CHECK(ecn(heard) == kEct0);
}

TEST_CASE("a plain SYN takes an ECN-setup SYN back", "[tcp][ecn][RFC3168-6.1.1-4]") {
  for (const Flags again : {kSyn, kSetup}) {
    EcnWire wire;
    CHECK(wire.listen(kSetup).flags == kSetupAck);
    (void)wire.say({.flags = again, .seq = wire.peer.nxt - 1U, .options = mss_option(kMss)}, 0);
    CHECK(wire.peer.hear_one().flags == (again == kSyn ? kSynAck : kSetupAck));
    wire.accept();
    wire.write(3000);
    const auto sent = wire.peer.hear();
    CHECK(sent.size() == 3);
    for (const auto& heard : sent) CHECK(ecn(heard) == (again == kSyn ? 0 : kEct0));
  }
}

TEST_CASE("a SYN that is sent again is a plain one", "[tcp][ecn][RFC3168-6.1.1.1-2]") {
  EcnWire wire;
  CHECK(wire.open().flags == kSetup);
  wire.advance(1s);
  CHECK(wire.peer.hear_one().flags == kSyn);
  REQUIRE(wire.peer.say({.flags = kSetupAck, .options = mss_option(kMss)}));  // whichever it answers
  (void)wire.peer.hear();
  wire.write(3000);
  const auto sent = wire.peer.hear();
  CHECK(sent.size() == 3);
  for (const auto& heard : sent) CHECK(ecn(heard) == 0);
}

TEST_CASE("a mark is echoed until the sender has reduced", "[tcp][ecn][RFC3168-6.1.3-1][RFC3168-6.1.1-6][RFC3168-6.1.1-5]") {
  EcnWire wire;
  wire.open_with();
  wire.write(1000);  // ECT has been set
  REQUIRE(ecn(wire.peer.hear_one()) == kEct0);
  const auto answer = [&wire](const Say& data, std::uint8_t field) {
    REQUIRE(wire.say(data, field));
    wire.advance(500ms);
    return wire.peer.hear_one();
  };
  CHECK(answer({.payload = "none"}, kEct0).pure_ack());
  CHECK(answer({.payload = "marked"}, kCe).flags == (kAck | Flags::ece));
  for (int i = 0; i < 5; ++i) CHECK(answer({.payload = "after it"}, kEct0).flags == (kAck | Flags::ece));
  CHECK(answer({.flags = kAck | Flags::cwr, .payload = "reduced"}, kEct0).pure_ack());
  CHECK(answer({.payload = "then"}, kEct0).pure_ack());
  CHECK(answer({.flags = kAck | Flags::cwr, .payload = "reduced and marked"}, kCe).flags == (kAck | Flags::ece));
}

TEST_CASE("without ECN a mark says nothing", "[tcp][ecn]") {
  EcnWire wire{{.config = {.ecn = EcnMode::off}}};
  wire.open_with(kSynAck);
  REQUIRE(wire.say({.payload = "marked"}, kCe));
  wire.advance(500ms);
  CHECK(wire.peer.hear_one().pure_ack());
}

TEST_CASE("an ACK for two segments echoes the mark of one", "[tcp][ecn][RFC3168-6.1.3-2]") {
  for (const bool first : {true, false}) {
    EcnWire wire;
    wire.open_with();
    REQUIRE(wire.say({.payload = stream(kMss)}, first ? kCe : kEct0));
    REQUIRE(wire.say({.payload = stream(kMss)}, first ? kEct0 : kCe));
    const auto ack = wire.peer.hear_one();
    CHECK(ack.flags == (kAck | Flags::ece));
    CHECK(ack.ack == wire.peer.nxt);
  }
}

TEST_CASE("acknowledgments are not ECN-capable", "[tcp][ecn][RFC3168-6.1.4-1]") {
  EcnWire wire;
  wire.open_with();
  for (int i = 0; i < 6; ++i) {
    REQUIRE(wire.say({.payload = stream(kMss)}, kEct0));
    wire.advance(500ms);
    CHECK(ecn(wire.peer.hear_one()) == 0);
  }
}
