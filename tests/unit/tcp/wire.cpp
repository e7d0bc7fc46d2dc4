#include "wire.hpp"

#include <catch2/catch.hpp>

#include <tins/rawpdu.h>
#include <tins/tcp.h>

#include <array>
#include <chrono>
#include <span>
#include <utility>

namespace tapir::test {

namespace {
void put16(Bytes& bytes, std::uint32_t value) {
  bytes.push_back(static_cast<std::byte>(value >> 8U & 0xffU));
  bytes.push_back(static_cast<std::byte>(value & 0xffU));
}
void put32(Bytes& bytes, std::uint32_t value) {
  put16(bytes, value >> 16U);
  put16(bytes, value);
}
/// The sum of RFC 9293 section 3.1 over pseudo-header and segment, in the plainest way; 0xffff when the segment's own checksum is right.
std::uint16_t sum_of(const Bytes& segment, IpAddress source, IpAddress destination) {
  Bytes all;
  put32(all, source.v4().value());
  put32(all, destination.v4().value());
  put16(all, 6);
  put16(all, static_cast<std::uint32_t>(segment.size()));
  all.insert(all.end(), segment.begin(), segment.end());
  if (all.size() % 2 != 0) all.push_back(std::byte{0});
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < all.size(); i += 2) {
    sum += std::to_integer<std::uint32_t>(all[i]) << 8U | std::to_integer<std::uint32_t>(all[i + 1]);
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return static_cast<std::uint16_t>(sum);
}

Heard read(const FakeNetwork::Sent& sent) {
  Heard heard;
  REQUIRE(sent.packet.size() >= 20);
  REQUIRE(sum_of(sent.packet, sent.source, sent.to.destination) == 0xffff);
  const Tins::TCP tins{reinterpret_cast<const std::uint8_t*>(sent.packet.data()), static_cast<std::uint32_t>(sent.packet.size())};
  heard.from = {sent.source, Port{tins.sport()}};
  heard.to = {sent.to.destination, Port{tins.dport()}};
  heard.seq = SeqNum{tins.seq()};
  heard.ack = SeqNum{tins.ack_seq()};
  heard.flags = static_cast<Flags>(tins.flags() & 0xffU);
  heard.window = tins.window();
  heard.urgent = tins.urg_ptr();
  heard.reserved = std::to_integer<std::uint8_t>(sent.packet[12]) & 0x0fU;
  const auto header = static_cast<std::ptrdiff_t>(tins.data_offset()) * 4;
  heard.options.assign(sent.packet.begin() + 20, sent.packet.begin() + header);
  heard.payload.assign(sent.packet.begin() + header, sent.packet.end());
  heard.ip = sent.to;
  heard.ip_options = sent.options;
  return heard;
}
}  // namespace

std::string stream(std::size_t size, std::size_t from) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('!' + ((from + i) * 7 + (from + i) / 89) % 89);
  return text;
}

std::string text_of(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

Bytes mss_option(std::uint16_t mss, bool sack_permitted) {
  Bytes bytes{std::byte{2}, std::byte{4}};
  put16(bytes, mss);
  if (sack_permitted) bytes.insert(bytes.end(), {std::byte{4}, std::byte{2}});
  return bytes;
}

Bytes sack_option(const std::vector<std::pair<SeqNum, SeqNum>>& blocks) {
  Bytes bytes{std::byte{1}, std::byte{1}, std::byte{5}, static_cast<std::byte>(2 + 8 * blocks.size())};
  for (const auto& [begin, end] : blocks) {
    put32(bytes, begin.value());
    put32(bytes, end.value());
  }
  return bytes;
}

network::ErrorReport too_big(const Peer& peer, const Bytes& quoted, std::uint16_t mtu) {
  return {.kind = network::ErrorKind::fragmentation_needed,
          .type = 3,
          .code = 4,
          .reporter = IpAddress{Ipv4Address{0xc0000209U}},
          .source = peer.us.address,
          .destination = peer.them.address,
          .next_hop_mtu = mtu,
          .transport = std::span{quoted}.first(8)};
}

void fix_checksum(Bytes& segment, IpAddress source, IpAddress destination) {
  segment[16] = segment[17] = std::byte{0};
  const auto sum = static_cast<std::uint16_t>(~sum_of(segment, source, destination));
  segment[16] = static_cast<std::byte>(sum >> 8U);
  segment[17] = static_cast<std::byte>(sum & 0xffU);
}

Wire::Wire(tcp::Config config) : tcp{lab.context, network, std::move(config)} {}

std::vector<Heard> Wire::hear() {
  lab.advance(Duration::zero());
  std::vector<Heard> all;
  for (const auto& sent : network.take()) all.push_back(read(sent));
  for (auto& heard : all) heard.at = lab.scheduler.now();
  return all;
}

Accepted Wire::inject(const Bytes& segment, IpAddress source, IpAddress destination) {
  return network.inject(segment, FakeNetwork::received(network::Protocol::tcp, source, destination));
}

State Wire::state(const Endpoint& local, const Endpoint& remote) const {
  for (const auto& info : tcp.connections()) {
    if (info.local == local && info.remote == remote) return info.state;
  }
  return State::closed;
}

Bytes Peer::bytes(const Say& say) const {
  Bytes options = say.options;
  options.resize((options.size() + 3) / 4 * 4);
  Bytes segment;
  put16(segment, them.port.value());
  put16(segment, us.port.value());
  put32(segment, say.seq.value_or(nxt).value());
  put32(segment, tcp::has(say.flags, Flags::ack) ? say.ack.value_or(rcv).value() : 0);
  segment.push_back(static_cast<std::byte>((5 + options.size() / 4) << 4U));
  segment.push_back(static_cast<std::byte>(say.flags));
  put16(segment, say.window.value_or(window));
  put16(segment, 0);
  put16(segment, say.urgent);
  segment.insert(segment.end(), options.begin(), options.end());
  for (const char c : say.payload) segment.push_back(static_cast<std::byte>(c));
  fix_checksum(segment, them.address, us.address);
  return segment;
}

Accepted Peer::say(const Say& say) {
  const Bytes segment = bytes(say);
  if (!say.seq) {
    nxt += static_cast<std::uint32_t>(say.payload.size()) + (tcp::has(say.flags, Flags::syn) ? 1U : 0U) +
           (tcp::has(say.flags, Flags::fin) ? 1U : 0U);
  }
  if (say.window) window = *say.window;
  return wire_->inject(segment, them.address, us.address);
}

std::vector<Heard> Peer::hear() {
  std::vector<Heard> mine;
  for (auto& heard : wire_->hear()) {
    CHECK(heard.to == them);
    CHECK(heard.from == us);
    if (heard.has(Flags::syn)) rcv = heard.seq;
    if (heard.seq <= rcv && heard.end() > rcv) rcv = heard.end();
    mine.push_back(std::move(heard));
  }
  return mine;
}

Heard Peer::hear_one() {
  auto all = hear();
  REQUIRE(all.size() == 1);
  return std::move(all.front());
}

std::string Peer::drain() {
  std::string text;
  const SeqNum begin = rcv;
  for (int idle = 0; idle < 3;) {
    const auto all = hear();
    idle = all.empty() ? idle + 1 : 0;
    for (const auto& heard : all) {
      if (heard.payload.empty() || heard.seq < begin) continue;
      const std::size_t at = tcp::distance(begin, heard.seq);
      if (text.size() < at + heard.payload.size()) text.resize(at + heard.payload.size());
      text.replace(at, heard.payload.size(), text_of(heard.payload));
    }
    acknowledge();
    if (all.empty()) wire_->advance(std::chrono::milliseconds{250});
  }
  return text;
}

tcp::Events App::events() {
  return {.connected = [this] { ++connected; },
          .readable = [this] { ++readable; },
          .writable = [this] { ++writable; },
          .acknowledged = [this] { ++acknowledged; },
          .peer_closed = [this] { ++peer_closed; },
          .urgent = [this] { ++urgent; },
          .closed =
              [this](std::error_code why) {
                ++closed;
                error = why;
              },
          .soft_error = [this](const tcp::SoftError& soft) { soft_errors.push_back(soft); },
          .stalled = [this](std::uint32_t count) { stalled.push_back(count); }};
}

Conversation::Conversation(const ConversationOptions& options, State state) : Wire{options.config}, peer{*this, kService} {
  network.mtu = options.mtu;
  peer.window = options.window;
  if (options.passive) {
    open_passive(options, state);
  } else {
    open_active(options, state);
  }
}

void Conversation::open_active(const ConversationOptions& options, State state) {
  auto opened = tcp.connect(peer.them, {.settings = options.settings});
  REQUIRE(opened);
  connection = std::move(*opened);
  connection.handle(app.events());
  peer.us.port = connection.local().port;
  REQUIRE(peer.hear_one().flags == kSyn);
  if (state == State::syn_sent) return;
  const Bytes mss = options.peer_mss ? mss_option(*options.peer_mss) : Bytes{};
  if (state == State::syn_received) {  // a simultaneous open
    REQUIRE(peer.say({.flags = kSyn, .options = mss}));
    REQUIRE(peer.hear_one().flags == kSynAck);
    REQUIRE(connection.state() == State::syn_received);
    return;
  }
  REQUIRE(peer.say({.flags = kSynAck, .options = mss}));
  REQUIRE(peer.hear_one().pure_ack());
  move_on(state);
}

void Conversation::open_passive(const ConversationOptions& options, State state) {
  auto opened = tcp.listen(kService, {}, {.settings = options.settings});
  REQUIRE(opened);
  listener = std::move(*opened);
  if (state == State::listen) return;
  REQUIRE(peer.say({.flags = kSyn, .options = options.peer_mss ? mss_option(*options.peer_mss) : Bytes{}}));
  REQUIRE(peer.hear_one().flags == kSynAck);
  if (state == State::syn_received) return;
  REQUIRE(peer.say({}));
  REQUIRE(peer.quiet());
  auto accepted = listener.accept();
  REQUIRE(accepted);
  connection = std::move(*accepted);
  connection.handle(app.events());
  move_on(state);
}

void Conversation::move_on(State state) {
  REQUIRE(connection.state() == State::established);
  const bool peer_first = state == State::close_wait || state == State::last_ack;
  if (peer_first) {
    REQUIRE(peer.say({.flags = kFinAck}));
    advance(std::chrono::milliseconds{500});
    REQUIRE(peer.hear_one().pure_ack());
  }
  if (state != State::established && state != State::close_wait) {
    REQUIRE(connection.shutdown());
    REQUIRE(peer.hear_one().has(Flags::fin));
  }
  if (state == State::fin_wait_2) REQUIRE(peer.say({}));
  if (state == State::closing) {
    REQUIRE(peer.say({.flags = kFinAck, .ack = peer.rcv - 1U}));
    REQUIRE(peer.hear_one().pure_ack());
  }
  if (state == State::time_wait) {
    REQUIRE(peer.say({.flags = kFinAck}));
    REQUIRE(peer.hear_one().pure_ack());
  }
  REQUIRE(peer.quiet());
  REQUIRE(connection.state() == state);
}

void Conversation::write(std::string_view text) {
  const auto sent = connection.send(std::as_bytes(std::span{text}));
  REQUIRE(sent);
  REQUIRE(*sent == text.size());
}

std::string Conversation::read() {
  lab.advance(Duration::zero());
  std::string text;
  std::array<std::byte, 4096> buffer{};
  while (true) {
    const auto count = connection.receive(buffer);
    if (!count || *count == 0) return text;
    text.append(reinterpret_cast<const char*>(buffer.data()), *count);
  }
}

bool Conversation::at_end() {
  std::array<std::byte, 1> one{};
  const auto count = connection.receive(one);
  return count && *count == 0;
}

}  // namespace tapir::test
