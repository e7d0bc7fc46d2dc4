#pragma once

#include <tapir/core/branch.hpp>
#include <tapir/tcp/info.hpp>

#include "four_tuple.hpp"
#include "held.hpp"
#include "idle_state.hpp"

namespace tapir::tcp::detail {

class ConnectionCore;
class Engine;

/// What the Engine's table and the user's handle share of one connection (the "connection record" of RFC 9293 section 3.3.1): all of it while it does
/// something, and the few bytes that bring it back while it is idle. Most of a host's connections are.
class ConnectionRecord {
 public:
  ConnectionRecord(Engine& engine, Held<ConnectionCore> core) noexcept;
  ConnectionRecord(const ConnectionRecord&) = delete;
  ConnectionRecord& operator=(const ConnectionRecord&) = delete;
  ~ConnectionRecord();

  [[nodiscard]] const FourTuple& tuple() const noexcept { return tuple_; }
  /// Nothing is outstanding, waits to be sent or read, or is timed, and nobody but this record knows more of it.
  [[nodiscard]] bool asleep() const noexcept { return !core_; }
  /// The connection, woken if need be. It may end in what it is then asked to do: who calls it keeps it alive.
  [[nodiscard]] const Held<ConnectionCore>& core() {
    if (unlikely(asleep())) wake();
    return core_;
  }
  /// It is quiet. The caller keeps the core for as long as it needs it.
  void sleep();
  /// As of now; a sleeping one sleeps on.
  [[nodiscard]] Info info();

 private:
  [[gnu::noinline]] void wake();

  Engine& engine_;  ///< an Engine that goes wakes all that sleep: who is awake needs it no more
  FourTuple tuple_;
  Held<ConnectionCore> core_;
  IdleState idle_;  ///< while it is awake, memory for the next time
};

}  // namespace tapir::tcp::detail
