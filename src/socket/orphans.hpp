#pragma once

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include <tapir/tcp/info.hpp>

namespace tapir::posix::detail {

/// Connections that outlive their descriptors and whose sockets did not agree to share the port (SO_REUSEADDR): until they are gone, TIME-WAIT included,
/// bind() refuses it.
class Orphans {
 public:
  void add(const Endpoint& local, const Endpoint& remote) {
    if (ends_.size() >= kMost) ends_.erase(ends_.begin());
    ends_.emplace_back(local, remote);
  }
  [[nodiscard]] bool contains(const tcp::Info& connection) const {
    return std::ranges::find(ends_, std::pair{connection.local, connection.remote}) != ends_.end();
  }
  /// Forgets those that are not among `connections` any more.
  void keep_only(std::span<const tcp::Info> connections) {
    std::erase_if(ends_, [connections](const auto& ends) {
      return std::ranges::none_of(
          connections, [&](const tcp::Info& connection) { return connection.local == ends.first && connection.remote == ends.second; });
    });
  }

 private:
  static constexpr std::size_t kMost = 4096;  ///< the oldest are forgotten beyond that
  std::vector<std::pair<Endpoint, Endpoint>> ends_;
};

}  // namespace tapir::posix::detail
