#pragma once

#include <tapir/core/drop.hpp>
#include <tapir/core/observer.hpp>
#include <tapir/core/packet_pool.hpp>
#include <tapir/core/random.hpp>
#include <tapir/core/scheduler.hpp>

namespace tapir {

/// What one stack's protocols get from outside: time, memory, chance, and somebody who watches. All of it outlives the layers that refer to it.
struct Context {
  Scheduler& scheduler;
  PacketPool& pool;
  Random& random;
  Observer* observer = nullptr;  ///< nullptr: nobody watches

  [[nodiscard]] TimePoint now() const noexcept { return scheduler.now(); }
};

/// The one way by which a layer drops a packet: counted, shown to the observer, and returned.
///
///     if (!header) return reject(context_, drops_, LayerId::udp, Drop::truncated);
[[nodiscard, gnu::cold, gnu::noinline]] inline std::unexpected<Drop> reject(const Context& context, DropCounters& drops, LayerId layer,
                                                                            Drop reason) {
  drops.count(reason);
  if (context.observer != nullptr) context.observer->dropped({layer, reason, context.now()});
  return std::unexpected{reason};
}

}  // namespace tapir
