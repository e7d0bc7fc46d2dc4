#include <catch2/catch.hpp>

#include "wire.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("segments carry DF unless path MTU discovery is off", "[tcp][RFC1191-3-10]") {
  const bool on = GENERATE(true, false);
  Conversation talk{{.config = {.path_mtu_discovery = on}}};
  talk.write("x");
  CHECK(talk.peer.hear_one().ip.dont_fragment == on);
}

TEST_CASE("a path that narrows makes smaller segments at once, and cwnd shrinks by the same ratio", "[tcp][RFC5681-3.1-3]") {
  Conversation talk;
  talk.write(stream(14'600));
  talk.advance(0s);
  const auto sent = talk.network.sent;
  REQUIRE(talk.peer.hear().size() == 10);
  const auto cwnd = talk.info().cwnd;
  const auto ssthresh = talk.info().ssthresh;
  CHECK(cwnd == 14'600);

  talk.network.report(network::Protocol::tcp, too_big(talk.peer, sent[0].packet, 576));
  CHECK(talk.info().mss == 536);
  CHECK(talk.info().cwnd == 14'600 * 536 / 1460);
  CHECK(talk.info().ssthresh == ssthresh);  // no congestion
  talk.peer.rcv = talk.info().snd_una;      // nothing of it had arrived
  const auto again = talk.peer.hear();
  REQUIRE(again.size() == 10);  // as much as cwnd takes
  for (const auto& segment : again) CHECK(segment.payload.size() == 536);
  CHECK(again[0].seq == talk.info().snd_una);
  CHECK(talk.peer.drain() == stream(14'600 - 5'360, 5'360));
  CHECK(talk.info().unacknowledged == 0);
}

TEST_CASE("a report that quotes nothing in flight narrows nothing", "[tcp]") {
  Conversation talk;
  talk.write(stream(1460));
  talk.advance(0s);
  Bytes quoted = talk.network.sent[0].packet;
  quoted[4] ^= std::byte{0x40};  // another sequence number
  (void)talk.peer.hear();
  talk.network.report(network::Protocol::tcp, too_big(talk.peer, quoted, 576));
  CHECK(talk.network.mtu == 1500);
  CHECK(talk.info().mss == 1460);
  CHECK(talk.drops(Drop::unrelated_error) == 1);
  CHECK(talk.peer.quiet());
}

TEST_CASE("a path that another connection found narrow is noticed when a segment does not fit", "[tcp]") {
  Conversation talk;
  talk.network.mtu = 1000;
  talk.network.failure = Error::message_too_large;
  talk.write(stream(1460));
  talk.advance(0s);
  talk.network.failure.reset();
  CHECK(talk.info().mss == 960);
  const auto heard = talk.peer.hear();
  talk.advance(1s);
  CHECK(talk.peer.drain().size() <= 1460);
  CHECK(talk.info().unacknowledged == 0);
}

TEST_CASE("no datagram is larger than the peer allows, and 576 bytes is what one without MSS option allows", "[tcp][RFC1191-3-9]") {
  struct Case {
    std::optional<std::uint16_t> mss;
    std::size_t datagram;
  };
  for (const auto& [mss, datagram] : {Case{500, 540}, Case{std::nullopt, 576}, Case{1460, 1500}}) {
    Conversation talk{{.peer_mss = mss}};
    talk.write(stream(5000));
    std::size_t largest = 0;
    while (talk.info().unacknowledged > 0 || largest == 0) {
      for (const auto& heard : talk.peer.hear()) largest = std::max(largest, 20 + 20 + heard.options.size() + heard.payload.size());
      talk.peer.acknowledge();
    }
    CHECK(largest == datagram);
  }
}

TEST_CASE("a path that is found wider again repeats nothing", "[tcp][RFC1191-6.3-2]") {
  Conversation talk;
  talk.write(stream(1460));
  talk.advance(0s);
  const auto sent = talk.network.sent;
  (void)talk.peer.hear();
  talk.network.mtu = 576;
  talk.network.report(network::Protocol::tcp, too_big(talk.peer, sent.at(0).packet, 576));
  talk.peer.rcv = talk.info().snd_una;
  CHECK(talk.peer.hear().size() == 3);
  talk.network.mtu = 1500;
  talk.advance(500ms);  // before any retransmission timer
  CHECK(talk.peer.quiet());
  talk.peer.acknowledge();
  talk.write(stream(100));
  CHECK(talk.peer.hear_one().payload.size() == 100);
}
