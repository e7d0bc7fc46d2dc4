#include "conversation.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace tapir::fuzz {

namespace {

constexpr Port kService{7};
constexpr std::uint64_t kMostWritten = 200'000;             // bytes a side: an input takes milliseconds
constexpr Duration kLongestRto = std::chrono::seconds{60};  // the largest Config::max_rto
constexpr int kTimeoutsOfSearch = 12;  // until a size is found that the path carries (RFC 4821 section 7.7), each for several timeouts
constexpr Duration kSilence = *kKeepalive.idle + *kKeepalive.interval * *kKeepalive.probes;
constexpr std::array<Ipv4Address, 2> kAddresses{Ipv4Address{0xc0000201}, Ipv4Address{0xc0000202}};
constexpr std::array<MacAddress, 2> kHardware{MacAddress{{2, 0, 0, 0, 0, 1}}, MacAddress{{2, 0, 0, 0, 0, 2}}};

/// Byte `at` of the stream that `side` writes: no shift of a stream looks like the stream.
std::byte content(std::size_t side, std::uint64_t at) noexcept {
  std::uint64_t mixed = (at + 1) * 0x9e37'79b9'7f4a'7c15ULL + side;
  mixed ^= mixed >> 29U;
  mixed *= 0xbf58'476d'1ce4'e5b9ULL;
  return static_cast<std::byte>(mixed >> 56U);
}

}  // namespace

Conversation::Conversation(std::span<const std::uint8_t, kOptions> options) : options_{options}, cable_{world_, options_.cable} {
  for (std::size_t i = 0; i < 2; ++i) {
    StackConfig stack{.address = Ipv4Prefix{kAddresses[i], 24}, .mac = kHardware[i]};
    stack.tcp = options_.tcp[i];
    const tcp::Settings& settings = i == 0 ? options_.connect.settings : options_.listen.settings;
    limit(sides_[i], stack.tcp.user_timeout);
    if (stack.tcp.user_timeout_option.enabled) limit(sides_[i], stack.tcp.user_timeout_option.upper);
    if (settings.keepalive.on) limit(sides_[i], kSilence);
    sides_[i].probes_path = stack.tcp.mtu_probing.mode != tcp::MtuProbingMode::off;
    sides_[i].stack.emplace(world_, cable_.end(i == 0 ? sim::End::left : sim::End::right), stack);
    (void)sides_[i].stack->arp().add_static(kAddresses[1 - i], kHardware[1 - i]);
  }
  cable_.filter([this](sim::End from, std::span<const std::byte> frame) { return meet(from, frame.size()); });
  auto listening = sides_[1].stack->tcp().listen(
      kService,
      [this](tcp::Connection accepted) {
        // What the other end still sends of a connection that this one has given up brings the cookie again.
        if (sides_[1].broken && options_.tcp[1].syn_cookies == tcp::SynCookiePolicy::always) return accepted.abort();
        refused_ = sides_[1].stack->tcp().stats().out_rsts > 0;
        if (!first_) attach(sides_[1], std::move(accepted));
      },
      options_.listen);
  if (!listening) fail("nobody listens");
  listener_ = std::move(*listening);
  if (options_.first_for_cookie) fetch_cookie();
  auto opened = sides_[0].stack->tcp().connect({kAddresses[1], kService}, options_.connect);
  if (!opened) fail("no connection");
  attach(sides_[0], std::move(*opened));
}

void Conversation::limit(Side& side, Duration patience) {
  if (patience < kPatience) side.patience = std::max(side.patience.value_or(Duration{}), patience);
}

/// RFC 7413 section 4.1.1: a connection of its own.
void Conversation::fetch_cookie() {
  constexpr std::chrono::seconds kEnough{4};
  auto opened = sides_[0].stack->tcp().connect({kAddresses[1], kService}, options_.connect);
  if (!opened) fail("no connection for a cookie");
  first_ = std::move(*opened);
  world_.run_for(kEnough);
  *first_ = {};
  world_.run_for(kEnough);
  first_.reset();
}

void Conversation::attach(Side& side, tcp::Connection connection) {
  if (side.connection) fail("a second connection");
  side.connection = std::move(connection);
  side.connection.handle({.readable =
                              [this, &side] {
                                if (side.eager) read(side, kMostWritten, false);
                              },
                          .closed = [this, &side](std::error_code why) { closed(side, why); }});
}

void Conversation::closed(Side& side, std::error_code why) {
  const Side& other = peer(side);
  if (!why) {
    if (!side.shut || !(other.shut || other.broken)) fail("the connection ended early");
    return;
  }
  const bool gave_up = why == Error::timed_out && side.patience && lost_within(*side.patience + kLongestRto);
  // A cookie, when its ACK was lost, is a connection of which only one end knows, and after a while none. When it was overtaken by what was sent later, that
  // is refused: it brings no cookie. It may still open the other end before the refusal has arrived.
  const bool cookies = options_.tcp[1].syn_cookies == tcp::SynCookiePolicy::always;
  const bool forgotten = cookies && (other.connection ? refused_ : last_loss_ || overtaking_);
  // Who has everything stays in TIME-WAIT to say so, and not for ever: an acknowledgment that is lost again and again is asked for once more when nobody is there.
  const bool waited_out = last_loss_ && other.ended && other.connection.state() == tcp::State::closed;
  if (!gave_up && !(why == Error::connection_reset && (other.broken || forgotten || waited_out)))
    fail(("the connection ended: " + why.message()).c_str());
  side.broken = true;
}

/// What a frame of so many bytes meets on the cable.
sim::Verdict Conversation::meet(sim::End from, std::size_t frame) {
  constexpr std::size_t kFraming = 14 + 4;
  note_losses();
  last_frame_ = world_.now();
  if (options_.black_hole != 0 && frame > options_.black_hole + kFraming) return sim::Verdict::drop;
  unsigned& left = drops_[from == sim::End::left ? 0 : 1];
  if (left == 0) return sim::Verdict::pass;
  --left;
  return sim::Verdict::drop;
}

std::uint64_t Conversation::losses() const {
  std::uint64_t sum = 0;
  for (const sim::End end : {sim::End::left, sim::End::right}) {
    const sim::CableStats& stats = cable_.stats(end);
    sum += stats.filtered + stats.lost + stats.corrupted + stats.unplugged;
  }
  return sum;
}

/// What the cable lost since it was looked at before, it lost when the latest frame came.
void Conversation::note_losses() {
  if (const std::uint64_t now = losses(); now != losses_) {
    losses_ = now;
    last_loss_ = last_frame_;
  }
}

bool Conversation::lost_within(Duration time) {
  note_losses();
  return last_loss_ && world_.now() - *last_loss_ <= time;
}

void Conversation::event(std::span<const std::uint8_t, kEvent> bytes) {
  const auto [what, a, b, c] = std::array{bytes[0], bytes[1], bytes[2], bytes[3]};
  Side& one = side(what >> 7U);
  const std::size_t size = static_cast<std::size_t>(b) << 8U | c;
  switch (what % 16) {
    case 0:
    case 1: write(one, size, a); break;
    case 2: read(one, size + 1, bit(a, 0)); break;
    case 3: one.eager = bit(a, 0); break;
    case 4:
    case 5: disturb(a, b, c); break;
    case 6: drop_next(a, b); break;
    case 7:
      note_losses();
      last_frame_ = world_.now();  // what is on its way
      cable_.cut(cut_ = !cut_);
      break;
    case 8:
    case 9: change(one, a, c); break;
    case 10:
      if (one.connection && one.connection.shutdown()) one.shut = true;
      break;
    case 11: world_.run_for(std::chrono::microseconds{size * 10}); break;
    case 12: change_limits(one, a, c); break;
    default: break;
  }
  world_.run_for(std::chrono::milliseconds{(what >> 4U & 7U) < 4 ? a % 4 : a * std::size_t{a}});  // to 65 s
}

void Conversation::write(Side& side, std::size_t size, std::uint8_t how) {
  if (!side.connection || side.written >= kMostWritten) return;
  std::vector<std::byte> text(std::max<std::size_t>(size, 1));
  const auto number = static_cast<std::size_t>(&side - sides_.data());
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = content(number, side.written + i);
  Result<std::size_t> taken = 0;
  switch (how / 16 % 4) {
    case 0: taken = side.connection.send(text); break;
    case 1: taken = side.connection.send_more(text); break;
    case 2: taken = side.connection.send(world_.pool().copy(text)); break;
    default: taken = side.connection.send_urgent(text); break;
  }
  if (!taken) return;
  if (*taken > text.size()) fail("more was taken than was given");
  if (*taken > 0 && side.shut) fail("a write after the shutdown was taken");
  side.written += *taken;
}

void Conversation::read(Side& side, std::size_t size, bool slices) {
  while (side.connection && size > 0 && !side.ended) {
    if (slices) {
      const auto slice = side.connection.receive_slice();
      if (!slice) return;
      side.ended = slice->empty();
      check(side, slice->bytes());
      size -= std::min(size, slice->size());
      continue;
    }
    std::array<std::byte, 5'000> buffer{};
    const auto room = std::span{buffer}.first(std::min(size, buffer.size()));
    const auto count = side.connection.receive(room);
    if (!count) return;
    side.ended = *count == 0;
    check(side, room.first(*count));
    size -= *count;
  }
}

void Conversation::check(const Side& side, std::span<const std::byte> bytes) {
  Side& writer = peer(side);
  Side& reader = peer(writer);
  const auto number = static_cast<std::size_t>(&writer - sides_.data());
  for (const std::byte byte : bytes) {
    if (byte != content(number, reader.read)) fail("a byte that nobody wrote there");
    ++reader.read;
  }
  if (reader.read > writer.written) fail("more was read than written");
  if (reader.ended && (!writer.shut || reader.read != writer.written)) fail("the stream ended early");
}

void Conversation::disturb(std::uint8_t direction, std::uint8_t a, std::uint8_t b) {
  link::FaultConfig faults;
  switch (a & 7U) {
    case 0: faults.loss = b / 300.0; break;
    case 1: faults.duplication = b / 256.0; break;
    case 2: faults.corruption = b / 300.0; break;
    case 3:
      faults.reordering = b / 256.0;
      faults.reordering_delay = std::chrono::milliseconds{a};
      break;
    case 4: faults.delay = std::chrono::milliseconds{b * 4}; break;
    case 5: faults.jitter = std::chrono::milliseconds{b}; break;
    case 6: faults = {.loss = a / 1024.0, .duplication = b / 1024.0, .corruption = 0.02, .reordering = b / 512.0}; break;
    default: break;
  }
  overtaking_ = overtaking_ || faults.reordering > 0 || faults.jitter > Duration{} || faults.delay > Duration{};
  if (bit(direction, 0)) cable_.set_faults(sim::End::left, faults);
  if (bit(direction, 1) || !bit(direction, 0)) cable_.set_faults(sim::End::right, faults);
}

void Conversation::change(Side& side, std::uint8_t what, std::uint8_t value) {
  tcp::Connection& connection = side.connection;
  switch (what % 11) {
    case 0: connection.set_nagle(bit(value, 0)); break;
    case 1: connection.set_cork(bit(value, 0)); break;
    case 2: connection.push(); break;
    case 3: connection.set_receive_buffer(std::size_t{1} << value % 18); break;
    case 4: connection.set_send_buffer(std::size_t{1} << value % 18); break;
    case 5: connection.set_max_segment(bit(value, 0) ? std::optional{static_cast<std::uint16_t>(88 + value * 8)} : std::nullopt); break;
    case 6: connection.set_not_sent_low(bit(value, 0) ? std::optional{value * 16U} : std::nullopt); break;
    case 7: connection.end_record(); break;
    case 8: connection.set_quick_ack(bit(value, 0)); break;
    case 9: (void)connection.set_congestion_control(std::array{"cubic", "newreno", "bbr"}[value % 3]); break;
    default: connection.set_dont_fragment(bit(value, 0)); break;
  }
}

void Conversation::change_limits(Side& side, std::uint8_t what, std::uint8_t value) {
  tcp::Connection& connection = side.connection;
  if (!connection || side.broken) return;
  const Duration timeout = kUserTimeouts[value % kUserTimeouts.size()];
  const tcp::UserTimeoutOption option{.enabled = bit(value, 0),
                                      .changeable = bit(value, 1) ? std::optional{bit(value, 2)} : std::nullopt,
                                      .advertised = bit(value, 3) ? std::optional{kUserTimeouts[1]} : std::nullopt};
  Result<> done;
  switch (what % 6) {
    case 0:
      done = connection.set_keepalive(bit(value, 0) ? kKeepalive : tcp::Keepalive{});
      limit(side, kSilence);
      break;
    case 1:
      side.probes_path = side.probes_path && value % kMtuModes.size() != 0;
      done = connection.set_mtu_probing(tcp::MtuProbing{.mode = kMtuModes[value % kMtuModes.size()]});
      break;
    case 2:
      limit(side, timeout);
      done = connection.set_user_timeout(timeout);
      break;
    case 3:
      if (option.enabled) limit(side, option.upper);
      done = connection.set_user_timeout_option(option);
      break;
    case 4: connection.set_window_clamp(bit(value, 0) ? std::optional{value * 32U} : std::nullopt); break;
    default: connection.set_max_pacing_rate(bit(value, 0) ? std::optional{value * std::uint64_t{1'000}} : std::nullopt); break;
  }
  if (!done) fail("an option was refused");
}

void Conversation::drop_next(std::uint8_t direction, std::uint8_t count) { drops_[direction % 2] = count % 64; }

namespace {
/// How long a full queue of the cable takes to leave, and a frame behind it.
Duration drain_time(const sim::CableConfig& cable) {
  if (cable.rate_bits_per_second == 0) return {};
  const double bits = 8.0 * static_cast<double>(cable.queue_bytes + cable.mtu);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>{bits / static_cast<double>(cable.rate_bits_per_second)});
}
}  // namespace

/// How long it may be quiet: the retransmission timers as they are, before each a tail loss probe, from which on they run anew (RFC 8985 section 7.3), and
/// what an acknowledgment or a small segment may wait for. Probes of a closed window come ever more seldom (RFC 9293 section 3.8.6.1),
/// and who is paced leaves two segments at a time, at a rate that may be low, and a tail loss probe that does not wait for its turn (RFC 8985 section 7.3), behind
/// which the next ones wait all the longer; one of them may be a probe of the path, as large as the link takes.
/// What is sent again stands behind all that the cable still holds, though it may be lost at its end, and so did what it replaces: the timers know
/// nothing of that before something has arrived.
Duration Conversation::longest_timer() const {
  Duration longest{};
  double paced = 0;  // seconds
  for (const Side& side : sides_) {
    if (!side.connection) return 2 * kLongestRto + std::chrono::seconds{2};
    const tcp::Info info = side.connection.info();
    Duration timer = info.rto;
    for (std::uint32_t i = 0; i < info.probe_backoffs && timer < kLongestRto; ++i) timer *= 2;
    longest = std::max(longest, std::min(timer, kLongestRto));
    if (info.pacing_rate) paced = std::max(paced, 3.0 * static_cast<double>(options_.cable.mtu) / static_cast<double>(*info.pacing_rate));
  }
  return 2 * longest + std::chrono::seconds{2} + std::chrono::duration_cast<Duration>(std::chrono::duration<double>{paced}) +
         2 * drain_time(options_.cable);
}

bool Conversation::over() const { return over(sides_[0]) && over(sides_[1]); }

bool Conversation::over(const Side& side) const {
  if (side.broken) return true;
  // Of one who has said all, and waits for what the other still says, nobody learns that there is no other any more.
  if (peer(side).broken) return !side.connection || side.ended || side.connection.state() == tcp::State::fin_wait_2;
  return side.connection && side.ended && side.connection.unacknowledged() == 0;
}

void Conversation::finish() {
  cable_.cut(false);
  cable_.set_faults({});
  drops_ = {};
  if (!sides_[0].probes_path || !sides_[1].probes_path) options_.black_hole = 0;
  const auto tend = [this] {
    for (Side& side : sides_) {
      side.eager = true;
      read(side, kMostWritten, false);
      if (side.connection && !side.shut && side.connection.shutdown()) side.shut = true;
    }
  };
  for (Side& side : sides_) {
    side.connection.set_cork(false);
    side.connection.set_receive_buffer(131'072);
    side.connection.set_window_clamp(std::nullopt);
    side.connection.set_max_pacing_rate(std::nullopt);
    side.connection.set_max_segment(std::nullopt);
  }
  // What went into the void before may have backed every timer off.
  Duration limit = kLongestRto + std::chrono::seconds{2};
  for (int steps = 0; !over(); ++steps) {
    tend();
    const auto progress = [this] {
      return std::array{sides_[0].read,
                        sides_[1].read,
                        std::uint64_t{sides_[0].connection.unacknowledged()},
                        std::uint64_t{sides_[1].connection.unacknowledged()},
                        std::uint64_t{sides_[0].ended},
                        std::uint64_t{sides_[1].ended},
                        static_cast<std::uint64_t>(sides_[0].connection.state()),
                        static_cast<std::uint64_t>(sides_[1].connection.state())};
    };
    const auto before = progress();
    if (options_.black_hole != 0) limit *= kTimeoutsOfSearch;
    if (!world_.run_until([&] { return progress() != before || over(); }, limit)) fail("nothing moves");
    if (world_.stuck_at()) fail("time stands still");
    limit = longest_timer();
    if (steps > 1'000'000) fail("no end");
  }
  for (const Side& side : sides_) {
    if (!side.broken && !peer(side).broken && side.read != peer(side).written) fail("bytes are missing");
  }
}

void Conversation::fail(const char* what) const {
  std::fprintf(stderr, "%s at %.6f s\n", what, std::chrono::duration<double>(world_.now().time_since_epoch()).count());
  for (const Side& side : sides_) {
    const tcp::Info info = side.connection.info();
    std::fprintf(
        stderr,
        "wrote %llu read %llu, state %d, una %u nxt %u snd_wnd %u, rcv_nxt %u rcv_wnd %u, cwnd %u in flight %u unsent %zu, rto %.3f s, "
        "%u backoffs, %u probes, %zu unread, pacing %llu bytes/s\n",
        static_cast<unsigned long long>(side.written), static_cast<unsigned long long>(side.read), static_cast<int>(info.state),
        info.snd_una.value(), info.snd_nxt.value(), info.snd_wnd, info.rcv_nxt.value(), info.rcv_wnd, info.cwnd, info.in_flight,
        info.unsent, std::chrono::duration<double>(info.rto).count(), info.backoffs, info.probe_backoffs, info.unread,
        static_cast<unsigned long long>(info.pacing_rate.value_or(0)));
  }
  std::abort();
}

}  // namespace tapir::fuzz
