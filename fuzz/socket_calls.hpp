#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sys/socket.h>

#include <tapir/sim/world.hpp>
#include <tapir/socket/sockets.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir::fuzz {

/// An application that makes any socket call with any arguments, as long as its pointers are good. A call that would block gives up after a while.
class SocketCalls {
 public:
  /// A call: [which][descriptor][number: 2][flags: 2][bytes].
  static constexpr std::size_t kHeader = 6;

  SocketCalls(sim::World& world, Stack& stack);

  void call(std::span<const std::uint8_t> bytes);

 private:
  struct Arguments {
    int descriptor = 0;
    int number = 0;
    int flags = 0;
    std::span<const std::uint8_t> bytes;
  };

  void open(const Arguments& with);
  void name(std::uint8_t which, const Arguments& with);
  void send(std::uint8_t which, const Arguments& with);
  void send_message(const Arguments& with);
  void receive(std::uint8_t which, const Arguments& with);
  void receive_message(const Arguments& with);
  void control(std::uint8_t which, const Arguments& with);
  void option(bool set, const Arguments& with);
  void wait(std::uint8_t which, const Arguments& with);

  sim::World& world_;
  posix::Sockets sockets_;
};

}  // namespace tapir::fuzz
