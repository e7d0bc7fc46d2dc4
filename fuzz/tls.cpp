// TLS between a client of ours and a server of OpenSSL's, over a transport in hostile hands: bytes are cut, changed, dropped, repeated and
// made up, the stream below ends or breaks at any time, and both ends say, close, and begin anew in any order. Whatever happens: each end
// hears the beginning of what the other said and nothing else, an end in order means all of it, a server of another identity is never
// accepted, and the transport's user is not called from inside a call.
//
// [identity and version] and then events [action][argument]…

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include <tapir/tls/tls_transport.hpp>

#include "tls_peer.hpp"

namespace {

using namespace tapir;
using fuzz::Identity;

void demand(bool holds) {
  if (!holds) std::abort();
}

/// The transport below: what it does, the input says.
class Below final : public mqtt::Transport {
 public:
  void attach(mqtt::TransportUser* user) noexcept override { user_ = user; }
  Result<> open() override {
    if (connected) return fail(Error::already_connected);
    connected = opening = true;
    ended = end_wanted = false;
    to_client.clear();
    to_server.clear();
    return {};
  }
  Result<std::size_t> send(std::span<const std::byte> bytes) override {
    if (!connected) return fail(Error::not_connected);
    const auto count = std::min(bytes.size(), room);
    room -= count;
    to_server.insert(to_server.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  Result<std::size_t> receive(std::span<std::byte> into) override {
    if (!connected) return fail(Error::not_connected);
    const auto count = std::min(into.size(), to_client.size());
    if (count == 0 && !ended) return fail(Error::would_block);
    std::copy_n(to_client.begin(), count, into.begin());
    to_client.erase(to_client.begin(), to_client.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  void close() override { end_wanted = true; }
  void abort() override { connected = opening = false; }
  std::size_t unacknowledged() const override { return to_server.size(); }
  std::string peer() const override { return "192.0.2.1:8883"; }

  void tell(void (mqtt::TransportUser::*event)()) {
    if (user_ != nullptr && connected) (user_->*event)();
  }
  void tell_closed(std::error_code error) {
    if (!std::exchange(connected, false)) return;
    opening = false;
    if (user_ != nullptr) user_->on_closed(error);
  }

  bool connected = false;
  bool opening = false;     ///< on_open is due
  bool ended = false;       ///< nothing follows to_client
  bool end_wanted = false;  ///< close() was called
  std::size_t room = 1U << 20U;
  std::vector<std::byte> to_client;
  std::vector<std::byte> to_server;

 private:
  mqtt::TransportUser* user_ = nullptr;
};

/// One conversation, with as many connections as the input opens.
class Conversation final : mqtt::TransportUser {
  struct Inside {
    explicit Inside(bool& mark) : inside{mark} { inside = true; }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside() { inside = false; }
    bool& inside;
  };
  /// A call of the transport's, during which it calls nobody.
  template <class Call>
  auto call(Call what) {
    const Inside inside{inside_};
    return what();
  }

 public:
  Conversation(Identity identity, tls::Version version, tls::ClientContext context)
      : identity_{identity}, version_{version}, below_{new Below}, client_{std::move(context), std::unique_ptr<mqtt::Transport>{below_}} {
    client_.attach(this);
    open();
    settle();
  }

  void event(std::span<const std::uint8_t>& input) {
    const auto take = [&] {
      const std::uint8_t byte = input.empty() ? 0 : input[0];
      if (!input.empty()) input = input.subspan(1);
      return byte;
    };
    const unsigned action = take() % 16U;
    const std::uint8_t argument = take();
    const std::size_t count = std::min<std::size_t>(argument, pending_.size());
    switch (action) {
      case 0: pass(count); break;
      case 1: pass(pending_.size()); break;
      case 2: inject(take_bytes(input, argument)); break;
      case 3: inject_record(take(), take_bytes(input, argument)); break;
      case 4:
        if (!pending_.empty()) pending_[argument % pending_.size()] = static_cast<char>(pending_[argument % pending_.size()] ^ take());
        break;
      case 5: pending_.erase(0, count); break;
      case 6: inject(pending_.substr(0, count)); break;
      case 7: peer_->say(argument * std::size_t{argument}); break;
      case 8: do_at_peer(argument); break;
      case 9:
        below_->ended = true;
        below_->tell(&TransportUser::on_readable);
        break;
      case 10:
        below_->room = argument * std::size_t{64};
        below_->tell(&TransportUser::on_writable);
        break;
      case 11: say(argument * std::size_t{argument}); break;
      case 12: do_at_client(argument); break;
      case 13: below_->tell_closed(make_error_code(Error::connection_reset)); break;
      case 14: held_ = argument % 2 == 1; break;
      default: below_->tell(&TransportUser::on_acknowledged); break;
    }
    settle();
  }

  /// All that was held back comes through, and both ends close.
  void finish() {
    held_ = false;
    below_->room = 1U << 20U;
    for (int round = 0; round < 4; ++round) {
      below_->tell(&TransportUser::on_writable);
      settle();
      pass(pending_.size());
      settle();
    }
    peer_->close();
    settle();
    pass(pending_.size());
    call([&] { client_.close(); });
    settle();
    below_->tell_closed({});
    demand(!user_open_);  // whoever was told of the beginning is told of the end
  }

 private:
  static std::string take_bytes(std::span<const std::uint8_t>& input, std::size_t count) {
    const auto bytes = input.first(std::min(count, input.size()));
    input = input.subspan(bytes.size());
    return {bytes.begin(), bytes.end()};
  }

  void open() {
    if (!call([&] { return client_.open(); })) return;
    peer_.emplace(identity_, version_);
    pending_.clear();
    said_.clear();
    heard_.clear();
    unsent_ = 0;
    ended_ = broken_ = false;
    user_open_ = true;
    secured_ = false;
  }

  void pass(std::size_t count) {
    inject(pending_.substr(0, count));
    pending_.erase(0, count);
  }
  void inject(std::string_view bytes) {
    const auto raw = std::as_bytes(std::span{bytes});
    if (!below_->connected || below_->ended || below_->opening) return;
    below_->to_client.insert(below_->to_client.end(), raw.begin(), raw.end());
    below_->tell(&TransportUser::on_readable);
  }
  /// A record with a header that is right (RFC 8446 section 5.1).
  void inject_record(std::uint8_t type, const std::string& content) {
    inject(std::string{static_cast<char>(type), 3, 3, 0, static_cast<char>(content.size())} + content);
  }

  void do_at_peer(std::uint8_t what) {
    switch (what % 4) {
      case 0: peer_->close(); break;
      case 1: peer_->update_key(); break;
      case 2: peer_->send_ticket(); break;
      default: peer_->renegotiate(); break;
    }
  }
  void do_at_client(std::uint8_t what) {
    switch (what % 3) {
      case 0: call([&] { client_.close(); }); break;
      case 1:
        call([&] { client_.abort(); });
        user_open_ = secured_ = false;
        break;
      default: open(); break;
    }
  }

  void say(std::size_t count) {
    unsent_ += count;
    write();
  }
  void write() {
    while (secured_ && unsent_ > 0) {
      std::vector<std::byte> bytes(unsent_);
      for (std::size_t i = 0; i < unsent_; ++i) bytes[i] = static_cast<std::byte>((said_.size() + i) * 11);
      const auto taken = call([&] { return client_.send(bytes); });
      if (!taken || *taken == 0) return;
      demand(*taken <= bytes.size());
      said_.append(reinterpret_cast<const char*>(bytes.data()), *taken);
      unsent_ -= *taken;
    }
  }

  /// What is due between the two, until nothing is.
  void settle() {
    if (below_->connected && std::exchange(below_->opening, false)) below_->tell(&TransportUser::on_open);
    if (!held_ && below_->connected && !below_->to_server.empty()) {
      peer_->input(std::exchange(below_->to_server, {}));
      below_->tell(&TransportUser::on_acknowledged);
    }
    pending_ += peer_->take_output();
    demand(said_.starts_with(peer_->heard()));
    if (below_->end_wanted && below_->ended) below_->tell_closed({});
  }

  void on_open() override {
    demand(!inside_ && user_open_ && !secured_);
    demand(identity_ == Identity::right || identity_ == Identity::right_key);
    secured_ = true;
    write();
  }
  void on_readable() override {
    demand(!inside_ && secured_);
    std::vector<std::byte> buffer(1000);
    while (!ended_ && !broken_) {
      const auto got = call([&] { return client_.receive(buffer); });
      if (!got && got.error() == Error::would_block) return;
      broken_ = !got;
      ended_ = got && *got == 0;
      if (got) heard_.append(reinterpret_cast<const char*>(buffer.data()), *got);
      demand(peer_->said().starts_with(heard_));
      demand(!ended_ || (peer_->closed() && heard_ == peer_->said()));
    }
  }
  void on_writable() override {
    demand(!inside_ && secured_);
    write();
  }
  void on_acknowledged() override { demand(!inside_); }
  void on_closed(std::error_code error) override {
    demand(!inside_ && user_open_);
    demand(secured_ || error || below_->end_wanted);  // a handshake that came to nothing has a reason
    user_open_ = secured_ = false;
  }

  Identity identity_;
  tls::Version version_;
  Below* below_;
  tls::TlsTransport client_;
  std::optional<fuzz::TlsPeer> peer_;
  std::string pending_;  ///< from the server, on its way
  std::string said_;     ///< what the client's transport took
  std::string heard_;
  std::size_t unsent_ = 0;
  bool held_ = false;  ///< what the client says does not arrive
  bool inside_ = false;
  bool user_open_ = false;  ///< from open() until on_closed or abort()
  bool secured_ = false;    ///< on_open came
  bool ended_ = false;
  bool broken_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::span<const std::uint8_t> input{data, size};
  if (input.empty() || size > 2000) return 0;
  fuzz::restart_random();
  const auto identity = static_cast<Identity>(input[0] / 2 % 5);
  const auto version = input[0] % 2 == 0 ? tls::Version::tls1_2 : tls::Version::tls1_3;
  input = input.subspan(1);
  const bool by_key = identity == Identity::right_key || identity == Identity::wrong_key;
  auto context = tls::ClientContext::create(fuzz::client_config(version, by_key));
  demand(context.has_value());
  Conversation conversation{identity, version, std::move(*context)};
  while (!input.empty()) conversation.event(input);
  conversation.finish();
  return 0;
}
