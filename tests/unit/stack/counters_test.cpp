#include <catch2/catch.hpp>

#include <bit>
#include <map>
#include <numeric>
#include <set>
#include <sstream>

#include <tapir/link/capture.hpp>
#include <tapir/link/impair.hpp>

#include "stack/counter_table.hpp"
#include "stack_lab.hpp"
#include "two_hosts.hpp"

using namespace tapir;
using namespace tapir::test;

namespace {

/// "ipv4 inReceives" -> 7, as counters() prints them; every line must have the same columns.
std::map<std::string, std::uint64_t> read(const std::string& printed) {
  std::map<std::string, std::uint64_t> all;
  std::istringstream lines{printed};
  std::set<std::size_t> widths;
  for (std::string line; std::getline(lines, line);) {
    widths.insert(line.size());
    const auto value = line.rfind(' ');
    std::string name = line.substr(10, 28);
    name.erase(name.find_last_not_of(' ') + 1);
    std::string layer = line.substr(0, 9);
    layer.erase(layer.find_last_not_of(' ') + 1);
    all[layer + " " + name] = std::stoull(line.substr(value + 1));
  }
  CHECK(widths.size() <= 1);
  return all;
}

/// Whether each field, with a value of its own, shows in a line of its own.
template <class Stats>
void check_every_field() {
  using Fields = std::array<std::uint64_t, sizeof(Stats) / sizeof(std::uint64_t)>;
  Fields fields{};
  std::iota(fields.begin(), fields.end(), 1);
  CounterTable table;
  add(table, std::bit_cast<Stats>(fields));
  std::set<std::uint64_t> shown;
  for (const auto& [name, value] : read(table.take())) shown.insert(value);
  CHECK(shown == std::set<std::uint64_t>(fields.begin(), fields.end()));
}

struct FullDisk final : link::ByteSink {
  Result<> write(std::span<const std::byte>) override { return fail(Error::no_buffer_space); }
};

}  // namespace

TEST_CASE("counters() tells every counter that is not zero, in columns", "[stack]") {
  StackLab lab{{.ipv4 = {.forwarding = true}}};
  REQUIRE(read(lab.stack->counters()).contains("arp outRequests"));
  CHECK_FALSE(read(lab.stack->counters()).contains("ipv4 inReceives"));

  CHECK_FALSE(lab.link->inject(StackLab::frame("for nobody here")));                // no port: an ICMP error leaves
  CHECK_FALSE(lab.link->inject(StackLab::frame("no way there", "10.9.9.9"_ipv4)));  // transit without a route
  CHECK_FALSE(lab.link->inject(StackLab::frame("x", "192.0.2.255"_ipv4, MacAddress::broadcast())));
  CHECK_FALSE(lab.link->inject(StackLab::frame("x", kOwn, kPeerMac)));
  CHECK_FALSE(lab.link->inject(StackLab::frame("x", "127.0.0.1"_ipv4)));  // a name longer than the column was
  const auto counted = read(lab.stack->counters());
  CHECK(counted.at("udp noPorts") == 2);
  CHECK(counted.at("icmp outPkts type 3") == lab.stack->icmp().stats().out_pkts[3]);
  CHECK(counted.at("icmp outPkts type 3") >= 1);
  CHECK(counted.at("ipv4 inNoRoutes") == 1);
  CHECK(counted.at("ipv4 inBcastPkts") == 1);
  CHECK(counted.at("ethernet dropped: not_for_us") == 1);
  CHECK(counted.at("ipv4 dropped: martian_destination") == 1);
}

TEST_CASE("no field of what a layer counts is left out", "[stack]") {
  SECTION("ethernet") { check_every_field<ethernet::Stats>(); }
  SECTION("arp") { check_every_field<arp::Stats>(); }
  SECTION("ipv4") { check_every_field<ipv4::Stats>(); }
  SECTION("icmp") { check_every_field<icmp::Stats>(); }
  SECTION("udp") { check_every_field<udp::Stats>(); }
  SECTION("tcp") { check_every_field<tcp::Stats>(); }
}

TEST_CASE("SYN cookies show in the counters", "[stack]") {
  TwoHosts hosts{{}, {.tcp = {.syn_cookies = tcp::SynCookiePolicy::always}}};
  auto listener = hosts.right->tcp().listen(Port{7});
  REQUIRE(listener);
  CHECK_FALSE(read(hosts.right->counters()).contains("tcp syncookiesSent"));
  auto connection = hosts.left->tcp().connect({hosts.right_address, Port{7}});
  REQUIRE(connection);
  hosts.world.run_for(1s);
  const auto counted = read(hosts.right->counters());
  CHECK(counted.at("tcp syncookiesSent") == 1);
  CHECK(counted.at("tcp syncookiesRecv") == 1);
}

TEST_CASE("counters() tells of fragments, transit and open connections, too", "[stack]") {
  TwoHosts hosts;
  auto listener = hosts.right->tcp().listen(Port{7});
  REQUIRE(listener);
  auto connection = hosts.left->tcp().connect({hosts.right_address, Port{7}});
  REQUIRE(connection);
  auto socket = hosts.left->udp().bind({{}, Port{9}});
  REQUIRE(socket);
  hosts.world.run_for(1s);
  REQUIRE(socket->send_to({hosts.right_address, Port{9}}, Bytes(4000)));
  hosts.world.run_for(1s);
  const auto counted = read(hosts.left->counters());
  CHECK(counted.at("tcp currEstab") == 1);
  CHECK(counted.at("ipv4 fragReqds") == 1);
  CHECK(counted.at("ipv4 fragOKs") == 1);
  CHECK(counted.at("ipv4 fragCreates") == 3);
  CHECK(counted.at("icmp inPkts type 3") == 1);
  CHECK(read(hosts.right->counters()).at("ipv4 reasmOKs") == 1);
}

TEST_CASE("counters() begins with what the links counted, wrapped ones included", "[stack]") {
  sim::World world;
  auto recording = std::make_unique<RecordingLink>(world.pool());
  auto impaired = std::make_unique<link::Impair>(std::move(recording), world.scheduler(), world.random(), link::FaultConfig{.loss = 1},
                                                 link::FaultConfig{});
  auto capture = std::make_unique<link::Capture>(std::move(impaired), world.scheduler(), std::make_unique<FullDisk>());
  Stack stack{world, std::move(capture), {.address = "192.0.2.2/24"_prefix}};
  REQUIRE(stack.status());
  const auto counted = read(stack.counters());
  CHECK(counted.at("link captured") == 1);  // the gratuitous ARP
  CHECK(counted.at("link captureErrors") == 2);
  CHECK(counted.at("link outLost") == 1);
  CHECK_FALSE(counted.contains("link inLost"));
}

TEST_CASE("a device that fails shows in the counters", "[stack]") {
  StackLab lab;
  lab.link->broken = std::make_error_code(std::errc::io_error);
  lab.stack->arp().announce();
  auto socket = lab.stack->udp().bind({{}, kOurPort});
  REQUIRE(socket);
  CHECK_FALSE(socket->send_to({kPeer, kPeerPort}, bytes_of("x")));
  const auto counted = read(lab.stack->counters());
  CHECK(counted.at("arp outFailed") == 1);
  CHECK(counted.at("ethernet dropped: device_failed") == 2);
  CHECK(counted.at("ipv4 outDiscards") == 1);
}
