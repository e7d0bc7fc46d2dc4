#include <catch2/catch.hpp>

#include <string>
#include <string_view>
#include <vector>

#include <tapir/mqtt/error.hpp>

#include "session_lab.hpp"

// Sequences of bytes from a server, and what the client answers: each line of a table is one connection from CONNACK on.
using namespace tapir;
using namespace tapir::mqtt;
using namespace tapir::test;

namespace {

enum class After { goes_on, ended };

struct Sequence {
  const char* received;
  const char* answered;
  After after;
};

/// The same client that tests/conformance/mqtt_sequences.cpp is, without its socket.
class Client {
 public:
  explicit Client(ProtocolVersion version, bool lenient = false)
      : lab_{ConnectOptions{.client_id = "fuzzish",
                            .version = version,
                            .properties = version == ProtocolVersion::v5_0 ? Properties{{property::receive_maximum, 20}} : Properties{}},
             SessionLimits{.lenient = lenient}},
        version_{version} {
    lab_.open();
  }
  void accept() { lab_.receive(version_ == ProtocolVersion::v5_0 ? "20 06 00 00 03 21 0014" : "20 02 00 00"); }
  void subscribe() { REQUIRE(lab_.session.subscribe({{"a"}, {"b"}}, lab_.now)); }
  void unsubscribe() { REQUIRE(lab_.session.unsubscribe({"a"}, lab_.now)); }
  void publish(QoS qos) { REQUIRE(lab_.publish("t", "x", qos)); }

  void check(const Sequence& sequence) {
    INFO(sequence.received);
    (void)lab_.sent();
    lab_.receive(sequence.received);
    CHECK(lab_.sent() == hex(sequence.answered));
    CHECK(lab_.session.is_connected() == (sequence.after == After::goes_on));
    // As the Mosquitto project asks: a connection that goes on acknowledges a message, one that has ended does nothing.
    const bool alive = lab_.session.is_connected();
    lab_.receive(version_ == ProtocolVersion::v5_0 ? "32 06 0001 61 ffff 00" : "32 05 0001 61 ffff");
    CHECK(lab_.sent() == hex(alive ? "40 02 ffff" : ""));
  }

 private:
  SessionLab lab_;
  ProtocolVersion version_;
};

constexpr auto kOn = After::goes_on;
constexpr auto kEnd = After::ended;

}  // namespace

TEST_CASE("sequences: the answer to CONNECT", "[mqtt]") {
  for (const Sequence& sequence : std::vector<Sequence>{{"20 03 00 00 00", "", kOn},
                                                        {"20 06 00 00 03 21 0014", "", kOn},
                                                        {"20 08 00 00 05 11 00000001", "", kOn},
                                                        {"20 05 00 00 02 24 00", "", kOn},
                                                        {"20 0a 00 00 07 26 0001 70 0001 71", "", kOn},
                                                        {"20 02 00 00", "e0 01 81", kEnd},
                                                        {"20 01 00", "e0 01 81", kEnd},
                                                        {"20 00", "e0 01 81", kEnd},
                                                        {"21 03 00 00 00", "e0 01 81", kEnd},
                                                        {"20 03 01 00 00", "e0 01 82", kEnd},
                                                        {"20 03 00 01 00", "e0 01 82", kEnd},
                                                        {"20 03 00 ff 00", "e0 01 82", kEnd},
                                                        {"20 03 00 80 00", "", kEnd},
                                                        {"20 03 00 9f 00", "", kEnd},
                                                        {"20 04 00 00 00 00", "e0 01 81", kEnd},
                                                        {"20 04 00 00 01 11", "e0 01 81", kEnd},
                                                        {"20 05 00 00 02 24 02", "e0 01 82", kEnd},
                                                        {"20 05 00 00 02 01 00", "e0 01 81", kEnd},
                                                        {"20 80 80 80 80 01", "e0 01 81", kEnd},
                                                        {"10 0e 0004 4d515454 05 02 000a 00 0001 70", "e0 01 82", kEnd}}) {
    Client{ProtocolVersion::v5_0}.check(sequence);
  }
  for (const auto version : {ProtocolVersion::v3_1, ProtocolVersion::v3_1_1}) {
    for (const Sequence& sequence : std::vector<Sequence>{{"20 02 00 00", "", kOn},
                                                          {"20 03 00 00 00", "", kEnd},
                                                          {"20 01 00", "", kEnd},
                                                          {"29 02 00 01", "", kEnd},
                                                          {"20 02 01 00", "", kEnd},
                                                          {"20 02 80 00", "", kEnd},
                                                          {"20 02 00 05", "", kEnd},
                                                          {"f0 00", "", kEnd}}) {
      Client{version}.check(sequence);
    }
  }
}

TEST_CASE("sequences: messages from the server", "[mqtt]") {
  for (const Sequence& sequence : std::vector<Sequence>{{"30 08 0005 746f706963 00", "", kOn},
                                                        {"31 08 0005 746f706963 00", "", kOn},
                                                        {"32 06 0001 61 1234 00", "40 02 1234", kOn},
                                                        {"3a 06 0001 61 1234 00", "40 02 1234", kOn},
                                                        {"34 06 0001 61 1234 00 62 02 1234", "50 02 1234 70 02 1234", kOn},
                                                        {"32 06 0001 61 0000 00", "e0 01 82", kEnd},
                                                        {"38 04 0001 61 00", "e0 01 82", kEnd},
                                                        {"30 03 0000 00", "e0 01 82", kEnd},
                                                        {"30 06 0003 efbfbf 00", "e0 01 81", kEnd},
                                                        {"30 08 0005 41f0aa9b94 00", "", kOn},
                                                        {"32 0d 0001 61 1234 07 26 0001 70 0001 71", "40 02 1234", kOn},
                                                        {"32 09 0001 61 1234 03 23 0001", "e0 01 94", kEnd},
                                                        {"32 0c 0001 61 1234 06 23 0001 23 0001", "e0 01 82", kEnd},
                                                        {"32 0a 0001 61 1234 04 0b 01 0b 02", "40 02 1234", kOn},
                                                        {"32 0a 0001 61 1234 04 1f 0001 70", "e0 01 81", kEnd},
                                                        {"32 08 0001 61 1234 02 01 02", "e0 01 82", kEnd},
                                                        {"32 07 0001 61 1234 01 01", "e0 01 81", kEnd}}) {
    Client client{ProtocolVersion::v5_0};
    client.accept();
    client.check(sequence);
  }
}

TEST_CASE("sequences: acknowledgments of a message", "[mqtt]") {
  for (const Sequence& sequence : std::vector<Sequence>{{"40 02 0001", "", kOn},
                                                        {"40 03 0001 80", "", kOn},
                                                        {"40 04 0001 00 00", "", kOn},
                                                        {"40 08 0001 00 04 1f 0001 70", "", kOn},
                                                        {"40 02 0063", "", kOn},
                                                        {"40 04 0001 ff 00", "e0 01 82", kEnd},
                                                        {"40 04 0001 00 01", "e0 01 81", kEnd},
                                                        {"40 05 0001 00 00 00", "e0 01 81", kEnd},
                                                        {"40 03 0000 00", "e0 01 82", kEnd},
                                                        {"50 02 0001", "e0 01 82", kEnd},
                                                        {"48 03 0001 00", "e0 01 81", kEnd}}) {
    Client client{ProtocolVersion::v5_0};
    client.accept();
    client.publish(kQoS1);
    client.check(sequence);
  }
  for (const Sequence& sequence : std::vector<Sequence>{{"50 02 0001", "62 02 0001", kOn},
                                                        {"50 03 0001 10", "62 02 0001", kOn},
                                                        {"50 03 0001 80", "", kOn},
                                                        {"50 02 0001 70 02 0001", "62 02 0001", kOn},
                                                        {"50 02 0063", "62 03 0063 92", kOn},
                                                        {"50 03 0063 80", "", kOn},
                                                        {"70 02 0001", "e0 01 82", kEnd},
                                                        {"40 02 0001", "e0 01 82", kEnd},
                                                        {"50 01 01", "e0 01 81", kEnd}}) {
    Client client{ProtocolVersion::v5_0};
    client.accept();
    client.publish(kQoS2);
    client.check(sequence);
  }
}

TEST_CASE("sequences: acknowledgments of requests", "[mqtt]") {
  for (const Sequence& sequence : std::vector<Sequence>{{"90 05 0001 00 00 02", "", kOn},
                                                        {"90 05 0001 00 87 80", "", kOn},
                                                        {"90 04 0001 00 00", "e0 01 82", kEnd},
                                                        {"90 05 0001 00 00 05", "e0 01 82", kEnd},
                                                        {"90 05 0002 00 00 00", "e0 01 82", kEnd},
                                                        {"b0 04 0001 00 00", "e0 01 82", kEnd}}) {
    Client client{ProtocolVersion::v5_0};
    client.accept();
    client.subscribe();
    client.check(sequence);
  }
  for (const Sequence& sequence : std::vector<Sequence>{{"b0 04 0001 00 00", "", kOn},
                                                        {"b0 04 0001 00 11", "", kOn},
                                                        {"b0 03 0001 00", "e0 01 82", kEnd},
                                                        {"b0 04 0001 00 ff", "e0 01 82", kEnd},
                                                        {"b0 02 0001", "e0 01 81", kEnd}}) {
    Client client{ProtocolVersion::v5_0};
    client.accept();
    client.unsubscribe();
    client.check(sequence);
  }
}

TEST_CASE("sequences: packets for servers, and the server's end", "[mqtt]") {
  for (const Sequence& sequence : std::vector<Sequence>{{"c0 00", "e0 01 82", kEnd},
                                                        {"82 07 0001 00 0001 61 00", "e0 01 82", kEnd},
                                                        {"a2 06 0001 00 0001 61", "e0 01 82", kEnd},
                                                        {"d0 00", "", kOn},
                                                        {"d0 01 00", "e0 01 81", kEnd},
                                                        {"00 00", "e0 01 81", kEnd},
                                                        {"f0 00", "e0 01 82", kEnd},
                                                        {"e0 00", "", kEnd},
                                                        {"e0 01 8b", "", kEnd},
                                                        {"e0 06 9d 04 1c 0001 68", "", kEnd},
                                                        {"e0 01 7f", "e0 01 82", kEnd},
                                                        {"e0 07 00 05 11 00000000", "e0 01 82", kEnd}}) {
    Client client{ProtocolVersion::v5_0};
    client.accept();
    client.check(sequence);
  }
}

TEST_CASE("sequences: what only a lenient client goes on after", "[mqtt]") {
  for (const Sequence& sequence : std::vector<Sequence>{
           {"b0 04 0007 00 00", "", kOn}, {"b0 03 0001 00", "", kOn}, {"b0 04 0001 00 ff", "", kOn}, {"38 04 0001 61 00", "", kOn}}) {
    for (const bool lenient : {true, false}) {
      Client client{ProtocolVersion::v5_0, lenient};
      client.accept();
      client.unsubscribe();
      client.check(lenient ? sequence : Sequence{sequence.received, "e0 01 82", kEnd});
    }
  }
  for (const bool lenient : {true, false}) {  // nor is a SUBACK that nobody waits for
    Client client{ProtocolVersion::v5_0, lenient};
    client.accept();
    client.check({"90 04 0007 00 00", "e0 01 82", kEnd});
  }
  for (const auto* connack : {"20 04 00 00 00 00", "20 07 00 00 04 15 0001 70", "20 07 00 00 04 16 0001 70"}) {
    Client{ProtocolVersion::v5_0, true}.check({connack, "", kOn});
  }
  Client{ProtocolVersion::v5_0}.check({"20 07 00 00 04 15 0001 70", "e0 01 82", kEnd});
}
