#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <tapir/mqtt/session.hpp>
#include <tapir/mqtt/transport.hpp>
#include <tapir/runtime/runtime.hpp>

namespace tapir::test {

/// A Session over a transport in real time, for programs that decide on each event themselves. It connects again only when it is told to.
class DrivenSession final : mqtt::TransportUser {
 public:
  struct Handlers {
    std::function<void(const mqtt::Event&)> event = {};
    std::function<void()> told = {};  ///< all events that there were are told
    /// The transport is closed. The session knows; open() may be called.
    std::function<void(std::error_code)> closed = {};
    /// May change what is about to be written: a whole CONNECT, first of all; later what the session has to say at that moment.
    std::function<void(std::vector<std::byte>&)> output = {};
  };

  DrivenSession(Runtime& runtime, std::unique_ptr<mqtt::Transport> transport, mqtt::SessionLimits limits, Handlers handlers);

  [[nodiscard]] Result<> open() { return transport_->open(); }
  /// Ends the connection in order; the session says nothing more.
  void close();
  /// Tells what has happened, and writes what there is to write: after calls of the session's.
  void send() {
    if (open_) pump();
  }
  [[nodiscard]] mqtt::Session& session() noexcept { return session_; }
  [[nodiscard]] TimePoint now() const { return runtime_.scheduler().now(); }

 private:
  void on_open() override;
  void on_readable() override;
  void on_writable() override { pump(); }
  void on_acknowledged() override {}
  void on_closed(std::error_code error) override;

  void lose(std::error_code error);
  void on_deadline();
  void pump();
  [[nodiscard]] bool write();

  Runtime& runtime_;
  std::unique_ptr<mqtt::Transport> transport_;
  mqtt::Session session_;
  Handlers handlers_;
  std::vector<std::byte> output_;  ///< taken from the session and not yet by the transport
  bool open_ = false;              ///< the transport is, and the session has a use for it
  bool ended_ = false;             ///< the session has had its last event of this connection
  Timer deadline_;
};

}  // namespace tapir::test
