// Two hosts on a simulated cable: one asks the other, which is no more than a TCP listener, for a WebSocket, and is refused.

#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>

#include <tapir/mqtt/tcp_transport.hpp>
#include <tapir/tapir.hpp>
#include <tapir/websocket/websocket_transport.hpp>

using namespace tapir::literals;

namespace {

/// Reads the request, and answers it with 404.
class Server {
 public:
  void take(tapir::tcp::Connection connection) {
    connection_ = std::move(connection);
    connection_.handle({.readable = [this] { read(); }});
  }
  [[nodiscard]] bool was_asked() const { return request_.starts_with("GET /mqtt HTTP/1.1\r\n"); }

 private:
  void read() {
    std::array<std::byte, 1024> bytes{};
    const auto count = connection_.receive(bytes);
    if (!count || *count == 0) return connection_.close();
    request_.append(reinterpret_cast<const char*>(bytes.data()), *count);
    if (!request_.ends_with("\r\n\r\n")) return;
    const std::string answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    (void)connection_.send(std::as_bytes(std::span{answer}));
  }

  tapir::tcp::Connection connection_;
  std::string request_;
};

class Client final : public tapir::mqtt::TransportUser {
 public:
  void on_open() override {}
  void on_readable() override {}
  void on_writable() override {}
  void on_acknowledged() override {}
  void on_closed(std::error_code error) override { why_ = error; }

  [[nodiscard]] std::error_code why() const { return why_; }

 private:
  std::error_code why_;
};

}  // namespace

int main() {
  tapir::sim::World world;
  tapir::sim::Cable cable{world};
  tapir::Stack left{world, cable.left(), {.address = "192.0.2.1/24"_prefix}};
  tapir::Stack right{world, cable.right(), {.address = "192.0.2.2/24"_prefix}};

  Server server;
  const auto listener = right.tcp().listen(tapir::Port{80}, [&](tapir::tcp::Connection connection) { server.take(std::move(connection)); });
  if (!listener) return tapir::report("consumer_websocket", listener.error());

  tapir::websocket::WebSocketTransport transport{
      world.random(),
      {.host = "broker.example"},
      std::make_unique<tapir::mqtt::TcpTransport>(left.tcp(), tapir::Endpoint{"192.0.2.2"_ipv4, tapir::Port{80}})};
  Client client;
  transport.attach(&client);
  if (const auto opened = transport.open(); !opened) return tapir::report("consumer_websocket", opened.error());
  world.run_for(std::chrono::seconds{10});

  const bool refused = client.why() == std::error_code{404, tapir::websocket::status_category()};
  std::printf("consumer_websocket: %s\n", server.was_asked() && refused ? "asked, and refused" : "something else happened");
  return server.was_asked() && refused ? 0 : 1;
}
