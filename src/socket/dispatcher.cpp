#include "dispatcher.hpp"

#include <cerrno>
#include <mutex>
#include <utility>
#include <vector>

namespace tapir::posix::detail {

struct Dispatcher::State {
  std::mutex mutex;
  bool over = false;
  std::vector<Completion*> waiting;  ///< one for each thread that waits

  /// With the mutex held: the thread that waits owns the completion, and may be gone as soon as the mutex is free.
  static void complete(Completion& completion, long result, int error) {
    completion.result = result;
    completion.error = error;
    completion.done = true;
    completion.ready.notify_one();
  }
};

Dispatcher::Dispatcher(Runtime& runtime) : runtime_{runtime}, state_{std::make_shared<State>()} {}

void Dispatcher::dispatch(Completion& completion, Task task) {
  {
    const std::lock_guard lock{state_->mutex};
    if (state_->over) return State::complete(completion, -1, ENETDOWN);
    state_->waiting.push_back(&completion);
  }
  post(std::move(task));
}

/// `over` is set by the thread that runs the tasks, so it does not change while one runs.
void Dispatcher::post(Task task) {
  runtime_.post([state = state_, task = std::move(task)] {
    {
      const std::lock_guard lock{state->mutex};
      if (state->over) return;
    }
    task();
  });
}

bool Dispatcher::wait(Completion& completion, Deadline deadline) const {
  std::unique_lock lock{state_->mutex};
  const auto done = [&completion] { return completion.done; };
  if (deadline) return completion.ready.wait_until(lock, *deadline, done);
  completion.ready.wait(lock, done);
  return true;
}

void Dispatcher::run_if_over(const Task& task) const {
  const std::lock_guard lock{state_->mutex};
  if (state_->over) task();
}

void Dispatcher::complete(Completion& completion, long result, int error) {
  const std::lock_guard lock{state_->mutex};
  if (state_->over || completion.done) return;  // over: who waited has been told, and may be gone
  std::erase(state_->waiting, &completion);
  State::complete(completion, result, error);
}

void Dispatcher::shut_down() {
  const std::lock_guard lock{state_->mutex};
  state_->over = true;
  for (Completion* const completion : state_->waiting) State::complete(*completion, -1, ENETDOWN);
  state_->waiting.clear();
}

}  // namespace tapir::posix::detail
