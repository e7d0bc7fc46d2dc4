#include "harness.hpp"

#include <algorithm>

#include <tapir/core/checksum.hpp>

namespace tapir::fuzz {

namespace {

void put16(std::vector<std::uint8_t>& bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8U);
  bytes[at + 1] = static_cast<std::uint8_t>(value & 0xffU);
}
void append32(std::vector<std::uint8_t>& bytes, std::uint32_t value) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes.push_back(static_cast<std::uint8_t>(value >> shift & 0xffU));
}
void put32(std::vector<std::uint8_t>& bytes, std::size_t at, std::uint32_t value) {
  put16(bytes, at, static_cast<std::uint16_t>(value >> 16U));
  put16(bytes, at + 2, static_cast<std::uint16_t>(value & 0xffffU));
}
/// A signed distance, as one to be added to a number modulo 2^32.
std::uint32_t offset_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint32_t>(static_cast<std::int16_t>(bytes[at] << 8 | bytes[at + 1]));
}

std::unique_ptr<FuzzLink> make_link(FuzzLink*& raw) {
  auto link = std::make_unique<FuzzLink>();
  raw = link.get();
  return link;
}

StackConfig config() {
  StackConfig config;
  config.address = Ipv4Prefix{Ipv4Address{kOwnAddress}, 24};
  config.gateway = Ipv4Address{kPeerAddress};
  config.mac = MacAddress{kOwnMac};
  // Short, so that everything that ends by itself does so within the time that one event or the end of the input can wait.
  config.tcp.msl = std::chrono::seconds{25};
  config.tcp.user_timeout = config.tcp.connect_timeout = config.tcp.fin_wait_2_timeout = std::chrono::seconds{50};
  config.tcp.sleep_after = std::chrono::milliseconds{1};  // connections sleep whenever they can
  return config;
}

}  // namespace

Victim::Victim() : link_{nullptr}, stack_{world_, std::unique_ptr<link::Link>{make_link(link_)}, config()} {
  (void)stack_.arp().add_static(Ipv4Address{kPeerAddress}, MacAddress{kPeerMac});
  for (const bool echo : {true, false}) {
    auto listener = stack_.tcp().listen(echo ? Port{7} : Port{9}, [this, echo](tcp::Connection opened) { hold(std::move(opened), echo); });
    if (listener) listeners_.push_back(std::move(*listener));
  }
  auto socket = stack_.udp().bind({IpAddress{}, Port{7}});
  if (socket) socket_.emplace(std::move(*socket));
  // An active open, so that SYN-SENT is under attack too.
  auto connecting = stack_.tcp().connect({IpAddress{Ipv4Address{kPeerAddress}}, Port{80}},
                                         {.local = {IpAddress{}, Port{1024}}, .settings = {.user_timeout = std::chrono::seconds{10}}});
  if (connecting) hold(std::move(*connecting), true);
  world_.run_for(std::chrono::milliseconds{1});
}

void Victim::hold(tcp::Connection connection, bool answers) {
  if (connections_.size() >= 64) return;
  auto& held = connections_.emplace_back(std::move(connection));
  if (answers) held.handle({.readable = [this, &held] { echo(held); }});
  constexpr std::array kHello{std::byte{'h'}, std::byte{'i'}};
  (void)held.send(kHello);
}

void Victim::echo(tcp::Connection& connection) {
  for (auto slice = connection.receive_slice(); slice; slice = connection.receive_slice()) {
    if (slice->empty()) {
      connection.close();
      return;
    }
    (void)connection.send(std::move(*slice));
  }
}

/// One of the connections, in an order that does not depend on the hash table; what a listener would get if there is none.
tcp::Info Victim::pick(std::uint8_t which) {
  auto all = stack_.tcp().connections();
  if (all.empty()) {
    tcp::Info none;
    none.local = {IpAddress{Ipv4Address{kOwnAddress}}, Port{7}};
    none.remote = {IpAddress{Ipv4Address{kPeerAddress}}, Port{5000}};
    return none;
  }
  std::ranges::sort(all, {}, [](const tcp::Info& info) { return std::pair{info.local, info.remote}; });
  return all[which % all.size()];
}

void Victim::segment(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 9) return;
  const tcp::Info info = pick(bytes[0]);
  const std::size_t option_size =
      std::min<std::size_t>((bytes[8] & 0x0fU) * std::size_t{4}, std::min<std::size_t>(40, (bytes.size() - 9) / 4 * 4));
  std::vector<std::uint8_t> segment(12);
  put16(segment, 0, info.remote.port.value());
  put16(segment, 2, info.local.port.value());
  put32(segment, 4, (info.rcv_nxt + offset_at(bytes, 2)).value());
  put32(segment, 8, (info.snd_nxt + offset_at(bytes, 4)).value());
  segment.push_back(static_cast<std::uint8_t>((20 + option_size) / 4 << 4U));
  segment.push_back(bytes[1]);
  segment.push_back(bytes[6]);
  segment.push_back(bytes[7]);
  segment.insert(segment.end(), {0, 0, 0, bytes[0]});  // checksum, urgent pointer
  segment.insert(segment.end(), bytes.begin() + 9, bytes.end());
  ipv4(6, segment, 16, true);
}

void Victim::error(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 9) return;
  const tcp::Info info = pick(bytes[0]);
  std::vector<std::uint8_t> message{bytes[1], bytes[2], 0, 0, bytes[5], bytes[6], bytes[7], bytes[8]};
  const std::size_t quote = message.size();
  message.insert(message.end(), {0x45, 0, 5, 0xdc, 0, 1, 0x40, 0, 63, 6, 0, 0});
  append32(message, kOwnAddress);
  append32(message, kPeerAddress);
  InternetChecksum header;
  header.add(std::as_bytes(std::span{message}).subspan(quote));
  put16(message, quote + 10, header.value());
  message.resize(message.size() + 8);
  put16(message, quote + 20, info.local.port.value());
  put16(message, quote + 22, info.remote.port.value());
  put32(message, quote + 24, (info.snd_una + offset_at(bytes, 3)).value());
  ipv4(1, message, 2, false);
}

void Victim::call(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 4 || connections_.empty()) return;
  tcp::Connection& connection = connections_[bytes[0] % connections_.size()];
  const auto size = static_cast<std::size_t>(bytes[2]) << 8U | bytes[3];
  switch (bytes[1] % 8) {
    case 0: (void)connection.send(std::vector<std::byte>(size)); break;
    case 1: (void)connection.send_urgent(std::vector<std::byte>(size % 100)); break;
    case 2: (void)connection.receive_slice(); break;
    case 3: (void)connection.shutdown(); break;
    case 4: connection.close(); break;
    case 5: connection.abort(); break;
    case 6: (void)connection.set_keepalive({.on = true, .idle = std::chrono::seconds{1 + size % 100}}); break;
    default: connection.set_receive_buffer(size); break;
  }
  world_.run_for(Duration::zero());
}

void Victim::socket_call(std::span<const std::uint8_t> bytes) {
  if (!sockets_) sockets_.emplace(world_, stack_);
  sockets_->call(bytes);
}

void Victim::frame(std::span<const std::uint8_t> bytes) {
  Packet packet{world_.pool(), bytes.size()};
  packet.append_copy(std::as_bytes(bytes));
  link_->inject(std::move(packet));
  world_.run_for(Duration::zero());
}

void Victim::ethernet(std::uint16_t type, std::span<const std::uint8_t> payload) {
  std::vector<std::uint8_t> bytes(kOwnMac.begin(), kOwnMac.end());
  bytes.insert(bytes.end(), kPeerMac.begin(), kPeerMac.end());
  bytes.resize(14);
  put16(bytes, 12, type);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  frame(bytes);
}

void Victim::datagram(std::span<const std::uint8_t> bytes) {
  std::vector<std::uint8_t> datagram(bytes.begin(), bytes.end());
  const std::size_t header = datagram.empty() ? 0 : std::min<std::size_t>((datagram[0] & 0x0fU) * std::size_t{4}, datagram.size());
  if (header >= 20) {
    put16(datagram, 10, 0);
    InternetChecksum sum;
    sum.add(std::as_bytes(std::span{datagram}).first(header));
    put16(datagram, 10, sum.value());
  }
  ethernet(0x0800, datagram);
}

void Victim::ipv4(std::uint8_t protocol, std::span<const std::uint8_t> payload, std::optional<std::size_t> checksum_at,
                  bool pseudo_header) {
  payload = payload.first(std::min<std::size_t>(payload.size(), 1480));
  std::vector<std::uint8_t> datagram{0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, protocol, 0, 0};
  append32(datagram, kPeerAddress);
  append32(datagram, kOwnAddress);
  put16(datagram, 2, static_cast<std::uint16_t>(20 + payload.size()));
  InternetChecksum header;
  header.add(std::as_bytes(std::span{datagram}));
  put16(datagram, 10, header.value());
  datagram.insert(datagram.end(), payload.begin(), payload.end());
  if (checksum_at && *checksum_at + 2 <= payload.size()) {
    put16(datagram, 20 + *checksum_at, 0);
    InternetChecksum sum;
    sum.add(std::as_bytes(std::span{datagram}).subspan(20));
    if (pseudo_header) {
      InternetChecksum pseudo;
      pseudo.add(std::as_bytes(std::span{datagram}).subspan(12, 8));
      pseudo.add_word(protocol);
      pseudo.add_word(static_cast<std::uint16_t>(payload.size()));
      InternetChecksum both;
      both.add_word(sum.folded());
      both.add_word(pseudo.folded());
      put16(datagram, 20 + *checksum_at, both.value());
    } else {
      put16(datagram, 20 + *checksum_at, sum.value());
    }
  }
  ethernet(0x0800, datagram);
}

}  // namespace tapir::fuzz
