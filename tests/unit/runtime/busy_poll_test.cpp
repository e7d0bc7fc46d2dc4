#include <catch2/catch.hpp>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include <support/lab.hpp>
#include <tapir/runtime/runtime.hpp>

using namespace tapir;
using namespace std::chrono_literals;

namespace {

constexpr int kLater = 1000;  // turns: by then nothing is as it was at the start

struct Bell final : DescriptorUser {
  Bell() : fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {}
  ~Bell() override { ::close(fd); }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  void ring() const {
    const std::uint64_t once = 1;
    REQUIRE(::write(fd, &once, sizeof(once)) == sizeof(once));
  }
  void stop() const {
    std::uint64_t times = 0;
    REQUIRE(::read(fd, &times, sizeof(times)) == sizeof(times));
  }
  void on_ready(bool, bool, bool) override { heard = true; }
  int fd;
  bool heard = false;
};

/// How many turns of a busy poll pass from `cause` to when `seen` says that it was noticed.
template <class Cause, class Seen>
int turns_until(Runtime& runtime, const Cause& cause, const Seen& seen) {
  int turns = 0;
  const auto done = [&] {  // asked once a turn
    if (++turns == kLater) cause();
    return turns > kLater && seen();
  };
  REQUIRE(runtime.run_until(done, 60s));  // a limit that only a hanging test reaches
  return turns - kLater;
}

}  // namespace

TEST_CASE("links keep frames back for a loop that sleeps, not for one that spins", "[runtime]") {
  Runtime sleeping;
  Runtime spinning{{.busy_poll = true}};
  Runtime trying{{.spin = 1ms}};
  test::RecordingLink link{sleeping.pool()};
  for (Runtime* const runtime : {&sleeping, &spinning, &trying}) {
    REQUIRE(runtime->watch(link));
    CHECK(link.deferring == (runtime == &sleeping ? &sleeping.scheduler() : nullptr));
    runtime->forget(link);
    CHECK(link.deferring == nullptr);
  }
}

TEST_CASE("poll() of a busy poll looks at every descriptor", "[runtime]") {
  Runtime runtime{{.busy_poll = true}};
  Bell bell;
  REQUIRE(runtime.watch(bell.fd, bell, {.input = true, .output = false}));
  for (int i = 1; i <= 40; ++i) {
    bell.ring();
    runtime.poll();
    CHECK(std::exchange(bell.heard, false));
    bell.stop();
    runtime.poll();
    CHECK_FALSE(bell.heard);
  }
  runtime.forget(bell);
}

TEST_CASE("a busy poll runs what is posted in its next turn", "[runtime]") {
  Runtime runtime{{.busy_poll = true}};
  bool ran = false;
  CHECK(turns_until(runtime, [&] { runtime.post([&] { ran = true; }); }, [&] { return ran; }) == 1);
}

TEST_CASE("a busy poll runs what is posted while it runs what was posted", "[runtime]") {
  Runtime runtime{{.busy_poll = true}};
  bool ran = false;
  const auto post_again = [&] { runtime.post([&] { ran = true; }); };
  const auto two = [&] {
    runtime.post(post_again);
    runtime.post([] {});
  };
  CHECK(turns_until(runtime, two, [&] { return ran; }) <= 2);
}

TEST_CASE("a busy poll goes on with what was posted behind a task that throws", "[runtime]") {
  Runtime runtime{{.busy_poll = true}};
  bool ran = false;
  for (int i = 0; i < kLater; ++i) (void)runtime.run_until([n = 0]() mutable { return ++n > 1; }, 60s);
  runtime.post([] { throw std::runtime_error{"from a task"}; });
  runtime.post([&] { ran = true; });
  CHECK_THROWS_AS(runtime.run_until([] { return false; }, 60s), std::runtime_error);
  CHECK_FALSE(ran);
  int turns = 0;
  CHECK(runtime.run_until([&] { return ++turns > 2; }, 60s));
  CHECK(ran);
}

TEST_CASE("a busy poll looks at the other descriptors often enough", "[runtime]") {
  Runtime runtime{{.busy_poll = true}};
  Bell bell;
  REQUIRE(runtime.watch(bell.fd, bell, {.input = true, .output = false}));
  CHECK(turns_until(runtime, [&] { bell.ring(); }, [&] { return bell.heard; }) <= 16);
  runtime.forget(bell);
  bell.heard = false;
  Bell another;  // since one was forgotten
  REQUIRE(runtime.watch(another.fd, another, {.input = true, .output = false}));
  CHECK(turns_until(runtime, [&] { another.ring(); }, [&] { return another.heard; }) <= 16);
  CHECK_FALSE(bell.heard);
  runtime.forget(another);
}
