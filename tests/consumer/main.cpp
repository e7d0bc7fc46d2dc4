// Two hosts on a simulated cable; one pings the other. Needs no TAP device.

#include <chrono>
#include <cstdio>

#include <tapir/tapir.hpp>

using namespace tapir::literals;

int main() {
  tapir::sim::World world;
  tapir::sim::Cable cable{world};
  tapir::Stack left{world, cable.left(), {.address = "192.0.2.1/24"_prefix}};
  const tapir::Stack right{world, cable.right(), {.address = "192.0.2.2/24"_prefix}};

  bool answered = false;
  const auto ping = left.ping("192.0.2.2"_ipv4, {}, [&](const tapir::icmp::PingEvent& event) { answered = event.reply.has_value(); });
  if (!ping) return tapir::report("consumer", ping.error());
  world.run_for(std::chrono::seconds{10});
  std::puts(answered ? "consumer: 192.0.2.2 answered" : "consumer: no answer");
  return answered ? 0 : 1;
}
