// HTTP with Boost.Beast over a stack of one's own: serves on a TAP device, or with --fetch asks a server on the host's side and prints the answer.

#include <csignal>
#include <cstdio>
#include <exception>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <tapir/asio.hpp>
#include <tapir/tapir.hpp>

namespace net = boost::asio;
namespace http = boost::beast::http;

namespace {

struct Options {
  std::string tap;
  std::string address;
  std::string fetch;
};

/// What a request is answered with: "/" greets, "/counters" shows what the stack counted, POST gives back its body.
http::response<http::string_body> answer(tapir::Stack& stack, const http::request<http::string_body>& request) {
  http::response<http::string_body> response{http::status::ok, request.version()};
  response.set(http::field::content_type, "text/plain");
  response.keep_alive(request.keep_alive());
  if (request.method() == http::verb::post) {
    response.body() = request.body();
  } else if (request.target() == "/") {
    response.body() = "hello from a TCP/IP stack in this process\n";
  } else if (request.target() == "/counters") {
    response.body() = stack.counters();
  } else {
    response.result(http::status::not_found);
    response.body() = "nothing here\n";
  }
  response.prepare_payload();
  return response;
}

/// One connection, until the client ends it or sends what is no HTTP.
net::awaitable<void> serve(tapir::asio::tcp_stream stream, tapir::Stack& stack) {
  boost::beast::flat_buffer buffer;
  for (;;) {
    http::request<http::string_body> request;
    const auto [error, count] = co_await http::async_read(stream, buffer, request, net::as_tuple(net::use_awaitable));
    if (error) break;
    auto response = answer(stack, request);
    co_await http::async_write(stream, response, net::use_awaitable);
    if (!response.keep_alive()) break;
  }
  boost::system::error_code ignored;
  stream.shutdown(tapir::asio::tcp_stream::shutdown_type::shutdown_send, ignored);
}

net::awaitable<void> accept(tapir::asio::tcp_acceptor acceptor, tapir::Stack& stack) {
  for (;;) {
    auto stream = co_await acceptor.async_accept(net::use_awaitable);
    const auto executor = stream.get_executor();
    net::co_spawn(executor, serve(std::move(stream), stack), net::detached);
  }
}

/// "http://192.0.2.1:8000/path", taken apart.
struct Url {
  std::string host;
  std::string port = "80";
  std::string target = "/";

  explicit Url(std::string text) {
    if (text.starts_with("http://")) text.erase(0, 7);
    if (const auto slash = text.find('/'); slash != std::string::npos) {
      target = text.substr(slash);
      text.resize(slash);
    }
    const auto colon = text.find(':');
    host = text.substr(0, colon);
    if (colon != std::string::npos) port = text.substr(colon + 1);
  }
};

/// Prints the body; what goes wrong is thrown.
net::awaitable<void> fetch(tapir::asio::tcp_stream stream, Url url) {
  tapir::asio::resolver resolver{stream.get_executor()};
  const auto endpoints = co_await resolver.async_resolve(url.host, url.port, net::use_awaitable);
  co_await tapir::asio::async_connect(stream, endpoints, net::use_awaitable);

  http::request<http::empty_body> request{http::verb::get, url.target, 11};
  request.set(http::field::host, url.host);
  request.keep_alive(false);
  co_await http::async_write(stream, request, net::use_awaitable);

  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(1U << 30U);
  co_await http::async_read(stream, buffer, parser, net::use_awaitable);
  const auto& response = parser.get();
  fmt::print(stderr, "http_beast: {} {}\n", response.result_int(), std::string{response.reason()});
  std::fwrite(response.body().data(), 1, response.body().size(), stdout);
}

int run(const Options& options) {
  tapir::Runtime runtime;
  auto tap = tapir::link::Tap::open(options.tap);
  if (!tap) return tapir::report("http_beast: " + options.tap, tap.error());
  tapir::Stack stack{runtime, std::move(*tap), {.address = *tapir::Ipv4Prefix::parse(options.address)}};
  if (!stack.status()) return tapir::report("http_beast: " + options.address, stack.status().error());
  if (const auto signals = runtime.stop_on_signals({SIGINT, SIGTERM}, 0); !signals) return tapir::report("http_beast", signals.error());

  net::io_context io{1};  // goes before the stack, and with it the coroutines that use the stack
  if (options.fetch.empty()) {
    tapir::asio::tcp_acceptor acceptor{io, stack};
    if (const auto error = acceptor.listen({{}, tapir::Port{80}})) return tapir::report("http_beast", error);
    net::co_spawn(io, accept(std::move(acceptor), stack), net::detached);
    fmt::print("http_beast: serving on {}\n", options.address);
  } else {
    net::co_spawn(io, fetch(tapir::asio::tcp_stream{io, stack}, Url{options.fetch}), [&runtime](const std::exception_ptr& failed) {
      runtime.stop(failed ? 1 : 0);
      if (failed) std::rethrow_exception(failed);
    });
  }
  return tapir::asio::run(runtime, io);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"HTTP over a TAP device: serves on port 80, or fetches one document"};
  app.add_option("--tap", options.tap, "TAP device, opened or created")->required();
  app.add_option("--address", options.address, "own address and network: 192.0.2.2/24")->required()->check([](const std::string& text) {
    return text.contains('/') && tapir::Ipv4Prefix::parse(text) ? std::string{} : std::string{"not an IPv4 address with prefix length"};
  });
  app.add_option("--fetch", options.fetch, "print this document instead: http://192.0.2.1:8000/file");
  CLI11_PARSE(app, argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  try {
    return run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "http_beast: {}\n", error.what());
    return 1;
  }
}
