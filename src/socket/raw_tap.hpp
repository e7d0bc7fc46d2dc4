#pragma once

#include <vector>

#include <tapir/network/network.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir::posix::detail {

class RawSocket;

/// Stands between the network layer and ICMP: raw sockets get a copy of every message before ICMP acts on it (man 7 raw), and hear of errors about ICMP
/// messages.
class RawTap final : public Demultiplexer<network::Received>, public network::ErrorReceiver {
 public:
  explicit RawTap(Stack& stack);
  RawTap(const RawTap&) = delete;
  RawTap& operator=(const RawTap&) = delete;
  ~RawTap() override;

  void add(RawSocket& socket) { sockets_.push_back(&socket); }
  void remove(RawSocket& socket) noexcept { std::erase(sockets_, &socket); }
  [[nodiscard]] Accepted demultiplex(Packet&& packet, const network::Received& from) override;
  /// What programs have sent is not kept: they are not who says that a report is true.
  [[nodiscard]] bool believes(const network::ErrorReport& report) const override;
  void receive_error(const network::ErrorReport& report) override;

 private:
  Stack& stack_;
  std::vector<RawSocket*> sockets_;
};

}  // namespace tapir::posix::detail
