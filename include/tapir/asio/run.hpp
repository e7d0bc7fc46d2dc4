#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <tapir/core/time.hpp>
#include <tapir/runtime/runtime.hpp>
#include <tapir/sim/world.hpp>

// How an io_context and a driver share one thread. In virtual time the world leads: at every moment at which something happened the handlers that
// are ready run, and time passes only when none is. In real time the io_context waits, for its own events and for the runtime's descriptor.
// Either way handlers run one at a time on the calling thread, and never inside the stack.

namespace tapir::asio {

namespace detail {

/// Runs handlers that are ready, but not so many that the stack starves beside one that posts itself again and again. Whether any was.
inline bool run_handlers(boost::asio::io_context& context) {
  constexpr std::size_t most = 256;
  std::size_t count = 0;
  while (count < most && context.poll_one() > 0) ++count;
  return count > 0;
}

/// Makes an io_context that waits wake up when a runtime has something to do.
class RuntimeWatch {
 public:
  RuntimeWatch(Runtime& runtime, boost::asio::io_context& context) : context_{context}, descriptor_{context, runtime.descriptor()} {}
  RuntimeWatch(const RuntimeWatch&) = delete;
  RuntimeWatch& operator=(const RuntimeWatch&) = delete;
  ~RuntimeWatch() { descriptor_.release(); }

  /// Waits for one handler that is ready, or for the runtime, or for `timeout`; empty: for as long as it takes.
  void wait(std::optional<Duration> timeout) {
    if (!*waiting_) {
      *waiting_ = true;
      descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                             [waiting = waiting_](boost::system::error_code) { *waiting = false; });
    }
    if (timeout) {
      context_.run_one_for(*timeout);
    } else {
      context_.run_one();
    }
  }

 private:
  boost::asio::io_context& context_;
  boost::asio::posix::stream_descriptor descriptor_;
  std::shared_ptr<bool> waiting_ = std::make_shared<bool>(false);  ///< shared with a handler that may be called after this is gone
};

}  // namespace detail

/// Lets virtual time pass in `world` and runs the handlers of `context`, until `done` returns true (asked at the start and after every moment at
/// which something happened), io_context::stop() is called, or `limit` has passed. Whether `done` was reached. What handlers throw is passed on.
inline bool run_until(sim::World& world, boost::asio::io_context& context, const std::function<bool()>& done, Duration limit) {
  const auto guard = boost::asio::make_work_guard(context);
  context.restart();
  bool reached = false;
  const auto settled = [&] {
    // What handlers sent, and what they posted beyond one go, happens before time passes.
    if (detail::run_handlers(context)) world.after({}, [] {});
    reached = done();
    return reached || context.stopped();
  };
  (void)world.run_until(settled, limit);
  return reached;
}

/// Lets `time` pass in `world` and runs the handlers of `context`.
inline void run_for(sim::World& world, boost::asio::io_context& context, Duration time) {
  (void)run_until(world, context, [] { return false; }, time);
}

/// Runs `runtime` and the handlers of `context` until `done` returns true (asked after every turn), Runtime::stop() or io_context::stop() is
/// called, or `limit` has passed. Whether `done` was reached. What handlers throw is passed on.
inline bool run_until(Runtime& runtime, boost::asio::io_context& context, const std::function<bool()>& done, Duration limit) {
  const auto guard = boost::asio::make_work_guard(context);
  context.restart();
  if (!runtime.status()) return false;
  detail::RuntimeWatch watch{runtime, context};
  const auto start = runtime.scheduler().now();
  const auto end = limit > TimePoint::max() - start ? TimePoint::max() : start + limit;
  for (;;) {
    detail::run_handlers(context);
    runtime.poll();
    if (done()) return true;
    const auto now = runtime.scheduler().now();
    if (runtime.stopping() || context.stopped() || now >= end) return false;
    auto timeout = runtime.patience();
    if (end != TimePoint::max()) timeout = std::min(timeout.value_or(Duration::max()), end - now);
    watch.wait(timeout);
  }
}

/// Runs `runtime` and the handlers of `context` until Runtime::stop(): the code given there, 1 when the system refused what the loop needs; or until
/// io_context::stop(): 0.
inline int run(Runtime& runtime, boost::asio::io_context& context) {
  if (!runtime.status()) return 1;
  (void)run_until(runtime, context, [] { return false; }, Duration::max());
  return runtime.stopping() ? runtime.run() : 0;
}

}  // namespace tapir::asio
