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
constexpr Duration kPatience = std::chrono::hours{1'000};   // no connection gives up before its input is over
constexpr std::array<Ipv4Address, 2> kAddresses{Ipv4Address{0xc0000201}, Ipv4Address{0xc0000202}};
constexpr std::array<MacAddress, 2> kHardware{MacAddress{{2, 0, 0, 0, 0, 1}}, MacAddress{{2, 0, 0, 0, 0, 2}}};

/// Byte `at` of the stream that `side` writes: no shift of a stream looks like the stream.
std::byte content(std::size_t side, std::uint64_t at) noexcept {
  std::uint64_t mixed = (at + 1) * 0x9e37'79b9'7f4a'7c15ULL + side;
  mixed ^= mixed >> 29U;
  mixed *= 0xbf58'476d'1ce4'e5b9ULL;
  return static_cast<std::byte>(mixed >> 56U);
}

bool bit(std::uint8_t byte, unsigned number) noexcept { return (byte >> number & 1U) != 0; }

tcp::Config config(std::uint8_t a, std::uint8_t b, std::uint8_t c) {
  tcp::Config config;
  config.timestamps = !bit(a, 0);
  config.require_timestamps = !bit(a, 1);
  config.sack = !bit(a, 2);
  config.dsack = !bit(a, 3);
  config.window_scaling = !bit(a, 4);
  config.recovery.rack = !bit(a, 5);
  config.recovery.tail_loss_probe = !bit(a, 6);
  config.recovery.frto = !bit(a, 7);
  config.congestion_control = std::array{"cubic", "newreno", "bbr", "cubic"}[b & 3U];
  config.split_below = bit(b, 2);
  config.pacing = bit(b, 3);
  config.ecn = static_cast<tcp::EcnMode>((b >> 4U & 3U) % 3);
  config.recovery.limited_transmit = !bit(b, 6);
  config.hystart = !bit(b, 7);
  config.receive_buffer = std::array{std::size_t{131'072}, std::size_t{20'000}, std::size_t{3'000}, std::size_t{600}}[c & 3U];
  config.send_buffer = std::array{std::size_t{262'144}, std::size_t{20'000}, std::size_t{2'000}, std::size_t{1}}[c >> 2U & 3U];
  config.min_rto =
      std::array{std::chrono::milliseconds{1'000}, std::chrono::milliseconds{200}, std::chrono::milliseconds{1}}[(c >> 4U & 3U) % 3];
  config.sleep_after = (c >> 4U & 3U) == 3 ? Duration::zero() : std::chrono::milliseconds{1};
  if (bit(c, 6)) config.ack_delay = Duration{};
  if (bit(c, 7)) config.memory_limit = 60'000;
  config.user_timeout = config.connect_timeout = config.fin_wait_2_timeout = kPatience;
  return config;
}

sim::CableConfig cable(std::uint8_t a, std::uint8_t b) {
  return {.delay = std::chrono::microseconds{1U << (a & 0x0fU)} * 10,  // 10 us to 0.3 s
          .rate_bits_per_second =
              std::array{std::uint64_t{0}, std::uint64_t{100'000'000}, std::uint64_t{1'000'000}, std::uint64_t{64'000}}[b & 3U],
          .queue_bytes = std::array{std::size_t{262'144}, std::size_t{30'000}, std::size_t{4'000}, std::size_t{1'600}}[b >> 2U & 3U],
          .mtu = std::array{std::size_t{1500}, std::size_t{576}, std::size_t{1280}, std::size_t{9000}}[b >> 4U & 3U]};
}

}  // namespace

Conversation::Conversation(std::span<const std::uint8_t, kOptions> options) : cable_{world_, cable(options[6], options[7])} {
  for (std::size_t i = 0; i < 2; ++i) {
    StackConfig stack{.address = Ipv4Prefix{kAddresses[i], 24}, .mac = kHardware[i]};
    stack.tcp = config(options[i * 3], options[i * 3 + 1], options[i * 3 + 2]);
    sides_[i].stack.emplace(world_, cable_.end(i == 0 ? sim::End::left : sim::End::right), stack);
    (void)sides_[i].stack->arp().add_static(kAddresses[1 - i], kHardware[1 - i]);
  }
  cable_.filter([this](sim::End from, std::span<const std::byte>) {
    unsigned& left = drops_[from == sim::End::left ? 0 : 1];
    if (left == 0) return sim::Verdict::pass;
    --left;
    return sim::Verdict::drop;
  });
  auto listening = sides_[1].stack->tcp().listen(kService, [this](tcp::Connection accepted) { attach(sides_[1], std::move(accepted)); });
  auto opened = sides_[0].stack->tcp().connect({kAddresses[1], kService});
  if (!listening || !opened) fail("no connection");
  listener_ = std::move(*listening);
  attach(sides_[0], std::move(*opened));
}

void Conversation::attach(Side& side, tcp::Connection connection) {
  if (side.connection) fail("a second connection");
  side.connection = std::move(connection);
  side.connection.handle({.readable =
                              [this, &side] {
                                if (side.eager) read(side, kMostWritten, false);
                              },
                          .closed =
                              [this, &side](std::error_code why) {
                                if (why) fail(("the connection ended: " + why.message()).c_str());
                                if (!side.shut || !peer(side).shut) fail("the connection ended early");
                              }});
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
    case 7: cable_.cut(cut_ = !cut_); break;
    case 8:
    case 9: change(one, a, c); break;
    case 10:
      if (one.connection && one.connection.shutdown()) one.shut = true;
      break;
    case 11: world_.run_for(std::chrono::microseconds{size * 10}); break;
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

void Conversation::drop_next(std::uint8_t direction, std::uint8_t count) { drops_[direction % 2] = count % 64; }

/// How long it may be quiet: the retransmission timers as they are, before each a tail loss probe, from which on they run anew (RFC 8985 section 7.3), and
/// what an acknowledgment or a small segment may wait for. Probes of a closed window come ever more seldom (RFC 9293 section 3.8.6.1),
/// and who is paced leaves two segments at a time, at a rate that may be low.
Duration Conversation::longest_timer() const {
  Duration longest{};
  double paced = 0;  // seconds
  for (const Side& side : sides_) {
    if (!side.connection) return 2 * kLongestRto + std::chrono::seconds{2};
    const tcp::Info info = side.connection.info();
    Duration timer = info.rto;
    for (std::uint32_t i = 0; i < info.probe_backoffs && timer < kLongestRto; ++i) timer *= 2;
    longest = std::max(longest, std::min(timer, kLongestRto));
    if (info.pacing_rate) paced = std::max(paced, 2.0 * info.mss / static_cast<double>(*info.pacing_rate));
  }
  return 2 * longest + std::chrono::seconds{2} + std::chrono::duration_cast<Duration>(std::chrono::duration<double>{paced});
}

bool Conversation::over() const {
  return std::ranges::all_of(sides_,
                             [](const Side& side) { return side.connection && side.ended && side.connection.unacknowledged() == 0; });
}

void Conversation::finish() {
  cable_.cut(false);
  cable_.set_faults({});
  drops_ = {};
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
    if (!world_.run_until([&] { return progress() != before || over(); }, limit)) fail("nothing moves");
    if (world_.stuck_at()) fail("time stands still");
    limit = longest_timer();
    if (steps > 1'000'000) fail("no end");
  }
  for (const Side& side : sides_) {
    if (side.read != sides_[&side == &sides_[0] ? 1 : 0].written) fail("bytes are missing");
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
