#include <catch2/catch.hpp>

#include <tins/arp.h>
#include <tins/tcp.h>

#include <tapir/link/capture.hpp>

#include "stack_lab.hpp"
#include "two_hosts.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

std::unique_ptr<link::Link> a_link(sim::World& world, std::size_t mtu = 1500) {
  return std::make_unique<RecordingLink>(world.pool(), link::Capabilities{.mtu = mtu});
}

}  // namespace

TEST_CASE("status() says why an interface could not be brought up, and then there is none", "[stack]") {
  sim::World world;
  struct Refused {
    StackConfig config;
    Error why;
  };
  const auto config = [](Ipv4Prefix address, std::optional<Ipv4Address> gateway = {}, std::optional<MacAddress> mac = {}) {
    return StackConfig{.address = address, .gateway = gateway, .mac = mac};
  };
  const std::vector<Refused> all{
      {config({}), Error::invalid_argument},
      {config("192.0.2.0/24"_prefix), Error::invalid_argument},
      {config("192.0.2.255/24"_prefix), Error::invalid_argument},
      {config("224.0.0.1/24"_prefix), Error::invalid_argument},
      {config("192.0.2.2/24"_prefix, {}, MacAddress::broadcast()), Error::invalid_argument},
      {config("192.0.2.2/24"_prefix, {}, MacAddress{}), Error::invalid_argument},
      {config("192.0.2.2/24"_prefix, "10.0.0.1"_ipv4), Error::network_unreachable},
      {config("192.0.2.2/24"_prefix, "192.0.2.2"_ipv4), Error::invalid_argument},
      {config("192.0.2.2/24"_prefix, "192.0.2.255"_ipv4), Error::invalid_argument},
      {config("192.0.2.2/24"_prefix, "192.0.2.0"_ipv4), Error::invalid_argument},
  };
  for (const auto& refused : all) {
    CAPTURE(to_string(refused.config.address), refused.why);
    Stack stack{world, a_link(world), refused.config};
    CHECK(stack.status() == fail(refused.why));
    CHECK(stack.interface_count() == 0);
    CHECK(stack.ipv4().interface_count() == 0);
    CHECK_FALSE(stack.ipv4().print_routes().contains("192.0.2.0"));
    CHECK_FALSE(stack.tcp().connect({"192.0.2.9"_ipv4, Port{7}}));
    REQUIRE(stack.add_interface(a_link(world), {.address = "192.0.2.2/24"_prefix, .gateway = "192.0.2.1"_ipv4}));
    CHECK(stack.interface_count() == 1);
    CHECK(stack.ipv4().print_routes().contains("192.0.2.1"));
  }
}

TEST_CASE("a link that cannot carry IPv4 is refused", "[stack]") {
  sim::World world;
  const StackConfig config{.address = "192.0.2.2/24"_prefix};
  CHECK(Stack(world, nullptr, config).status() == fail(Error::invalid_argument));
  CHECK(Stack(world, a_link(world, 67), config).status() == fail(Error::invalid_argument));
  CHECK(Stack(world, a_link(world, 68), config).status());
  Bytes file;
  auto capture = std::make_unique<link::Capture>(nullptr, world.scheduler(), std::make_unique<link::MemorySink>(file));
  CHECK(Stack(world, std::move(capture), config).status() == fail(Error::invalid_argument));
}

TEST_CASE("a second interface that is refused leaves the first as it was", "[stack]") {
  StackLab lab;
  const std::string routes = lab.stack->ipv4().print_routes();
  const auto add = [&](Ipv4Prefix address, std::optional<Ipv4Address> gateway) {
    return lab.stack->add_interface(a_link(lab.world), {.address = address, .gateway = gateway});
  };
  CHECK(add("192.0.2.2/24"_prefix, {}) == fail(Error::address_in_use));
  CHECK(add("198.51.100.2/24"_prefix, "198.51.100.2"_ipv4) == fail(Error::invalid_argument));
  CHECK(add("192.0.2.77/24"_prefix, "192.0.2.2"_ipv4) == fail(Error::invalid_argument));  // the gateway is ourselves
  CHECK(lab.stack->interface_count() == 1);
  CHECK(lab.stack->ipv4().print_routes() == routes);
  REQUIRE(lab.link->inject(StackLab::frame("x")).error() == Drop::no_listener);

  REQUIRE(add("198.51.100.2/24"_prefix, "198.51.100.1"_ipv4));
  CHECK(lab.stack->interface_count() == 2);
}

TEST_CASE("a SYN from our own address draws nothing", "[stack][tcp][RFC9293-3.9.2.3-1]") {
  StackLab lab;
  const auto listener = lab.stack->tcp().listen(kOurPort);
  REQUIRE(listener);
  const auto knock = [&lab](Ipv4Address source) {
    Tins::TCP tcp{kOurPort.value(), kPeerPort.value()};
    tcp.flags(Tins::TCP::SYN);
    auto frame = Tins::EthernetII{to_string(kOwnMac), to_string(kPeerMac)} / Tins::IP{to_string(kOwn), to_string(source)} / tcp;
    return lab.link->inject(bytes_of(frame.serialize()));
  };
  CHECK(knock(kOwn) == std::unexpected{Drop::martian_source});
  lab.world.run_for(10s);
  CHECK(lab.link->take().empty());
  CHECK(lab.stack->tcp().connection_count() == 0);
  CHECK(knock(kPeer));
  lab.world.run_for(1ms);
  CHECK(lab.link->take().size() == 1);
  CHECK(listener->half_open() == 1);
}

TEST_CASE("ARP knows the network of an interface's address", "[stack][arp]") {
  StackLab lab;
  const auto ask = [&](Ipv4Address sender) {
    Tins::ARP arp{to_string(kOwn), to_string(sender), "00:00:00:00:00:00", to_string(kPeerMac)};
    arp.opcode(Tins::ARP::REQUEST);
    auto frame = Tins::EthernetII{"ff:ff:ff:ff:ff:ff", to_string(kPeerMac)} / arp;
    return lab.link->inject(bytes_of(frame.serialize()));
  };
  CHECK(ask("192.0.2.255"_ipv4) == std::unexpected{Drop::martian_source});
  CHECK(ask("192.0.2.0"_ipv4) == std::unexpected{Drop::martian_source});
  CHECK(lab.link->take().empty());
  CHECK_FALSE(lab.stack->arp().lookup("192.0.2.255"_ipv4));
  CHECK(ask("192.0.2.254"_ipv4));
  CHECK(lab.link->take().size() == 1);
  CHECK(lab.stack->arp().lookup("192.0.2.254"_ipv4) == kPeerMac);
}

TEST_CASE("a ping whose request is cut into more fragments than there were places in ARP's queue gets its answer", "[stack][arp]") {
  TwoHosts hosts;
  std::vector<icmp::PingEvent> events;
  const auto ping = hosts.left->ping(hosts.right_address, {.size = 60000, .count = 1}, [&](const auto& event) { events.push_back(event); });
  REQUIRE(ping);
  hosts.world.run_for(10s);
  REQUIRE(events.size() == 1);
  CHECK(events[0].reply);
  CHECK(hosts.left->arp().drops().total() == 0);
}

TEST_CASE("waiting for ever is a choice that TCP takes", "[stack][tcp]") {
  StackConfig config{.arp = {.lifetime = Duration::max(), .retry_interval = Duration::max(), .failure_hold = Duration::max()}};
  config.tcp.user_timeout = config.tcp.connect_timeout = config.tcp.msl = config.tcp.fin_wait_2_timeout = Duration::max();
  TwoHosts hosts{config};
  auto listener = hosts.right->tcp().listen(Port{7});
  REQUIRE(listener);
  auto connection = hosts.left->tcp().connect({hosts.right_address, Port{7}});
  REQUIRE(connection);
  hosts.world.run_for(1s);
  REQUIRE(connection->state() == tcp::State::established);
  REQUIRE(connection->set_user_timeout(Duration::max()));
  REQUIRE(connection->set_keepalive({.on = true, .idle = Duration::max(), .interval = Duration::max()}));
  REQUIRE(connection->send(bytes_of("to the peer")));
  hosts.world.run_for(std::chrono::hours{24});
  CHECK(connection->state() == tcp::State::established);
  CHECK(connection->unacknowledged() == 0);
  CHECK_FALSE(hosts.world.stuck_at());
}

TEST_CASE("a retransmission timeout of zero does not stop time", "[stack][tcp]") {
  StackConfig config;
  config.tcp.initial_rto = config.tcp.min_rto = 0s;
  TwoHosts hosts{config};
  hosts.cable.cut(true);
  auto connection = hosts.left->tcp().connect({hosts.right_address, Port{7}});
  REQUIRE(connection);
  hosts.world.run_for(10s);
  CHECK_FALSE(hosts.world.stuck_at());
  CHECK(connection->info().timeouts < 20);
}

TEST_CASE("an upside-down range of ephemeral ports is an error, not another range", "[stack][tcp]") {
  StackConfig config;
  config.tcp.first_ephemeral = Port{5000};
  config.tcp.last_ephemeral = Port{4000};
  TwoHosts hosts{config};
  CHECK(hosts.left->tcp().connect({hosts.right_address, Port{7}}).error() == Error::address_not_available);
}
