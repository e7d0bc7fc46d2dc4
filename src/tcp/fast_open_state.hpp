#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "fast_open.hpp"
#include "options.hpp"

namespace tapir::tcp::detail {

class ListenerCore;

/// What a connection knows of data in its SYN, or in the peer's (RFC 7413). Plain state: ConnectionCore keeps it consistent.
struct FastOpenState {
  std::optional<FastOpenOption> option{};  ///< of the first SYN or SYN,ACK
  std::uint32_t room = 0;                  ///< bytes of data that the SYN takes, until it leaves
  FastOpenCache::Attempt attempt{};
  bool tried = false;                      ///< our SYN took part, and what came of it is not told yet
  bool trial = false;                      ///< as FastOpenCache::Plan has it
  std::uint32_t taken = 0;                 ///< bytes of the peer's SYN
  bool early = false;                      ///< given to the application before the handshake is complete
  std::weak_ptr<ListenerCore> listener{};  ///< counts it until then
};

}  // namespace tapir::tcp::detail
