#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "socket_options.hpp"
#include "tcp_options.hpp"

namespace tapir::posix::detail {

/// The options of connections that wait for accept(). As on Linux each has those that its listener had when its handshake was over, whatever is set since.
class Inheritance {
 public:
  struct Share {
    SocketOptions options;
    TcpOptions tcp;
  };

  /// The listener, for which `waiting` connections wait, has had these options until now.
  void on_change(std::size_t waiting, const SocketOptions& options, const TcpOptions& tcp) {
    if (waiting <= known_) return;
    shares_.push_back({.connections = waiting - known_, .share = {.options = options, .tcp = tcp}});
    known_ = waiting;
  }
  /// The oldest connection is accepted. Empty: it has what the listener has now.
  [[nodiscard]] std::optional<Share> take() {
    if (shares_.empty()) return std::nullopt;
    --known_;
    if (--shares_.front().connections > 0) return shares_.front().share;
    Share last = std::move(shares_.front().share);
    shares_.pop_front();
    return last;
  }
  void clear() noexcept {
    shares_.clear();
    known_ = 0;
  }

 private:
  struct Heirs {
    std::size_t connections = 0;
    Share share;
  };
  std::deque<Heirs> shares_;  ///< the oldest first; connections behind these have what the listener has now
  std::size_t known_ = 0;     ///< connections of all of them
};

}  // namespace tapir::posix::detail
