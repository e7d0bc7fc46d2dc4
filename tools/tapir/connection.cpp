#include "connection.hpp"

#include <csignal>
#include <cstddef>

#include <fmt/format.h>

#include <tapir/link/byte_sink.hpp>
#include <tapir/mqtt/host_transport.hpp>
#include <tapir/mqtt/tcp_transport.hpp>
#include <tapir/tls/tls_transport.hpp>
#include <tapir/websocket/websocket_transport.hpp>

#include "packet_words.hpp"

namespace tool {

namespace {

std::vector<std::byte> bytes_of_hex(const std::string& digits) {
  std::vector<std::byte> bytes;
  for (std::size_t at = 0; at + 1 < digits.size(); at += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(digits.substr(at, 2), nullptr, 16)));
  return bytes;
}

std::unexpected<std::string> failure(std::string_view what, std::error_code error) {
  return std::unexpected{fmt::format("{}: {}", what, error.message())};
}

}  // namespace

void PacketPrinter::crossed(const tapir::Crossing& crossing) {
  take_assigned_id(crossing);
  for (const auto& line : debug_lines(crossing))
    console_.show(fmt::format("Client {} {}", client_id_.empty() ? "(null)" : client_id_, line));
}

/// From CONNACK on the client has the identifier that the broker has chosen, if it has said so.
void PacketPrinter::take_assigned_id(const tapir::Crossing& crossing) {
  for (const auto& field : crossing.fields) {
    if (field.name == "assigned_client") client_id_ = field.value;
  }
}

tapir::mqtt::ClientConfig Connection::client_config() const {
  const auto& broker = broker_;
  tapir::mqtt::ClientConfig config{
      .client_id = client_id_, .clean_session = !broker.keep_session, .keep_alive = std::chrono::seconds{broker.keep_alive}};
  config.user_name = broker.user_name;
  config.password = broker.password;
  if (!broker.will.topic.empty())
    config.will = tapir::mqtt::Will{.topic = broker.will.topic,
                                    .payload = std::string_view{broker.will.payload},
                                    .qos = static_cast<tapir::mqtt::QoS>(broker.will.qos),
                                    .retain = broker.will.retain,
                                    .properties = broker.properties.will};
  config.close_timeout = std::chrono::seconds{4};  // for DISCONNECT to be sent again twice; a broker that has it closes
  config.limits.max_in_flight = broker.max_in_flight;
  config.version = broker.protocol();
  config.accept_unknown_session = broker.keep_session;  // this program knows nothing of the session that an earlier one has left
  config.properties = broker.connect_properties();
  config.subscription_identifiers = false;  // -D gives them; a message is printed once, whatever subscriptions it is for
  config.limits.keep_topic_alias = true;    // for -F
  if (broker.properties.publish.contains(tapir::mqtt::PropertyId::topic_alias)) config.limits.topic_aliases = 0;  // the user gives it
  return config;
}

Connection::Connection(const NetworkOptions& network, const BrokerOptions& broker, const Console& console, const std::string& command)
    : network_{network},
      broker_{broker},
      console_{console},
      seeded_{network.seed.value_or(0)},
      runtime_{{.random = network.seed ? &seeded_ : nullptr}},
      client_id_{broker.client_id(command, runtime_.random())},
      printer_{console, client_id_},
      context_{runtime_.scheduler(), runtime_.pool(), runtime_.random(), broker.debug ? &printer_ : nullptr} {}

std::expected<void, int> Connection::set_up(tapir::mqtt::ClientConfig config) {
  if (const auto made = make_client(std::move(config)); !made) return std::unexpected{console_.fail(Exit::failure, made.error())};
  // Whether CONNECT can carry the options; it goes out when the loop runs.
  if (const auto usable = client_->connect(); !usable)
    return std::unexpected{console_.fail(Exit::usage, "these options make no CONNECT: " + usable.error().message())};
  return {};
}

std::expected<void, std::string> Connection::make_client(tapir::mqtt::ClientConfig config) {
  if (const auto usable = runtime_.status(); !usable) return failure("event loop", usable.error());
  if (!network_.host_stack) {
    if (auto up = bring_up_stack(); !up) return up;
  }
  auto transport = make_tcp();
  if (transport && broker_.uses_tls()) transport = add_tls(std::move(*transport));
  if (transport && broker_.websocket) transport = add_websocket(std::move(*transport));
  if (!transport) return std::unexpected{transport.error()};
  client_.emplace(context_, std::move(*transport), std::move(config));
  return {};
}

int Connection::run() {
  if (const auto signals = runtime_.stop_on_signals({SIGINT, SIGTERM}, kInterrupted); !signals)
    return console_.fail(Exit::failure, signals.error().message());
  return runtime_.run();
}

int Connection::finish(int code) {
  client_.reset();
  if (capture_ == nullptr) return code;
  (void)capture_->flush();  // what it fails with stands in the statistics
  if (capture_->stats().write_errors == 0) return code;
  return console_.fail(Exit::failure, fmt::format("{}: {}", network_.pcap, capture_->stats().write_error.message()));
}

std::expected<void, std::string> Connection::bring_up_stack() {
  auto tap = tapir::link::Tap::open(network_.tap, {.mtu = network_.mtu});
  if (!tap) return failure(network_.tap, tap.error());
  std::unique_ptr<tapir::link::Link> link = std::make_unique<tapir::link::Tap>(std::move(*tap));
  if (!network_.pcap.empty()) {
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch() - runtime_.scheduler().now().time_since_epoch();
    auto capture = tapir::link::Capture::to_file(std::move(link), runtime_.scheduler(), network_.pcap, {.epoch = since_1970});
    if (!capture) return failure(network_.pcap, capture.error());
    capture_ = capture->get();
    link = std::move(*capture);
  }
  tapir::StackConfig config{.address = *tapir::Ipv4Prefix::parse(network_.address)};
  if (!network_.gateway.empty()) config.gateway = tapir::Ipv4Address::parse(network_.gateway);
  if (!network_.mac.empty()) config.mac = tapir::MacAddress::parse(network_.mac);
  stack_.emplace(runtime_, std::move(link), config);
  if (const auto& up = stack_->status(); !up) return failure(network_.tap, up.error());
  runtime_.on_link_lost(
      [this](tapir::link::Link& lost) { runtime_.stop(console_.fail(Exit::failure, fmt::format("{}: the device is gone", lost.name()))); });
  return {};
}

auto Connection::make_tcp() -> Made {
  const tapir::Port port{broker_.port};
  if (network_.host_stack) return std::make_unique<tapir::mqtt::HostTransport>(runtime_, broker_.host, port, broker_.bind_address);
  const auto broker = tapir::Endpoint{*tapir::Ipv4Address::parse(broker_.host), port};  // see BrokerOptions::address_problem()
  tapir::tcp::ConnectOptions options;
  if (!broker_.bind_address.empty()) options.local = tapir::Endpoint{*tapir::Ipv4Address::parse(broker_.bind_address), tapir::Port{}};
  return std::make_unique<tapir::mqtt::TcpTransport>(stack_->tcp(), broker, options);
}

auto Connection::add_tls(std::unique_ptr<tapir::mqtt::Transport> below) -> Made {
  const TlsOptions& options = broker_.tls;
  tapir::tls::ClientConfig config{.server_name = broker_.host,
                                  .verify_name = !options.insecure,
                                  .ca_file = options.ca_file,
                                  .ca_directory = options.ca_directory,
                                  .certificate_file = options.certificate,
                                  .key_file = options.key,
                                  .ciphers = options.ciphers};
  if (!options.psk.empty()) config.psk = tapir::tls::PreSharedKey{options.psk_identity, bytes_of_hex(options.psk)};
  if (!options.alpn.empty()) config.alpn = {options.alpn};
  if (options.version == "tlsv1.2") config.max_version = tapir::tls::Version::tls1_2;
  if (options.version == "tlsv1.3") config.min_version = tapir::tls::Version::tls1_3;
  if (!options.key_log.empty()) {
    auto file = tapir::link::create_file(options.key_log);
    if (!file) return failure(options.key_log, file.error());
    config.key_log = [sink = std::shared_ptr<tapir::link::ByteSink>{std::move(*file)}](std::string_view line) {
      const auto text = std::string{line} + "\n";
      if (sink->write(std::as_bytes(std::span{text}))) (void)sink->flush();
    };
  }
  auto context = tapir::tls::ClientContext::create(std::move(config));
  if (!context) return std::unexpected{"tls: " + context.error().text};
  return std::make_unique<tapir::tls::TlsTransport>(std::move(*context), std::move(below));
}

auto Connection::add_websocket(std::unique_ptr<tapir::mqtt::Transport> below) -> Made {
  const bool own_port = broker_.port == (broker_.uses_tls() ? 443 : 80);
  const auto name = broker_.host.contains(':') ? "[" + broker_.host + "]" : broker_.host;
  tapir::websocket::ClientConfig config{.host = own_port ? name : fmt::format("{}:{}", name, broker_.port), .path = broker_.websocket_path};
  return std::make_unique<tapir::websocket::WebSocketTransport>(runtime_.random(), std::move(config), std::move(below));
}

}  // namespace tool
