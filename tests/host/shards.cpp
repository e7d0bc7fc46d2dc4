// One host on two threads, 198.51.100.2 on tap1: the stack's end of tests/host/shards_test.py. Echo on port 7 of TCP and UDP.
//   shards [--astray] [PORT]
// PORT: each shard opens eight connections to it at 198.51.100.1 and says "shard N heard TEXT" of what comes back. --astray: the kernel steers by another
// key than the shards, so that half of the frames come by the wrong queue. SIGTERM: each says "shard N NAME COUNT" of its connections and its link.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <tapir/tapir.hpp>

namespace {

using namespace tapir::literals;

constexpr const char* kDevice = "tap1";

void say(std::size_t shard, std::string_view name, std::string_view value) {
  static std::mutex mutex;
  const std::lock_guard lock{mutex};
  std::printf("shard %zu %.*s %.*s\n", shard, static_cast<int>(name.size()), name.data(), static_cast<int>(value.size()), value.data());
  std::fflush(stdout);
}

class Echo {
 public:
  explicit Echo(tapir::tcp::Connection connection) : connection_{std::move(connection)} {}
  void start(std::function<void()> over) {
    connection_.handle({.readable = [this] { work(); }, .writable = [this] { work(); }, .closed = [over](std::error_code) { over(); }});
    work();
  }

 private:
  void work() {
    for (;;) {
      while (!pending_.empty()) {
        const auto sent = connection_.send(pending_);
        if (!sent || *sent == 0) return;
        pending_.trim_front(*sent);
      }
      auto slice = connection_.receive_slice();
      if (!slice) return;
      if (slice->empty()) return connection_.close();
      pending_ = std::move(*slice);
    }
  }
  tapir::tcp::Connection connection_;
  tapir::Slice pending_;
};

/// Opens a connection, sends a line and says what comes back until the peer's end.
class Call {
 public:
  Call(std::size_t shard, tapir::tcp::Connection connection) : shard_{shard}, connection_{std::move(connection)} {
    connection_.handle(
        {.connected = [this] { (void)connection_.send(std::as_bytes(std::span{std::string_view{"hello"}})); },
         .readable = [this] { read(); },
         .closed = [this](std::error_code error) { say(shard_, error ? "failed" : "heard", error ? error.message() : heard_); }});
  }

 private:
  void read() {
    while (auto slice = connection_.receive_slice()) {
      if (slice->empty()) return connection_.close();
      heard_.append(reinterpret_cast<const char*>(slice->bytes().data()), slice->size());
    }
  }
  std::size_t shard_;
  tapir::tcp::Connection connection_;
  std::string heard_;
};

int serve(tapir::Shard& shard, std::uint16_t call_port) {
  tapir::Stack stack{shard.runtime(), shard.take_link(), tapir::of_shard({.address = "198.51.100.2/24"_prefix}, shard)};
  if (!stack.status()) return tapir::report("shards", stack.status().error());
  std::list<Echo> serving;
  std::size_t connections = 0;
  const auto listener = stack.tcp().listen(tapir::Port{7}, [&](tapir::tcp::Connection connection) {
    ++connections;
    const auto one = serving.emplace(serving.end(), std::move(connection));
    one->start([&serving, one] { serving.erase(one); });
  });
  if (!listener) return tapir::report("shards", listener.error());
  auto udp = stack.udp().bind({tapir::IpAddress{}, tapir::Port{7}});
  if (!udp) return tapir::report("shards", udp.error());
  std::size_t datagrams = 0;
  udp->on_readable([&] {
    for (; auto datagram = udp->receive(); ++datagrams) (void)udp->send_to(datagram->source, datagram->payload.bytes());
  });
  std::list<Call> calls;
  for (int i = 0; call_port != 0 && i < 8; ++i) {
    auto connection = stack.tcp().connect({"198.51.100.1"_ipv4, tapir::Port{call_port}});
    if (!connection) return tapir::report("shards", connection.error());
    calls.emplace_back(shard.index(), std::move(*connection));
  }
  say(shard.index(), "up", shard.shards().unsteered() ? shard.shards().unsteered().message() : "steered");
  const int code = shard.runtime().run();
  say(shard.index(), "connections", std::to_string(connections));
  say(shard.index(), "datagrams", std::to_string(datagrams));
  for (const auto& counter : stack.link().counters()) say(shard.index(), counter.name, std::to_string(counter.value));
  return code;
}

std::unique_ptr<tapir::Shards> open(bool astray) {
  if (!astray) {
    auto shards = tapir::Shards::open(kDevice);
    if (shards) return std::move(*shards);
    (void)tapir::report(kDevice, shards.error());
    return nullptr;
  }
  auto opened = tapir::link::Tap::open_queues(kDevice, tapir::link::Steering{2, 0});
  if (!opened) {
    (void)tapir::report(kDevice, opened.error());
    return nullptr;
  }
  std::vector<std::unique_ptr<tapir::link::Link>> links;
  for (auto& queue : opened->queues) links.push_back(std::make_unique<tapir::link::Tap>(std::move(queue)));
  return std::make_unique<tapir::Shards>(std::move(links), tapir::ShardsOptions{});
}

}  // namespace

int main(int argc, char** argv) {
  bool astray = false;
  std::uint16_t call_port = 0;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view{argv[i]} == "--astray") {
      astray = true;
    } else {
      call_port = static_cast<std::uint16_t>(std::strtoul(argv[i], nullptr, 10));
    }
  }
  const auto shards = open(astray);
  if (shards == nullptr) return 1;
  if (const auto signals = shards->stop_on_signals({SIGTERM}); !signals) return tapir::report("shards", signals.error());
  return shards->run([call_port](tapir::Shard& shard) { return serve(shard, call_port); });
}
