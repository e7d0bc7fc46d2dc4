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
  return config;
}

}  // namespace

Victim::Victim() : link_{nullptr}, stack_{world_, std::unique_ptr<link::Link>{make_link(link_)}, config()} {
  (void)stack_.arp().add_static(Ipv4Address{kPeerAddress}, MacAddress{kPeerMac});
  auto listener = stack_.tcp().listen(Port{7}, [this](tcp::Connection connection) {
    if (connections_.size() >= 64) return;
    connections_.push_back(std::move(connection));
    auto& held = connections_.back();
    const std::array hello{std::byte{'h'}, std::byte{'i'}};
    (void)held.send(hello);
  });
  if (listener) listener_.emplace(std::move(*listener));
  auto socket = stack_.udp().bind({IpAddress{}, Port{7}});
  if (socket) socket_.emplace(std::move(*socket));
  // An active open, so that SYN-SENT is under attack too.
  auto connecting = stack_.tcp().connect({IpAddress{Ipv4Address{kPeerAddress}}, Port{80}});
  if (connecting) connections_.push_back(std::move(*connecting));
  world_.run_for(std::chrono::milliseconds{1});
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
