#include "blocked_call.hpp"

namespace tapir::packetdrill {

namespace {
/// Real time, in case packetdrill does not look at the clock after a call: then only the time it notes for the call's end is late.
constexpr std::chrono::seconds kPatience{1};
}  // namespace

bool BlockedCall::wait(const std::function<bool()>& done, std::optional<Duration> limit, Lock& lock) {
  done_ = done;
  deadline_.reset();
  if (limit) {
    deadline_ = world_.now() + *limit;
    world_.at(*deadline_, [] {});  // so that the main thread stops there
  }
  state_ = State::waiting;
  changed_.notify_all();
  changed_.wait(lock, [this] { return state_ != State::waiting; });
  done_ = {};
  return done();
}

void BlockedCall::returns() {
  if (state_ != State::released) return;
  returned_ = true;
  state_ = State::returning;
}

void BlockedCall::looked_at_clock() {
  if (state_ != State::returning) return;
  state_ = State::none;
  changed_.notify_all();
}

bool BlockedCall::may_return() const { return state_ == State::waiting && (done_() || (deadline_ && *deadline_ <= world_.now())); }

void BlockedCall::let_return(Lock& lock) {
  state_ = State::released;
  changed_.notify_all();
  changed_.wait_for(lock, kPatience, [this] { return state_ == State::none || state_ == State::waiting; });
}

}  // namespace tapir::packetdrill
