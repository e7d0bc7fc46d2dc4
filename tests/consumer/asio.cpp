// Two hosts on a simulated cable: one sends a line, the other reads it, in coroutines of Boost.Asio.

#include <cstdio>
#include <string>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <tapir/asio.hpp>
#include <tapir/tapir.hpp>

using namespace tapir::literals;
using boost::asio::awaitable;
using boost::asio::use_awaitable;

namespace {

awaitable<void> say(tapir::asio::tcp_stream stream) {
  co_await stream.async_connect(tapir::Endpoint{"192.0.2.2"_ipv4, tapir::Port{7}}, use_awaitable);
  co_await boost::asio::async_write(stream, boost::asio::buffer("21.5\n", 5), use_awaitable);
}

awaitable<void> hear(tapir::asio::tcp_acceptor acceptor, std::string& heard) {
  auto stream = co_await acceptor.async_accept(use_awaitable);
  co_await boost::asio::async_read_until(stream, boost::asio::dynamic_buffer(heard), '\n', use_awaitable);
}

}  // namespace

int main() {
  tapir::sim::World world;
  tapir::sim::Cable cable{world};
  tapir::Stack left{world, cable.left(), {.address = "192.0.2.1/24"_prefix}};
  tapir::Stack right{world, cable.right(), {.address = "192.0.2.2/24"_prefix}};

  boost::asio::io_context io;
  std::string heard;
  tapir::asio::tcp_acceptor acceptor{io, right};
  if (const auto error = acceptor.listen({{}, tapir::Port{7}})) return tapir::report("consumer_asio", error);
  boost::asio::co_spawn(io, hear(std::move(acceptor), heard), boost::asio::detached);
  boost::asio::co_spawn(io, say(tapir::asio::tcp_stream{io, left}), boost::asio::detached);
  tapir::asio::run_for(world, io, std::chrono::seconds{10});
  std::printf("consumer_asio: heard %s", heard.c_str());
  return heard == "21.5\n" ? 0 : 1;
}
