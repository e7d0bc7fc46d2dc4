// tapir on several threads as the peer of Linux: 192.0.2.2, the same services as peer.cpp on each shard. Until SIGTERM.
//   shards TAP COUNT

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <tapir/tapir.hpp>

#include "serving.hpp"

using namespace tapir::literals;

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: shards TAP COUNT\n", stderr);
    return 2;
  }
  const auto shards = tapir::Shards::open(argv[1], {.count = std::strtoul(argv[2], nullptr, 10)});
  if (!shards) return tapir::report(argv[1], shards.error());
  if ((*shards)->unsteered()) std::fprintf(stderr, "shards: the kernel does not steer: %s\n", (*shards)->unsteered().message().c_str());
  if (const auto signals = (*shards)->stop_on_signals({SIGTERM}); !signals) return tapir::report("shards", signals.error());
  return (*shards)->run([](tapir::Shard& shard) {
    tapir::Stack stack{shard.runtime(), shard.take_link(), tapir::of_shard({.address = "192.0.2.2/24"_prefix}, shard)};
    tapir::bench::Services services;
    if (const auto started = services.start(stack, shard.runtime().pool()); !started) return tapir::report("shards", started.error());
    return shard.runtime().run();
  });
}
