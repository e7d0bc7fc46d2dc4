#include <catch2/catch.hpp>

#include <optional>
#include <vector>

#include "udp_lab.hpp"

using namespace tapir;
using namespace tapir::test;
using network::ErrorKind;

namespace {

/// A socket, the datagram that it sent, and the errors that it hears of.
struct Failing : UdpLab {
  Failing() : socket{*udp.bind({{}, kOurPort})} {
    socket.on_error([this](const udp::SocketError& error) { errors.push_back(error); });
  }
  void send() {
    REQUIRE(socket.send_to({kPeer, kPeerPort}, pattern(20)));
    transport = network.take().at(0).packet;
  }
  /// The network layer reports an error about that datagram.
  network::ErrorReport report(ErrorKind kind, std::uint8_t type, std::uint8_t code) const {
    network::ErrorReport report;
    report.kind = kind;
    report.type = type;
    report.code = code;
    report.reporter = "192.0.2.254"_ipv4;
    report.source = kOwn;
    report.destination = kPeer;
    report.transport = transport;
    return report;
  }
  void fail(ErrorKind kind, std::uint8_t type = 3, std::uint8_t code = 0) {
    network.report(network::Protocol::udp, report(kind, type, code));
  }

  udp::Socket socket;
  std::vector<udp::SocketError> errors;
  Bytes transport;
};

}  // namespace

TEST_CASE("every ICMP error about a datagram reaches its socket", "[udp][RFC1122-4.1.3.3-1]") {
  struct Row {
    ErrorKind kind;
    std::uint8_t type;
    std::uint8_t code;
  };
  for (const auto [kind, type, code] :
       {Row{ErrorKind::network_unreachable, 3, 0}, Row{ErrorKind::host_unreachable, 3, 1}, Row{ErrorKind::protocol_unreachable, 3, 2},
        Row{ErrorKind::port_unreachable, 3, 3}, Row{ErrorKind::fragmentation_needed, 3, 4}, Row{ErrorKind::source_route_failed, 3, 5},
        Row{ErrorKind::prohibited, 3, 13}, Row{ErrorKind::ttl_exceeded, 11, 0}, Row{ErrorKind::reassembly_time_exceeded, 11, 1},
        Row{ErrorKind::parameter_problem, 12, 0}, Row{ErrorKind::unresolved, 0, 0}}) {
    for (const bool connected : {false, true}) {
      Failing lab;
      if (connected) REQUIRE(lab.socket.connect({kPeer, kPeerPort}));
      lab.send();
      auto report = lab.report(kind, type, code);
      report.next_hop_mtu = 1280;
      report.pointer = 21;
      lab.network.report(network::Protocol::udp, report);
      REQUIRE(lab.errors.size() == 1);
      CHECK(lab.errors[0].kind == kind);
      CHECK(lab.errors[0].type == type);
      CHECK(lab.errors[0].code == code);
      CHECK(lab.errors[0].reporter == IpAddress{"192.0.2.254"_ipv4});
      CHECK(lab.errors[0].destination == Endpoint{kPeer, kPeerPort});
      CHECK(lab.errors[0].next_hop_mtu == 1280);
      CHECK(lab.errors[0].pointer == 21);
    }
  }
}

TEST_CASE("a connected socket's next call reports that the port is closed, once", "[udp][RFC1122-3.2.2.1-4]") {
  Failing lab;
  REQUIRE(lab.socket.connect({kPeer, kPeerPort}));
  lab.send();
  lab.fail(ErrorKind::port_unreachable, 3, 3);
  CHECK(lab.socket.send(bytes_of("x")).error() == Error::connection_refused);
  CHECK(lab.network.sent.empty());
  CHECK(lab.socket.send(bytes_of("x")));

  lab.fail(ErrorKind::port_unreachable, 3, 3);
  Bytes buffer(10);
  CHECK(lab.socket.receive(buffer).error() == std::errc::connection_refused);
  CHECK(lab.socket.receive(buffer).error() == Error::would_block);

  lab.fail(ErrorKind::unresolved, 0, 0);
  CHECK(lab.socket.take_error() == Error::host_unreachable);
  CHECK_FALSE(lab.socket.take_error());
}

TEST_CASE("hints do not fail the calls of a connected socket, and nothing fails those of an open one", "[udp]") {
  Failing lab;
  lab.send();
  lab.fail(ErrorKind::port_unreachable, 3, 3);
  CHECK_FALSE(lab.socket.take_error());
  CHECK(lab.socket.send_to({kPeer, kPeerPort}, bytes_of("x")));
  REQUIRE(lab.socket.connect({kPeer, kPeerPort}));
  for (const auto kind : {ErrorKind::network_unreachable, ErrorKind::host_unreachable, ErrorKind::source_route_failed,
                          ErrorKind::ttl_exceeded, ErrorKind::fragmentation_needed, ErrorKind::parameter_problem}) {
    lab.fail(kind);
    CHECK_FALSE(lab.socket.take_error());
  }
  CHECK(lab.errors.size() == 7);
}

TEST_CASE("an error about a datagram that no socket sent is dropped by name", "[udp]") {
  Failing lab;
  REQUIRE(lab.socket.connect({kPeer, kPeerPort}));
  lab.send();
  auto report = lab.report(ErrorKind::port_unreachable, 3, 3);
  report.destination = "192.0.2.9"_ipv4;  // not the peer
  lab.network.report(network::Protocol::udp, report);
  report.destination = kPeer;
  Bytes other = lab.transport;
  set_field(other, 0, 5001);  // no socket of ours
  report.transport = other;
  lab.network.report(network::Protocol::udp, report);
  other = lab.transport;
  set_field(other, 2, 6001);  // not the peer's port
  report.transport = other;
  lab.network.report(network::Protocol::udp, report);
  CHECK(lab.udp.drops()[Drop::unrelated_error] == 3);
  report.transport = std::span{lab.transport}.first(7);
  lab.network.report(network::Protocol::udp, report);
  CHECK(lab.udp.drops()[Drop::truncated] == 1);
  CHECK(lab.errors.empty());
  CHECK_FALSE(lab.socket.take_error());
  lab.fail(ErrorKind::port_unreachable, 3, 3);
  CHECK(lab.errors.size() == 1);
}

TEST_CASE("the connected socket hears of its datagrams, not the open one beside it", "[udp]") {
  Failing lab;
  auto connected = lab.udp.bind({kOwn, kOurPort});
  REQUIRE(connected);
  REQUIRE(connected->connect({kPeer, kPeerPort}));
  lab.send();
  lab.fail(ErrorKind::port_unreachable, 3, 3);
  CHECK(connected->take_error() == Error::connection_refused);
  CHECK(lab.errors.empty());
}

TEST_CASE("an error callback may close its socket", "[udp]") {
  UdpLab lab;
  std::optional<udp::Socket> socket{*lab.udp.bind({kOwn, kOurPort})};
  int calls = 0;
  socket->on_error([&](const udp::SocketError&) {
    ++calls;
    socket.reset();
  });
  REQUIRE(socket->send_to({kPeer, kPeerPort}, bytes_of("x")));
  network::ErrorReport report;
  report.kind = ErrorKind::port_unreachable;
  report.source = kOwn;
  report.destination = kPeer;
  const Bytes transport = lab.network.sent.at(0).packet;
  report.transport = transport;
  lab.network.report(network::Protocol::udp, report);
  lab.network.report(network::Protocol::udp, report);
  CHECK(calls == 1);
  CHECK(lab.udp.drops()[Drop::unrelated_error] == 1);
}
