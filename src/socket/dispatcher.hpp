#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <optional>

#include <tapir/runtime/runtime.hpp>

namespace tapir::posix::detail {

/// What a thread waits for: how a call ended that the stack's thread carries out for it.
struct Completion {
  std::condition_variable ready{};
  long result = 0;
  int error = 0;  ///< meaningful with a negative result
  bool done = false;
};

/// Has tasks run on the stack's thread while others wait for what comes of them. That thread may end at any time, even between a task's being posted and its
/// turn: whoever waits then, or comes later, is told ENETDOWN, and a task that the runtime still holds does nothing, however long the runtime lives.
class Dispatcher {
 public:
  explicit Dispatcher(Runtime& runtime);

  using Task = std::function<void()>;
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;

  // From any thread.
  /// Has `task` run, by whom or by whose consequences `completion` is completed. Until then it stays where it is.
  void dispatch(Completion& completion, Task task);
  /// Has `task` run, with nobody to wait for it.
  void post(Task task);
  /// Waits until it is completed, or until the deadline. Whether it is.
  [[nodiscard]] bool wait(Completion& completion, Deadline deadline = {}) const;
  /// Runs `task` here and now, one thread at a time, if the stack's thread is over; else does nothing.
  void run_if_over(const Task& task) const;

  // On the stack's thread.
  /// Ends the wait; the thread that waits may be gone when this returns. Does nothing when it is completed already.
  void complete(Completion& completion, long result, int error);
  /// The stack's thread is over: nothing is run any more.
  void shut_down();

 private:
  struct State;

  Runtime& runtime_;
  std::shared_ptr<State> state_;  ///< tasks have a share in it: they ask it whether they are still to run
};

}  // namespace tapir::posix::detail
