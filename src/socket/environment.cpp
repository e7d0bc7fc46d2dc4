#include "environment.hpp"

#include <utility>

#include "error_number.hpp"
#include "file.hpp"
#include "raw_tap.hpp"

namespace tapir::posix::detail {

namespace {
constexpr Duration kForever = std::chrono::hours{24 * 365 * 100};  // added to any present time it stays inside what TimePoint can hold
}

void Announcer::add(std::weak_ptr<File> file) {
  waiting_.push_back(std::move(file));
  scheduler_.make_ready(*this);
}

Pulled Announcer::pull() {
  for (auto left = waiting_.size(); left > 0 && !waiting_.empty(); --left) {
    const auto file = std::exchange(waiting_.front(), {}).lock();
    waiting_.pop_front();
    if (!waiting_.empty()) scheduler_.make_ready(*this);  // a handler may wait for what another one does
    if (file != nullptr) file->call_handler();
  }
  return waiting_.empty() ? Pulled::drained : Pulled::more;
}

Environment::Environment(Stack& stack, SocketsConfig config)
    : stack_{stack},
      config_{std::move(config)},
      tcp_ports_{config_.first_port, config_.last_port},
      udp_ports_{config_.first_port, config_.last_port},
      announcer_{stack.context().scheduler},
      lingering_{stack.context().scheduler} {}

Environment::~Environment() = default;

RawTap& Environment::raw_tap() {
  if (raw_tap_ == nullptr) raw_tap_ = std::make_unique<RawTap>(stack_);
  return *raw_tap_;
}

Result<> Environment::wait(const std::function<bool()>& done, std::optional<Duration> limit) {
  const TimePoint end = stack_.context().now() + limit.value_or(kForever);
  const struct Waiting {
    explicit Waiting(std::size_t& of) : count{of} { ++count; }
    ~Waiting() { --count; }
    std::size_t& count;
  } waiting{waiting_};
  const bool reached = config_.wait ? config_.wait(done, limit) : stack_.driver().run_until(done, limit.value_or(kForever));
  if (reached) return {};
  return error(stack_.context().now() >= end ? EAGAIN : EINTR);
}

}  // namespace tapir::posix::detail
