#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <tapir/mqtt/transport.hpp>
#include <tapir/sim/world.hpp>

namespace tapir::test {

/// What happens to a stream of bytes in virtual time: the test is its far end, and chooses how it is cut up. It outlives the transport.
class Wire {
 public:
  explicit Wire(sim::World& world, std::size_t chunk = 100'000) : world_{world}, chunk_{chunk} {}

  std::function<void(std::span<const std::byte>)> on_bytes = [](auto) {};  ///< the far end gets a piece
  std::function<void()> on_end = [] {};                                    ///< the near end has closed
  std::error_code refusal = {};                                            ///< how the next connection fails
  std::error_code send_error = {};                                         ///< the near end can send no more, and hears what still comes
  std::size_t most_at_once = 1'000'000'000;                                ///< bytes that one read of the near end's gives
  int pauses = 0;                      ///< times that the near end leaves what is there for another turn
  bool more = false;                   ///< what the near end's has_more() says besides
  std::error_code receive_error = {};  ///< what it hears behind that: an alert of TLS is an error too

  /// The far end says something, ends its half, or breaks the connection.
  void reply(std::span<const std::byte> bytes) {
    to_near_.insert(to_near_.end(), bytes.begin(), bytes.end());
    schedule();
  }
  void reply(std::string_view text) { reply(std::as_bytes(std::span{text})); }
  /// What the far end has said is there, and the near end is not told.
  void reply_unheard(std::string_view text) {
    const auto bytes = std::as_bytes(std::span{text});
    inbox_.insert(inbox_.end(), bytes.begin(), bytes.end());
  }
  void end() {
    far_ended_ = true;
    schedule();
  }
  void reset(std::error_code error) {
    open_ = false;
    user_->on_closed(error);
  }
  /// Lets the near end send no more than this before the far end has taken it.
  void set_room(std::size_t room) { room_ = room; }
  void hold(bool held) {
    held_ = held;
    schedule();
  }
  /// Bytes from the far end that have not arrived yet may be changed.
  [[nodiscard]] std::deque<std::byte>& in_flight() { return to_near_; }
  [[nodiscard]] bool near_closed() const { return near_ended_; }
  [[nodiscard]] bool near_aborted() const { return aborted_; }
  [[nodiscard]] int opened() const { return opened_; }

  /// The near end.
  [[nodiscard]] std::unique_ptr<mqtt::Transport> transport() { return std::make_unique<Near>(*this); }

 private:
  class Near final : public mqtt::Transport {
   public:
    explicit Near(Wire& wire) : wire_{wire} {}
    void attach(mqtt::TransportUser* user) noexcept override { wire_.user_ = user; }
    [[nodiscard]] Result<> open() override { return wire_.open(); }
    [[nodiscard]] Result<std::size_t> send(std::span<const std::byte> bytes) override { return wire_.send(bytes); }
    [[nodiscard]] Result<std::size_t> receive(std::span<std::byte> into) override { return wire_.receive(into); }
    [[nodiscard]] bool has_more() const override { return wire_.more || (wire_.pauses > 0 && wire_.pauses-- > 0); }
    void close() override {
      wire_.near_ended_ = true;
      wire_.schedule();
    }
    void abort() override {
      wire_.aborted_ = wire_.open_;
      wire_.open_ = false;
    }
    [[nodiscard]] std::size_t unacknowledged() const override { return wire_.to_far_.size(); }
    [[nodiscard]] std::string peer() const override { return "192.0.2.1:8883"; }

   private:
    Wire& wire_;
  };

  Result<> open() {
    if (open_) return fail(tapir::Error::already_connected);
    to_near_.clear();
    to_far_.clear();
    inbox_.clear();
    open_ = true;
    far_ended_ = end_told_ = near_ended_ = aborted_ = choked_ = false;
    ++opened_;
    world_.after(Duration{1}, [this, attempt = opened_] {
      if (!open_ || attempt != opened_) return;
      if (refusal) return reset(std::exchange(refusal, {}));
      user_->on_open();
    });
    return {};
  }
  Result<std::size_t> send(std::span<const std::byte> bytes) {
    if (!open_) return fail(tapir::Error::not_connected);
    if (send_error) return fail(send_error);
    const auto taken = std::min(bytes.size(), room_ - std::min(room_, to_far_.size()));
    to_far_.insert(to_far_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    choked_ = choked_ || taken < bytes.size();
    schedule();
    return taken;
  }
  Result<std::size_t> receive(std::span<std::byte> into) {
    if (!open_) return fail(tapir::Error::not_connected);
    if (pauses > 0) return fail(tapir::Error::would_block);
    if (inbox_.empty() && receive_error) return fail(receive_error);
    if (inbox_.empty()) return end_told_ ? Result<std::size_t>{0} : fail(tapir::Error::would_block);
    const auto count = std::min({into.size(), inbox_.size(), most_at_once});
    std::copy_n(inbox_.begin(), count, into.begin());
    inbox_.erase(inbox_.begin(), inbox_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  void schedule() {
    if (std::exchange(scheduled_, true)) return;
    world_.after(Duration{1000}, [this] {
      scheduled_ = false;
      step();
    });
  }
  [[nodiscard]] std::vector<std::byte> piece_of(std::deque<std::byte>& stream) const {
    const auto count = static_cast<std::ptrdiff_t>(std::min(chunk_, stream.size()));
    std::vector<std::byte> piece(stream.begin(), stream.begin() + count);
    stream.erase(stream.begin(), stream.begin() + count);
    return piece;
  }
  void step() {
    if (!open_) return;
    if (!held_ && !to_far_.empty()) {
      on_bytes(piece_of(to_far_));
      if (open_ && user_ != nullptr) user_->on_acknowledged();
      if (open_ && user_ != nullptr && std::exchange(choked_, false)) user_->on_writable();
    }
    if (open_ && !to_near_.empty()) {
      const auto piece = piece_of(to_near_);
      inbox_.insert(inbox_.end(), piece.begin(), piece.end());
      if (near_ended_) inbox_.clear();
      if (user_ != nullptr && !near_ended_) user_->on_readable();
    } else if (open_ && far_ended_ && !end_told_) {
      end_told_ = true;
      if (user_ != nullptr && !near_ended_) user_->on_readable();
    }
    if (!open_) return;
    if (near_ended_ && !held_ && to_far_.empty() && !std::exchange(end_seen_, true)) on_end();
    if (near_ended_ && far_ended_ && to_far_.empty() && to_near_.empty()) {
      open_ = end_seen_ = false;
      if (user_ != nullptr) user_->on_closed({});
      return;
    }
    if ((!held_ && !to_far_.empty()) || !to_near_.empty() || (far_ended_ && !end_told_)) schedule();
  }

  sim::World& world_;
  std::size_t chunk_;
  std::size_t room_ = 1'000'000'000;
  mqtt::TransportUser* user_ = nullptr;
  std::deque<std::byte> to_near_;
  std::deque<std::byte> to_far_;
  std::deque<std::byte> inbox_;
  bool open_ = false;
  bool held_ = false;
  bool scheduled_ = false;
  bool choked_ = false;
  bool far_ended_ = false;
  bool end_told_ = false;
  bool near_ended_ = false;
  bool end_seen_ = false;
  bool aborted_ = false;
  int opened_ = 0;
};

/// A transport's user that reads all it can, and remembers.
class StreamReader final : public mqtt::TransportUser {
 public:
  explicit StreamReader(mqtt::Transport& transport) : transport_{transport} { transport.attach(this); }

  int opened = 0;
  int writable = 0;
  std::string text;                          ///< what was received
  bool ended = false;                        ///< the peer ended the stream in order
  std::error_code broken = {};               ///< what receive() failed with
  std::vector<std::error_code> closed = {};  ///< what on_closed said, each time
  std::size_t read_size = 4096;
  std::function<void()> when_open = [] {};

  void on_open() override {
    ++opened;
    when_open();
  }
  void on_readable() override {
    std::vector<std::byte> buffer(read_size);
    while (!ended && !broken) {
      const auto got = transport_.receive(buffer);
      if (!got && got.error() == tapir::Error::would_block && transport_.has_more()) continue;
      if (!got && got.error() == tapir::Error::would_block) return;
      if (!got) {
        broken = got.error();
      } else if (*got == 0) {
        ended = true;
      } else {
        text.append(reinterpret_cast<const char*>(buffer.data()), *got);
      }
    }
  }
  void on_writable() override {
    ++writable;
    write();
  }
  void on_acknowledged() override {}
  void on_closed(std::error_code error) override { closed.push_back(error); }

  /// Sends all of it, as the transport takes it.
  void say(std::string_view more) {
    unsent_ += more;
    write();
  }
  [[nodiscard]] std::size_t unsent() const { return unsent_.size(); }

 private:
  void write() {
    while (!unsent_.empty()) {
      const auto taken = transport_.send(std::as_bytes(std::span{unsent_}));
      if (!taken || *taken == 0) return;
      unsent_.erase(0, *taken);
    }
  }
  mqtt::Transport& transport_;
  std::string unsent_;
};

/// A transport's user that sends much, and destroys the transport in one of its events.
class Leaver final : public mqtt::TransportUser {
 public:
  enum class Event : std::uint8_t { open, readable, writable, acknowledged, closed };

  Leaver(std::unique_ptr<mqtt::Transport> transport, Event when) : transport_{std::move(transport)}, when_{when} {
    transport_->attach(this);
  }
  [[nodiscard]] mqtt::Transport& transport() const { return *transport_; }
  [[nodiscard]] bool has_left() const { return transport_ == nullptr; }

  void on_open() override {
    if (leaves(Event::open)) return;
    const std::string much(300'000, 'x');
    (void)transport_->send(std::as_bytes(std::span{much}));
  }
  void on_readable() override { (void)leaves(Event::readable); }
  void on_writable() override { (void)leaves(Event::writable); }
  void on_acknowledged() override { (void)leaves(Event::acknowledged); }
  void on_closed(std::error_code /*error*/) override { (void)leaves(Event::closed); }

 private:
  bool leaves(Event event) {
    if (event == when_) transport_.reset();
    return transport_ == nullptr;
  }
  std::unique_ptr<mqtt::Transport> transport_;
  Event when_;
};

}  // namespace tapir::test
