#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <support/fake_network.hpp>
#include <support/lab.hpp>
#include <tapir/tcp/tcp.hpp>

#include "tcp/header.hpp"
#include "tcp/options.hpp"

/// A scripted peer: it says exactly what a test tells it to, and hears what the stack sends, read by libtins and with its checksum verified.
namespace tapir::test {

using tcp::Flags;
using tcp::SeqNum;
using tcp::State;

inline constexpr Flags kSyn = Flags::syn;
inline constexpr Flags kAck = Flags::ack;
inline constexpr Flags kSynAck = Flags::syn | Flags::ack;
inline constexpr Flags kFinAck = Flags::fin | Flags::ack;
inline constexpr Flags kRst = Flags::rst;
inline constexpr Flags kRstAck = Flags::rst | Flags::ack;

inline constexpr Ipv4Address kOurAddress{0xc0000202U};   ///< 192.0.2.2
inline constexpr Ipv4Address kPeerAddress{0xc0000201U};  ///< 192.0.2.1
inline constexpr Port kService{7};                       ///< where tests listen
inline constexpr Port kPeerPort{5000};

/// A segment that the stack sent.
struct Heard {
  TimePoint at{};
  Endpoint from;
  Endpoint to;
  SeqNum seq;
  SeqNum ack;
  Flags flags = Flags::none;
  std::uint32_t window = 0;
  std::uint16_t urgent = 0;
  Bytes options;  ///< as they stood in the header
  Bytes payload;
  network::Send ip;  ///< what was asked of the network layer
  Bytes ip_options;
  std::uint8_t reserved = 0;  ///< the reserved bits

  [[nodiscard]] bool has(Flags wanted) const { return tcp::has(flags, wanted); }
  [[nodiscard]] SeqNum end() const {
    return seq + static_cast<std::uint32_t>(payload.size()) + (has(Flags::syn) ? 1U : 0U) + (has(Flags::fin) ? 1U : 0U);
  }
  /// An ACK and nothing else.
  [[nodiscard]] bool pure_ack() const { return flags == kAck && payload.empty(); }
};

/// What a peer says. What is left out is as the conversation stands: the next sequence number (which then advances), everything heard
/// acknowledged, the window as before.
struct Say {
  Flags flags = kAck;
  std::optional<SeqNum> seq{};
  std::optional<SeqNum> ack{};
  std::optional<std::uint16_t> window{};
  std::string payload{};
  Bytes options{};  ///< padded with zeros to a multiple of 4
  std::uint16_t urgent = 0;
};

/// `size` bytes that differ from their neighbours: what a stream is checked with.
[[nodiscard]] std::string stream(std::size_t size, std::size_t from = 0);
[[nodiscard]] std::string text_of(const Bytes& bytes);
/// The MSS option; behind it, if asked for, the one that permits SACK (RFC 2018 section 2).
[[nodiscard]] Bytes mss_option(std::uint16_t mss, bool sack_permitted = false);
/// Two NOPs and a SACK option (RFC 2018 section 3): blocks as their first octet and the one behind their last.
[[nodiscard]] Bytes sack_option(const std::vector<std::pair<SeqNum, SeqNum>>& blocks);
/// Puts the right checksum into a segment.
void fix_checksum(Bytes& segment, IpAddress source, IpAddress destination);

class Peer;

/// One stack's TCP on a fake network, in virtual time.
class Wire {
 public:
  explicit Wire(tcp::Config config = {});
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  /// Lets `time` pass.
  void advance(Duration time) { lab.advance(time); }
  /// Lets the stack send what it has to, and hears everything since the last time.
  [[nodiscard]] std::vector<Heard> hear();
  Accepted inject(const Bytes& segment, IpAddress source, IpAddress destination = kOurAddress);
  [[nodiscard]] std::uint64_t drops(Drop reason) const { return tcp.drops()[reason]; }
  /// The state of the connection between these ends; State::closed when there is none.
  [[nodiscard]] State state(const Endpoint& local, const Endpoint& remote) const;

  Lab lab;
  FakeNetwork network{lab.pool};
  tcp::Tcp tcp;
};

/// The other end of one connection.
class Peer {
 public:
  Peer(Wire& wire, Port ours, Endpoint theirs = {kPeerAddress, kPeerPort}) : us{kOurAddress, ours}, them{theirs}, wire_{&wire} {}

  /// Sends a segment to the stack, which does not answer before it is asked to by hear() or Wire::advance().
  Accepted say(const Say& say);
  /// The segment as it goes on the wire; nothing advances.
  [[nodiscard]] Bytes bytes(const Say& say) const;
  /// What the stack has sent to this peer since the last time. Keeps `rcv` up to date with what came in order.
  std::vector<Heard> hear();
  /// The one segment that the stack has sent; the test fails when it is none or several.
  Heard hear_one();
  /// Nothing was sent.
  bool quiet() { return hear().empty(); }
  /// Acknowledges everything heard.
  void acknowledge() { (void)say({}); }
  /// The payload of what is heard, in order of sequence numbers, up to now; acknowledges until nothing comes any more.
  std::string drain();
  [[nodiscard]] State state() const { return wire_->state(us, them); }

  Endpoint us;
  Endpoint them;
  SeqNum nxt{0xffff'ff00U};  ///< the next number to send: the wrap comes soon
  SeqNum rcv{};              ///< the next number expected
  std::uint16_t window = 65535;

 private:
  Wire* wire_;
};

/// ICMP's "fragmentation needed" (RFC 1191 section 4) from a router on the way to `peer`, about the segment `quoted`, which outlives it.
[[nodiscard]] network::ErrorReport too_big(const Peer& peer, const Bytes& quoted, std::uint16_t mtu);

/// What an application was told.
struct App {
  int connected = 0;
  int readable = 0;
  int writable = 0;
  int acknowledged = 0;
  int peer_closed = 0;
  int urgent = 0;
  int closed = 0;
  std::error_code error{};
  std::vector<tcp::SoftError> soft_errors;
  std::vector<std::uint32_t> stalled;

  [[nodiscard]] tcp::Events events();
};

struct ConversationOptions {
  tcp::Config config{.quick_acks = 0};  ///< the RFCs' delayed acknowledgments from the start
  tcp::Settings settings{};
  bool passive = false;                          ///< the peer opens
  std::optional<std::uint16_t> peer_mss = 1460;  ///< empty: no MSS option
  std::uint16_t window = 65535;                  ///< that the peer offers
  std::size_t mtu = 1500;
};

/// A connection with everything around it, in the state asked for. Nothing is left to hear.
class Conversation : public Wire {
 public:
  explicit Conversation(const ConversationOptions& options = {}, State state = State::established);

  /// Writes all of `text`; the test fails when the send buffer takes less.
  void write(std::string_view text);
  /// Everything there is to read now.
  [[nodiscard]] std::string read();
  /// Whether the stream has ended.
  [[nodiscard]] bool at_end();
  [[nodiscard]] tcp::Info info() const { return connection.info(); }

  App app;
  tcp::Listener listener;
  tcp::Connection connection;
  Peer peer;

 private:
  void open_active(const ConversationOptions& options, State state);
  void open_passive(const ConversationOptions& options, State state);
  void move_on(State state);
};

}  // namespace tapir::test
