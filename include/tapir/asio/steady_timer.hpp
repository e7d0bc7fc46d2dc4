#pragma once

#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/io_context.hpp>

#include <tapir/asio/detail/operation.hpp>
#include <tapir/core/scheduler.hpp>
#include <tapir/core/time.hpp>

namespace tapir::asio {

namespace detail {

class TimerState {
 public:
  TimerState(boost::asio::any_io_executor executor, Scheduler& scheduler)
      : executor_{std::move(executor)}, scheduler_{&scheduler}, timer_{Timer::calling<&TimerState::expired>(scheduler, *this)} {}

  [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
  [[nodiscard]] OperationQueue& waits() noexcept { return waits_; }
  [[nodiscard]] TimePoint now() const noexcept { return scheduler_->now(); }
  [[nodiscard]] TimePoint expiry() const noexcept { return expiry_; }
  [[nodiscard]] bool is_over() const noexcept { return now() >= expiry_; }

  void expire_at(TimePoint expiry) {
    waits_.abort_all();
    expiry_ = expiry;
    timer_.arm_at(expiry);
  }

 private:
  void expired() { waits_.attempt_each(); }

  boost::asio::any_io_executor executor_;
  Scheduler* scheduler_;
  OperationQueue waits_;
  TimePoint expiry_{};
  Timer timer_;
};

struct WaitingForTime {
  using Outcome = std::tuple<boost::system::error_code>;
  const TimerState* state;

  [[nodiscard]] std::optional<Outcome> attempt() const { return state->is_over() ? std::optional<Outcome>{Outcome{}} : std::nullopt; }
  [[nodiscard]] static Outcome failed(boost::system::error_code error) { return error; }
};

}  // namespace detail

/// boost::asio::steady_timer on the clock of a scheduler: in virtual time it waits for virtual time, where Boost.Asio's own timers wait for
/// the machine's. It expires when expires_at() or expires_after() said; before that it counts as expired. One thread.
class steady_timer {
 public:
  using executor_type = boost::asio::any_io_executor;
  using clock_type = Clock;
  using duration = Duration;
  using time_point = TimePoint;

  /// `scheduler` outlives the timer.
  steady_timer(executor_type executor, Scheduler& scheduler)
      : state_{std::make_unique<detail::TimerState>(std::move(executor), scheduler)} {}
  steady_timer(boost::asio::io_context& context, Scheduler& scheduler) : steady_timer{context.get_executor(), scheduler} {}

  [[nodiscard]] executor_type get_executor() const noexcept { return state_->executor(); }
  [[nodiscard]] TimePoint expiry() const noexcept { return state_->expiry(); }
  /// Sets when it expires; those that wait already end with boost::asio::error::operation_aborted.
  void expires_at(TimePoint expiry) { state_->expire_at(expiry); }
  void expires_after(Duration delay) { state_->expire_at(state_->now() + delay); }
  /// void(error_code)
  template <boost::asio::completion_token_for<void(boost::system::error_code)> Token>
  auto async_wait(Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        [state = state_.get()](auto handler) {
          detail::start(state->waits(), state->executor(), detail::WaitingForTime{state}, std::move(handler));
        },
        token);
  }
  void cancel() { state_->waits().abort_all(); }

 private:
  std::unique_ptr<detail::TimerState> state_;
};

}  // namespace tapir::asio
