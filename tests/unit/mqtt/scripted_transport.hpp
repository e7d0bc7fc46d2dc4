#pragma once

#include <algorithm>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <tapir/mqtt/client.hpp>
#include <tapir/mqtt/transport.hpp>

#include "session_lab.hpp"

namespace tapir::test {

/// A byte stream whose far end is the test. What happened to it outlives it.
struct FarEnd {
  mqtt::TransportUser* user = nullptr;
  int opened = 0;                                              ///< calls of open()
  bool closed = false;                                         ///< close() since the last open()
  bool aborted = false;                                        ///< abort() since the last open()
  Bytes sent;                                                  ///< by the client, since take_sent()
  std::size_t room = std::numeric_limits<std::size_t>::max();  ///< bytes that send() still takes
  std::size_t unacknowledged = 0;
  std::deque<std::byte> inbox;
  bool ended = false;               ///< the stream ends behind the inbox
  std::error_code open_error = {};  ///< what the next open() fails with
  std::error_code send_error = {};  ///< what send() fails with until the next open()
  int pauses = 0;                   ///< times that receive() leaves what is there for another turn
  int turns_spent = 0;              ///< times that receive() has read much for what it gave
  bool deaf_once_closed = false;    ///< receive() fails behind close(), as it does with a socket of the host's, TLS and WebSocket

  [[nodiscard]] Bytes take_sent() { return std::exchange(sent, {}); }
  void accept() const { user->on_open(); }
  void deliver(std::span<const std::byte> bytes) {
    inbox.insert(inbox.end(), bytes.begin(), bytes.end());
    user->on_readable();
  }
  void deliver(std::string_view digits) { deliver(hex(digits)); }
  void acknowledge(std::size_t bytes) {
    unacknowledged -= bytes;
    user->on_acknowledged();
  }
  void acknowledge_all() { acknowledge(unacknowledged); }
  void end() {
    ended = true;
    user->on_readable();
  }
  void fail(std::error_code error) const { user->on_closed(error); }
};

class ScriptedTransport final : public mqtt::Transport {
 public:
  explicit ScriptedTransport(std::shared_ptr<FarEnd> far) : far_{std::move(far)} {}
  void attach(mqtt::TransportUser* user) noexcept override { far_->user = user; }
  [[nodiscard]] Result<> open() override {
    ++far_->opened;
    if (far_->open_error) return tapir::fail(std::exchange(far_->open_error, {}));
    far_->closed = far_->aborted = far_->ended = false;
    far_->inbox.clear();
    far_->send_error = {};
    far_->unacknowledged = 0;
    return {};
  }
  [[nodiscard]] Result<std::size_t> send(std::span<const std::byte> bytes) override {
    if (far_->send_error) return tapir::fail(far_->send_error);
    const auto taken = std::min(bytes.size(), far_->room);
    far_->room -= taken;
    far_->unacknowledged += taken;
    far_->sent.insert(far_->sent.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    return taken;
  }
  [[nodiscard]] Result<std::size_t> receive(std::span<std::byte> into) override {
    if (far_->closed && far_->deaf_once_closed) return tapir::fail(tapir::Error::connection_closed);
    if (far_->pauses > 0) return tapir::fail(tapir::Error::would_block);
    if (far_->inbox.empty()) return far_->ended ? Result<std::size_t>{0} : tapir::fail(tapir::Error::would_block);
    const auto count = std::min(into.size(), far_->inbox.size());
    std::copy_n(far_->inbox.begin(), count, into.begin());
    far_->inbox.erase(far_->inbox.begin(), far_->inbox.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  [[nodiscard]] bool has_more() const override {
    return (far_->pauses > 0 && far_->pauses-- > 0) || (far_->turns_spent > 0 && far_->turns_spent-- > 0);
  }
  void close() override { far_->closed = true; }
  void abort() override {
    far_->aborted = true;
    far_->unacknowledged = 0;  // a connection that is gone holds nothing any more
  }
  [[nodiscard]] std::size_t unacknowledged() const override { return far_->unacknowledged; }
  [[nodiscard]] std::string peer() const override { return "192.0.2.1:1883"; }

 private:
  std::shared_ptr<FarEnd> far_;
};

/// A client, its far end, and virtual time.
struct ClientLab {
  explicit ClientLab(mqtt::ClientConfig config = {.client_id = "s1"}) {
    client.emplace(lab.context, std::make_unique<ScriptedTransport>(far), std::move(config));
    client->on_connected([this](const mqtt::event::Connected&) { ++connected; });
    client->on_disconnected([this](const mqtt::Disconnection& why) { disconnections.push_back(why); });
  }
  /// Lets the client open its transport; the broker accepts.
  void connect(bool session_present = false) {
    open();
    far->deliver(session_present ? "20 02 01 00" : "20 02 00 00");
  }
  /// As far as CONNECT, which is thrown away.
  void open() {
    turn();
    far->accept();
    turn();
    (void)far->take_sent();
  }
  void turn() { lab.advance(Duration{0}); }

  Lab lab;
  std::shared_ptr<FarEnd> far = std::make_shared<FarEnd>();
  std::optional<mqtt::Client> client;
  int connected = 0;
  std::vector<mqtt::Disconnection> disconnections;
};

/// A completion that remembers what it was told.
struct Told {
  std::shared_ptr<std::vector<std::error_code>> errors = std::make_shared<std::vector<std::error_code>>();
  [[nodiscard]] mqtt::Client::Completion callback() const {
    return [errors = errors](const Result<>& outcome) { errors->push_back(outcome ? std::error_code{} : outcome.error()); };
  }
  [[nodiscard]] bool nothing() const { return errors->empty(); }
  [[nodiscard]] bool success() const { return *errors == std::vector{std::error_code{}}; }
  [[nodiscard]] bool failure(std::error_code error) const { return *errors == std::vector{error}; }
};

}  // namespace tapir::test
