#include <catch2/catch.hpp>

#include <csignal>
#include <set>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <support/lab.hpp>
#include <tapir/runtime/runtime.hpp>

#include "socket_link.hpp"

using namespace tapir;
using tapir::test::SocketLink;
using namespace std::chrono_literals;

namespace {

constexpr Duration kLong = 60s;  ///< a limit that only a hanging test reaches

struct Heard final : Demultiplexer<link::Received> {
  Accepted demultiplex(Packet&& frame, const link::Received&) override {
    ++frames;
    if (heard) heard(frame);
    return {};
  }
  std::size_t frames = 0;
  std::function<void(const Packet&)> heard;
};

/// Each way of waiting: asleep, never, and only after a while of reading in vain.
RuntimeOptions every_way_of_waiting() {
  const auto options = GENERATE(values<std::pair<bool, Duration>>({{false, 0s}, {true, 0s}, {false, 1ms}}));
  return {.busy_poll = options.first, .spin = options.second};
}

/// A runtime that watches one end of a socket pair; the test holds the other.
struct Wired {
  explicit Wired(RuntimeOptions options = {}) : runtime{options} {
    std::array<int, 2> pair{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) == 0);
    peer = pair[1];
    fd = pair[0];
    link.emplace(runtime.pool(), fd);
    link->attach(&up);
    REQUIRE(runtime.watch(*link));
  }
  ~Wired() {
    if (link) runtime.forget(*link);
    ::close(fd);
    if (peer >= 0) ::close(peer);
  }
  Wired(const Wired&) = delete;
  Wired& operator=(const Wired&) = delete;
  void say(std::size_t count = 1) {
    for (std::size_t i = 0; i < count; ++i) REQUIRE(::send(peer, "frame", 5, 0) == 5);
  }

  Runtime runtime;
  Heard up;
  int fd = -1;
  int peer = -1;
  std::optional<SocketLink> link;
};

struct Alarm {
  explicit Alarm(Scheduler& scheduler) : timer{Timer::calling<&Alarm::expired>(scheduler, *this)} {}
  void expired() {
    ++count;
    if (then) then();
  }
  Timer timer;
  int count = 0;
  std::function<void()> then;
};

/// Sends until its link is full, `left` frames in all.
struct Sender final : ReadySource {
  Sender(PacketPool& from, link::Link& through, std::size_t count) : pool{from}, link{through}, left{count} {}
  [[nodiscard]] Pulled pull() override {
    if (!link.writable()) return Pulled::blocked;
    Packet frame{pool, 1000};
    frame.append_zeros(1000);
    if (!link.transmit(std::move(frame))) {
      ++blocked;
      return Pulled::blocked;
    }
    return --left == 0 ? Pulled::drained : Pulled::more;
  }
  PacketPool& pool;
  link::Link& link;
  std::size_t left;
  std::size_t blocked = 0;
};

}  // namespace

TEST_CASE("frames on a descriptor are handed up", "[runtime]") {
  Wired wired{every_way_of_waiting()};
  wired.say(3);
  CHECK(wired.runtime.run_until([&] { return wired.up.frames == 3; }, kLong));
}

TEST_CASE("a busy link is read in bounded batches, and completely", "[runtime]") {
  Wired wired{{.batch = 4}};
  wired.say(50);
  CHECK(wired.runtime.run_until([&] { return wired.up.frames == 50; }, kLong));
  CHECK(wired.link->largest_batch == 4);
}

TEST_CASE("run returns the code given to stop, and can run again", "[runtime]") {
  Wired wired;
  wired.up.heard = [&](const Packet&) { wired.runtime.stop(7); };
  wired.say();
  CHECK(wired.runtime.run() == 7);
  CHECK_FALSE(wired.runtime.stopping());
  wired.runtime.stop(3);
  CHECK_FALSE(wired.runtime.run_until([] { return false; }, kLong));  // stopping ends this, too
  CHECK(wired.runtime.run() == 3);
}

TEST_CASE("run_until gives up at its limit, and never before a timer that is due", "[runtime]") {
  Runtime runtime;
  Alarm alarm{runtime.scheduler()};
  const TimePoint start = runtime.scheduler().now();
  alarm.timer.arm_after(2ms);
  CHECK_FALSE(runtime.run_until([] { return false; }, 3ms));
  CHECK(alarm.count == 1);
  CHECK(runtime.scheduler().now() >= start + 3ms);
  CHECK(runtime.run_until([] { return true; }, 0ns));
}

TEST_CASE("timers are not early", "[runtime]") {
  Runtime runtime;
  Alarm alarm{runtime.scheduler()};
  for (const Duration delay : {Duration{0}, Duration{1}, Duration{50us}, Duration{700us}, Duration{5ms}}) {
    const TimePoint start = runtime.scheduler().now();
    alarm.timer.arm_at(start + delay);
    const int before = alarm.count;
    REQUIRE(runtime.run_until([&] { return alarm.count > before; }, kLong));
    CHECK(runtime.scheduler().now() >= start + delay);
  }
}

TEST_CASE("a full device blocks the sender until it takes data again", "[runtime]") {
  Wired wired{every_way_of_waiting()};
  Sender sender{wired.runtime.pool(), *wired.link, 5000};
  wired.runtime.scheduler().make_ready(sender);
  REQUIRE(wired.runtime.run_until([&] { return sender.blocked > 0; }, kLong));
  CHECK_FALSE(wired.link->writable());
  std::size_t got = 0;
  std::array<std::byte, 2048> bytes{};
  const auto read_all = [&] {
    while (::recv(wired.peer, bytes.data(), bytes.size(), MSG_DONTWAIT) == 1000) ++got;
    return got == 5000;
  };
  CHECK(wired.runtime.run_until(read_all, kLong));
  CHECK(sender.left == 0);
}

TEST_CASE("posted tasks run on the loop's thread, in order", "[runtime]") {
  Runtime runtime{every_way_of_waiting()};
  std::vector<int> order;
  std::set<std::thread::id> threads;
  constexpr int kTasks = 1000;
  std::thread other{[&] {
    for (int i = 0; i < kTasks; ++i) {
      runtime.post([&, i] {
        order.push_back(i);
        threads.insert(std::this_thread::get_id());
        if (i + 1 == kTasks) runtime.stop(4);
      });
    }
  }};
  CHECK(runtime.run() == 4);
  other.join();
  CHECK(order.size() == kTasks);
  CHECK(std::ranges::is_sorted(order));
  CHECK(threads == std::set{std::this_thread::get_id()});
}

TEST_CASE("a task may post another; those never run are destroyed", "[runtime]") {
  const auto witness = std::make_shared<int>(1);
  {
    Runtime runtime;
    int depth = 0;
    std::function<void()> again = [&] {
      if (++depth < 5) runtime.post(again);
    };
    runtime.post(again);
    CHECK(runtime.run_until([&] { return depth == 5; }, kLong));
    runtime.post([witness] {});
    CHECK(witness.use_count() == 2);
  }
  CHECK(witness.use_count() == 1);
}

TEST_CASE("a signal stops the loop, and is let through again afterwards", "[runtime]") {
  sigset_t before;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  {
    Runtime runtime{every_way_of_waiting()};
    REQUIRE(runtime.stop_on_signals({SIGTERM}, 5));
    REQUIRE(runtime.stop_on_signals({SIGINT}, 6));
    ::kill(::getpid(), SIGTERM);
    CHECK(runtime.run() == 6);
    ::kill(::getpid(), SIGINT);
    ::kill(::getpid(), SIGTERM);  // pending when the runtime goes: must not kill the program
    CHECK(runtime.run() == 6);
  }
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (const int signal : {SIGINT, SIGTERM}) CHECK(sigismember(&before, signal) == sigismember(&after, signal));
  Runtime runtime;
  CHECK_FALSE(runtime.stop_on_signals({-1}));
}

TEST_CASE("a link may be forgotten while its frames are handed up", "[runtime]") {
  Wired wired{{.batch = 1}};
  wired.up.heard = [&](const Packet&) { wired.runtime.forget(*wired.link); };
  wired.say(2);
  CHECK(wired.runtime.run_until([&] { return wired.up.frames == 1; }, kLong));
  CHECK_FALSE(wired.runtime.run_until([&] { return wired.up.frames == 2; }, 1ms));
  wired.up.heard = nullptr;
  REQUIRE(wired.runtime.watch(*wired.link));
  REQUIRE(wired.runtime.watch(*wired.link));
  CHECK(wired.runtime.run_until([&] { return wired.up.frames == 2; }, kLong));
}

TEST_CASE("a link that always has frames again keeps nobody from his turn", "[runtime]") {
  Wired wired{every_way_of_waiting()};
  bool done = false;
  wired.up.heard = [&](const Packet&) {
    wired.say();
    if (wired.up.frames == 100) wired.runtime.post([&] { done = true; });
  };
  wired.say();
  CHECK(wired.runtime.run_until([&] { return done; }, kLong));
}

TEST_CASE("after a frame the loop spins for a while, and sleeps when nothing came", "[runtime]") {
  Wired wired{{.spin = 1ns}};  // over with the turn after the next
  const auto hear = [&] {
    wired.say();
    REQUIRE(wired.runtime.run_until([&, before = wired.up.frames] { return wired.up.frames > before; }, kLong));
    return wired.runtime.patience() == Duration{};
  };
  const auto let_pass = [&] {
    wired.runtime.poll();
    wired.runtime.poll();
    CHECK(wired.runtime.patience() == std::nullopt);
  };
  CHECK(hear());
  let_pass();

  // It seldom tries again where that is so again and again.
  int spun = 0;
  for (int i = 0; i < 100; ++i) {
    spun += hear() ? 1 : 0;
    let_pass();
  }
  CHECK(spun > 3);
  CHECK(spun < 20);
}

TEST_CASE("the loop spins after every frame where the next one comes in time", "[runtime]") {
  Wired wired{{.spin = kLong}};
  for (std::size_t i = 1; i <= 100; ++i) {
    wired.say();
    REQUIRE(wired.runtime.run_until([&] { return wired.up.frames == i; }, kLong));
    CHECK(wired.runtime.patience() == Duration{});
  }
}

TEST_CASE("run_until works from within a callback", "[runtime]") {
  Wired wired{{.batch = 1}};
  bool inner = false;
  wired.up.heard = [&](const Packet&) {
    wired.up.heard = nullptr;
    inner = wired.runtime.run_until([&] { return wired.up.frames == 2; }, kLong);
  };
  wired.say(2);
  CHECK(wired.runtime.run_until([&] { return inner; }, kLong));
}

TEST_CASE("tasks run behind one that throws, and within one that has the loop run", "[runtime]") {
  Runtime runtime{every_way_of_waiting()};
  int ran = 0;
  bool inner = false;
  runtime.post([] { throw std::runtime_error{"from a task"}; });
  runtime.post([&] { ++ran; });
  runtime.post([&] { inner = runtime.run_until([&] { return ran == 2; }, kLong); });
  runtime.post([&] { ++ran; });
  CHECK_THROWS_AS(runtime.run_until([&] { return inner; }, kLong), std::runtime_error);
  CHECK(ran == 0);
  CHECK(runtime.patience() == Duration{});
  CHECK(runtime.run_until([&] { return inner; }, kLong));
}

TEST_CASE("frames are handed up behind one whose handler throws", "[runtime]") {
  Wired wired{every_way_of_waiting()};
  wired.up.heard = [&](const Packet&) { throw std::runtime_error{"from a handler"}; };
  wired.say(3);
  for (std::size_t i = 1; i <= 3; ++i) {
    CHECK_THROWS_AS(wired.runtime.run_until([&] { return wired.up.frames == 3; }, kLong), std::runtime_error);
    CHECK(wired.up.frames == i);
  }
  CHECK(wired.runtime.run_until([&] { return wired.up.frames == 3; }, kLong));
  wired.runtime.forget(*wired.link);  // no turn is under way: it goes at once, and its descriptor can be watched again
  CHECK(wired.runtime.watch(*wired.link));
}

TEST_CASE("a frame that was kept for a full device leaves when there is room", "[runtime]") {
  Wired wired;
  const bool own_loop = GENERATE(false, true);
  const auto turn = [&] { own_loop ? wired.runtime.poll() : (void)wired.runtime.run_until([n = 0]() mutable { return ++n > 1; }, kLong); };
  // As a connection does: nothing is left to send as far as it knows, so nobody waits for room.
  struct Once final : ReadySource {
    explicit Once(Wired& over) : wired{over} {}
    [[nodiscard]] Pulled pull() override {
      const Scheduler::Deferral deferral{wired.runtime.scheduler()};
      Packet frame{wired.runtime.pool(), 4};
      frame.append_zeros(4);
      REQUIRE(wired.link->transmit(std::move(frame)));
      return Pulled::drained;
    }
    Wired& wired;
  } once{wired};
  Packet large{wired.runtime.pool(), 1000};
  large.append_zeros(1000);
  std::size_t taken = 0;
  while (wired.link->transmit(large.share())) ++taken;
  wired.link->set_writable();  // as far as it knows
  wired.runtime.scheduler().make_ready(once);
  turn();
  CHECK_FALSE(wired.link->writable());
  CHECK_FALSE(wired.runtime.scheduler().has_blocked());
  std::array<std::byte, 2000> frame{};
  for (std::size_t i = 0; i < taken; ++i) REQUIRE(::recv(wired.peer, frame.data(), frame.size(), MSG_DONTWAIT) == 1000);
  CHECK(::recv(wired.peer, frame.data(), frame.size(), MSG_DONTWAIT) < 0);
  turn();
  CHECK(::recv(wired.peer, frame.data(), frame.size(), MSG_DONTWAIT) == 4);
  CHECK(wired.link->writable());
}

TEST_CASE("a program with a loop of its own waits for the runtime's descriptor and calls poll()", "[runtime]") {
  Wired wired;
  const auto readable = [&wired](int milliseconds) {
    pollfd waiting{.fd = wired.runtime.descriptor(), .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, milliseconds) == 1;
  };
  constexpr int kLongMilliseconds = 60'000;
  wired.runtime.poll();
  CHECK_FALSE(readable(0));
  CHECK_FALSE(wired.runtime.patience());

  SECTION("a frame") {
    wired.say();
    CHECK(readable(kLongMilliseconds));
    wired.runtime.poll();
    CHECK(wired.up.frames == 1);
    CHECK_FALSE(readable(0));
  }
  SECTION("a task from another thread") {
    bool ran = false;
    std::thread{[&] { wired.runtime.post([&] { ran = true; }); }}.join();
    CHECK(readable(kLongMilliseconds));
    wired.runtime.poll();
    CHECK(ran);
    CHECK_FALSE(readable(0));
  }
  SECTION("a timer: the descriptor says nothing of it, patience() does") {
    Alarm alarm{wired.runtime.scheduler()};
    alarm.timer.arm_after(1h);
    REQUIRE(wired.runtime.patience());
    CHECK(*wired.runtime.patience() <= 1h);
    CHECK(*wired.runtime.patience() > 0s);
    alarm.timer.arm_after(0s);
    CHECK(wired.runtime.patience() == Duration{});
    wired.runtime.poll();
    CHECK(alarm.count == 1);
  }
  SECTION("a sender that a full device stopped goes on when there is room") {
    constexpr std::size_t kFrames = 1000;
    Sender sender{wired.runtime.pool(), *wired.link, kFrames};
    wired.runtime.scheduler().make_ready(sender);
    CHECK(wired.runtime.patience() == Duration{});
    while (sender.blocked == 0 && sender.left > 0) wired.runtime.poll();
    REQUIRE(sender.left > 0);
    CHECK_FALSE(readable(0));
    std::array<std::byte, 2000> frame{};
    while (::recv(wired.peer, frame.data(), frame.size(), MSG_DONTWAIT) > 0) {}
    CHECK(readable(kLongMilliseconds));
    const auto before = sender.left;
    wired.runtime.poll();
    CHECK(sender.left < before);
  }
}

TEST_CASE("a device that is gone is reported once and no longer waited on", "[runtime]") {
  Wired wired{every_way_of_waiting()};
  int lost = 0;
  wired.runtime.on_link_lost([&](link::Link& link) { lost += &link == &*wired.link ? 1 : 100; });
  wired.say(2);
  ::close(std::exchange(wired.peer, -1));
  CHECK(wired.runtime.run_until([&] { return lost > 0; }, kLong));
  CHECK(wired.up.frames == 2);  // what was there is read first
  CHECK_FALSE(wired.runtime.run_until([] { return false; }, 1ms));
  CHECK(lost == 1);
}

TEST_CASE("a descriptor that cannot be waited on is refused", "[runtime]") {
  Runtime runtime;
  SocketLink link{runtime.pool(), ::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  const auto watched = runtime.watch(link);
  REQUIRE_FALSE(watched);
  CHECK(watched.error() == std::errc::operation_not_permitted);
  ::close(*link.descriptor());
}

TEST_CASE("a link without a descriptor is drained at every turn", "[runtime]") {
  Runtime runtime;
  test::RecordingLink link{runtime.pool()};
  CHECK(runtime.watch(link));
  CHECK_FALSE(runtime.run_until([] { return false; }, 1ms));
  runtime.forget(link);
}

TEST_CASE("the system's random numbers are not repeated", "[runtime]") {
  SystemRandom random;
  SystemRandom other;
  std::set<std::uint64_t> numbers;
  for (int i = 0; i < 500; ++i) {
    numbers.insert(random.next());
    numbers.insert(other.next());
  }
  CHECK(numbers.size() == 1000);
}
