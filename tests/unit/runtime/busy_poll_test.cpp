#include <catch2/catch.hpp>

#include <chrono>
#include <cstdint>

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
  int ran = 0;
  for (int i = 1; i <= 40; ++i) {
    runtime.post([&] { ++ran; });
    runtime.poll();
    CHECK(ran == i);
  }
}

TEST_CASE("a busy poll runs what is posted in its next turn", "[runtime]") {
  Runtime runtime{{.busy_poll = true}};
  bool ran = false;
  CHECK(turns_until(runtime, [&] { runtime.post([&] { ran = true; }); }, [&] { return ran; }) == 1);
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
