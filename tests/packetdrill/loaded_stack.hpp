#pragma once

#include <netinet/in.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tins/ip.h>
#include <tins/tcp.h>

#include <tools/packetdrill/interface.hpp>

namespace tapir::test {

inline constexpr const char* kOurs = "192.168.0.1";  ///< the stack's address, the adapter's default
inline constexpr const char* kPeers = "192.0.2.1";   ///< whom the scripts have it talk to
inline constexpr std::uint16_t kListening = 8080;    ///< at the stack
inline constexpr std::uint16_t kPeersPort = 40000;

/// What left the stack, and when.
struct Left {
  Tins::IP ip;
  Tins::TCP tcp;
  std::size_t payload = 0;
  std::chrono::microseconds at{};
};

/// The shared object, loaded as packetdrill loads it, with the peer's end of one connection.
class LoadedStack {
 public:
  explicit LoadedStack(const std::string& flags = {});
  LoadedStack(const LoadedStack&) = delete;
  LoadedStack& operator=(const LoadedStack&) = delete;
  ~LoadedStack();

  [[nodiscard]] PacketdrillInterface& calls() noexcept { return interface_; }
  [[nodiscard]] void* self() const noexcept { return interface_.userdata; }
  [[nodiscard]] std::chrono::microseconds look_at_clock();
  /// What the shared object exports beside packetdrill_interface_init.
  [[nodiscard]] void* exported(const char* name) const;

  /// A segment of the peer's, towards the stack's port.
  void inject(unsigned flags, std::uint32_t seq, std::uint32_t ack, std::size_t payload = 0, std::uint16_t stack_port = kListening);
  /// A SYN with an MSS of 1000 and nothing else.
  void inject_syn();
  /// The next segment that leaves, however long that takes; nullopt when none ever will.
  [[nodiscard]] std::optional<Left> receive();

  /// A socket that listens on kListening.
  [[nodiscard]] int listening();
  /// A connection that the peer opened; it has sent nothing. `isn` becomes the stack's initial sequence number.
  [[nodiscard]] int accepted(std::uint32_t& isn);
  [[nodiscard]] static sockaddr_in address(const char* host, std::uint16_t port);

 private:
  void* handle_;
  PacketdrillInterface interface_{};
};

}  // namespace tapir::test
