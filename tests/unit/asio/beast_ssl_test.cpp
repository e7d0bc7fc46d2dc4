#include "hosts.hpp"

#include <memory>
#include <optional>

#include <boost/asio/ssl.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <tapir/asio/beast.hpp>

#include "support/identity.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
namespace websocket = boost::beast::websocket;

namespace {

constexpr Port kHttp{80};
constexpr Port kHttps{443};
constexpr const char* kName = "sensor.example";

template <class Stream>
awaitable<void> serve_http(Stream& stream) {
  boost::beast::flat_buffer buffer;
  for (;;) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(2'000'000);
    const auto [error, count] = co_await http::async_read(stream, buffer, parser, with_error);
    if (error == http::error::end_of_stream) break;
    if (error) throw boost::system::system_error{error};
    const auto request = parser.release();
    http::response<http::string_body> response{http::status::ok, request.version()};
    response.body() = std::string{request.target()} + ": " + request.body();
    response.keep_alive(request.keep_alive());
    response.prepare_payload();
    co_await http::async_write(stream, response, use_awaitable);
  }
}

template <class Stream>
awaitable<std::string> post_http(Stream& stream, std::string target, std::string body) {
  http::request<http::string_body> request{http::verb::post, target, 11};
  request.set(http::field::host, kName);
  request.body() = std::move(body);
  request.prepare_payload();
  co_await http::async_write(stream, request, use_awaitable);
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(2'000'000);
  co_await http::async_read(stream, buffer, parser, use_awaitable);
  CHECK(parser.get().result() == http::status::ok);
  co_return parser.get().body();
}

struct Tls {
  Identity identity = Identity::authority(kName);  // trusts itself
  ssl::context server{ssl::context::tls_server};
  ssl::context client{ssl::context::tls_client};

  explicit Tls(bool trusted = true) {
    REQUIRE(SSL_CTX_use_certificate(server.native_handle(), identity.certificate()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(server.native_handle(), identity.key()) == 1);
    client.set_verify_mode(ssl::verify_peer);
    client.set_verify_callback(ssl::host_name_verification{kName});
    if (trusted) REQUIRE(X509_STORE_add_cert(SSL_CTX_get_cert_store(client.native_handle()), identity.certificate()) == 1);
  }
};

}  // namespace

TEST_CASE("Boost.Beast serves and asks over HTTP, several requests on one connection", "[asio]") {
  Hosts hosts;
  const auto serve = [&]() -> awaitable<void> {
    tcp_acceptor acceptor{hosts.io, hosts.server()};
    CHECK_FALSE(acceptor.listen({{}, kHttp}));
    auto stream = co_await acceptor.async_accept(use_awaitable);
    co_await serve_http(stream);
  };
  const auto ask = [&]() -> awaitable<void> {
    tcp_stream stream{hosts.io, hosts.client()};
    co_await stream.async_connect(Endpoint{kRightAddress, kHttp}, use_awaitable);
    const auto small = co_await post_http(stream, "/temperature", "21.5");
    CHECK(small == "/temperature: 21.5");
    const std::string body(1'000'000, 'x');
    const auto large = co_await post_http(stream, "/log", body);
    CHECK(large == "/log: " + body);
  };
  hosts.play(serve(), ask());
}

TEST_CASE("asio::ssl with Boost.Beast on top, through loss, to the end that TLS announces", "[asio]") {
  PairConfig config;
  config.cable.faults = {.loss = 0.02};
  Hosts hosts{config};
  Tls tls;
  const auto serve = [&]() -> awaitable<void> {
    tcp_acceptor acceptor{hosts.io, hosts.server()};
    CHECK_FALSE(acceptor.listen({{}, kHttps}));
    ssl::stream<tcp_stream> stream{co_await acceptor.async_accept(use_awaitable), tls.server};
    co_await stream.async_handshake(ssl::stream_base::server, use_awaitable);
    co_await serve_http(stream);
    co_await stream.async_shutdown(use_awaitable);
  };
  const auto ask = [&]() -> awaitable<void> {
    ssl::stream<tcp_stream> stream{tcp_stream{hosts.io, hosts.client()}, tls.client};
    co_await stream.lowest_layer().async_connect(Endpoint{kRightAddress, kHttps}, use_awaitable);
    co_await stream.async_handshake(ssl::stream_base::client, use_awaitable);
    const std::string body(300'000, 'x');
    const auto answer = co_await post_http(stream, "/log", body);
    CHECK(answer == "/log: " + body);
    const auto [ended] = co_await stream.async_shutdown(with_error);
    CHECK((!ended || ended == net::error::eof));
  };
  hosts.play(serve(), ask());
}

TEST_CASE("a certificate that the client does not trust ends the handshake on both sides", "[asio]") {
  Hosts hosts;
  Tls tls{false};
  const auto serve = [&]() -> awaitable<void> {
    tcp_acceptor acceptor{hosts.io, hosts.server()};
    CHECK_FALSE(acceptor.listen({{}, kHttps}));
    ssl::stream<tcp_stream> stream{co_await acceptor.async_accept(use_awaitable), tls.server};
    const auto [error] = co_await stream.async_handshake(ssl::stream_base::server, with_error);
    CHECK(error.category() == net::error::get_ssl_category());
  };
  const auto ask = [&]() -> awaitable<void> {
    ssl::stream<tcp_stream> stream{tcp_stream{hosts.io, hosts.client()}, tls.client};
    co_await stream.lowest_layer().async_connect(Endpoint{kRightAddress, kHttps}, use_awaitable);
    const auto [error] = co_await stream.async_handshake(ssl::stream_base::client, with_error);
    CHECK(error.category() == net::error::get_ssl_category());
    CHECK(ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_CERTIFICATE_VERIFY_FAILED);
  };
  hosts.play(serve(), ask());
}

TEST_CASE("a Boost.Beast websocket, to the end of its connection on both sides", "[asio]") {
  Hosts hosts;
  const auto serve = [&]() -> awaitable<void> {
    tcp_acceptor acceptor{hosts.io, hosts.server()};
    CHECK_FALSE(acceptor.listen({{}, kHttp}));
    websocket::stream<tcp_stream> socket{co_await acceptor.async_accept(use_awaitable)};
    co_await socket.async_accept(use_awaitable);
    boost::beast::flat_buffer buffer;
    co_await socket.async_read(buffer, use_awaitable);
    co_await socket.async_write(buffer.data(), use_awaitable);
    const auto [error, count] = co_await socket.async_read(buffer, with_error);
    CHECK(error == websocket::error::closed);
    CHECK_FALSE(socket.next_layer().is_open());
  };
  const auto ask = [&]() -> awaitable<void> {
    websocket::stream<tcp_stream> socket{hosts.io, hosts.client()};
    co_await socket.next_layer().async_connect(Endpoint{kRightAddress, kHttp}, use_awaitable);
    co_await socket.async_handshake(kName, "/", use_awaitable);
    co_await socket.async_write(net::buffer("21.5", 4), use_awaitable);
    boost::beast::flat_buffer buffer;
    co_await socket.async_read(buffer, use_awaitable);
    CHECK(boost::beast::buffers_to_string(buffer.data()) == "21.5");
    co_await socket.async_close(websocket::close_code::normal, use_awaitable);
    CHECK_FALSE(socket.next_layer().is_open());
  };
  hosts.play(serve(), ask());
  hosts.pass(1h);  // TIME-WAIT
  CHECK(hosts.client().tcp().stats().curr_estab + hosts.server().tcp().stats().curr_estab == 0);
  CHECK(hosts.client().tcp().stats().estab_resets + hosts.server().tcp().stats().estab_resets == 0);
}
