#pragma once

#include <cstddef>
#include <list>
#include <map>

#include <tapir/core/addresses.hpp>
#include <tapir/tcp/tcp.hpp>

namespace tapir::posix::detail {

/// Connections that outlive their descriptors and whose sockets did not agree to share the port (SO_REUSEADDR): until they are gone, TIME-WAIT included,
/// bind() refuses it.
class Orphans {
 public:
  void add(const Endpoint& local, const Endpoint& remote, const tcp::Tcp& tcp);
  /// Whether one that is still there holds a local endpoint which overlaps `wanted`. Those at its port that have gone are forgotten.
  [[nodiscard]] bool hold(const Endpoint& wanted, const tcp::Tcp& tcp);

 private:
  void forget_ended(const tcp::Tcp& tcp);

  static constexpr std::size_t kMost = 4096;  ///< beyond that those that have gone are forgotten, else the oldest
  struct Ends {
    Endpoint local;
    Endpoint remote;
  };
  using ByAge = std::list<Ends>;

  ByAge by_age_;                                  ///< the oldest first
  std::multimap<Port, ByAge::iterator> by_port_;  ///< of one port the oldest first, too
};

}  // namespace tapir::posix::detail
