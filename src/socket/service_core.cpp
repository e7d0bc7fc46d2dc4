#include "service_core.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tapir::posix {

namespace {
bool is_stream(Sockets& sockets, int descriptor) {
  int type = 0;
  socklen_t size = sizeof(type);
  return sockets.getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/// A call that wants more ends all the same: with each datagram, and at the mark of urgent data.
bool ends_here(Sockets& sockets, int descriptor) {
  int at_mark = 0;
  return !is_stream(sockets, descriptor) || sockets.ioctl(descriptor, SIOCATMARK, &at_mark) != 0 || at_mark != 0;
}
int option(Sockets& sockets, int descriptor, int name, int otherwise) {
  socklen_t size = sizeof(otherwise);
  (void)sockets.getsockopt(descriptor, SOL_SOCKET, name, &otherwise, &size);
  return otherwise;
}
/// Fewer bytes than this do not end a receive call that may wait.
std::size_t least(Sockets& sockets, int descriptor) { return static_cast<std::size_t>(option(sockets, descriptor, SO_RCVLOWAT, 1)); }
/// Whether a look finds all that there will be to see: what has ended a stream, or urgent data, is in the way; or the next one goes on behind it.
bool sees_all(Sockets& sockets, int descriptor) {
  constexpr std::uint32_t kInTheWay = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
  return (sockets.readiness(descriptor) & kInTheWay) != 0 || option(sockets, descriptor, SO_PEEK_OFF, -1) >= 0 ||
         ends_here(sockets, descriptor);
}
/// Whether an error that is still to be told has ended a stream of which everything was read.
bool ended_by_error(Sockets& sockets, int descriptor) {
  constexpr std::uint32_t kEnd = EPOLLERR | EPOLLHUP;
  int unread = 0;
  return (sockets.readiness(descriptor) & kEnd) == kEnd && sockets.ioctl(descriptor, SIOCINQ, &unread) == 0 && unread == 0;
}
}  // namespace

Service::Core::Core(Runtime& runtime, Stack& stack, SocketsConfig config) : runtime_{runtime}, dispatcher_{runtime} {
  config.wait = {};
  sockets_.emplace(stack, std::move(config));
  thread_ = std::thread{[this] {
    (void)runtime_.run();
    end();
  }};
}

Service::Core::~Core() {
  dispatcher_.post([this] {
    entries_.clear();
    sockets_.reset();
    runtime_.stop();
  });
  thread_.join();
  entries_.clear();  // where somebody else has stopped the runtime, the task has not run and will not
  sockets_.reset();
}

/// Whoever waits, in a call or for an eventfd, learns of it from the call that fails.
void Service::Core::end() {
  waiters_.clear();
  for (const auto& [descriptor, entry] : entries_) {
    if (entry.signal != nullptr) entry.signal->raise(true);
  }
  dispatcher_.shut_down();
}

long Service::Core::carry_out(const Call& call) {
  if (on_stack_thread()) return call(*sockets_);
  detail::Completion completion;
  dispatcher_.dispatch(completion, [&] {
    errno = 0;
    const long result = call(*sockets_);
    dispatcher_.complete(completion, result, errno);
  });
  (void)dispatcher_.wait(completion);
  if (completion.result < 0) errno = completion.error;
  return completion.result;
}

long Service::Core::carry_out_on(int descriptor, const Call& call) {
  return carry_out([&](Sockets& sockets) {
    const long result = call(sockets);
    const int error = errno;
    refresh(descriptor);
    errno = error;
    return result;
  });
}

bool Service::Core::nonblocking(int descriptor) const {
  const auto found = entries_.find(descriptor);
  return found == entries_.end() || found->second.nonblocking;
}

void Service::Core::set_nonblocking(int descriptor, bool on) {
  if (const auto found = entries_.find(descriptor); found != entries_.end()) found->second.nonblocking = on;
}

/// Below, every descriptor is non-blocking: the stack's thread must never wait in a call.
void Service::Core::opened(int descriptor, bool nonblocking) {
  entries_[descriptor].nonblocking = nonblocking;
  entries_[descriptor].latest = ++happenings_;
  (void)sockets_->fcntl(descriptor, F_SETFL, O_NONBLOCK);
  (void)sockets_->on_event(descriptor, [this, descriptor] { happened(descriptor); });
}

void Service::Core::refresh(int descriptor) {
  const auto found = entries_.find(descriptor);
  if (found == entries_.end() || found->second.signal == nullptr) return;
  found->second.signal->raise((sockets_->readiness(descriptor) & found->second.signal_events) != 0);
}

std::uint64_t Service::Core::latest(int descriptor) const {
  const auto found = entries_.find(descriptor);
  return found == entries_.end() ? 0 : found->second.latest;
}

void Service::Core::happened(int descriptor) {
  if (const auto found = entries_.find(descriptor); found != entries_.end()) found->second.latest = ++happenings_;
  refresh(descriptor);
  for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
    const std::span all{(*waiter)->descriptors, (*waiter)->count};
    const bool concerned = std::ranges::any_of(all, [descriptor](const pollfd& entry) { return entry.fd == descriptor; });
    waiter = concerned && look(**waiter) ? waiters_.erase(waiter) : std::next(waiter);
  }
}

bool Service::Core::look(Waiter& waiter) {
  if (waiter.since != 0 && latest(waiter.descriptors->fd) == waiter.since) return false;
  const int result = waiter.suffices ? 1 : sockets_->poll(waiter.descriptors, waiter.count, 0);
  if (result == 0) return false;
  dispatcher_.complete(waiter.completion, result, errno);
  return true;
}

/// The caller's half of poll().
int Service::Core::wait_for(Waiter& waiter, Deadline deadline) {
  dispatcher_.dispatch(waiter.completion, [this, &waiter] {
    if (!look(waiter)) waiters_.push_back(&waiter);
  });
  if (!dispatcher_.wait(waiter.completion, deadline)) {
    // Behind this the stack's thread does not know the waiter any more; it may have become ready meanwhile.
    (void)carry_out([this, &waiter](Sockets&) {
      waiters_.remove(&waiter);
      dispatcher_.complete(waiter.completion, 0, 0);
      return 0L;
    });
  }
  if (waiter.completion.result < 0) errno = waiter.completion.error;
  return static_cast<int>(waiter.completion.result);
}

int Service::Core::poll(pollfd* descriptors, nfds_t count, int timeout) {
  if (timeout == 0 || on_stack_thread() || (descriptors == nullptr && count > 0)) {
    return static_cast<int>(carry_out([=](Sockets& sockets) { return sockets.poll(descriptors, count, 0); }));
  }
  Deadline deadline;
  if (timeout > 0) deadline = Clock::now() + std::chrono::milliseconds{timeout};
  Waiter waiter{.descriptors = descriptors, .count = count};
  return wait_for(waiter, deadline);
}

bool Service::Core::await(int descriptor, short events, Deadline deadline, std::uint64_t since) {
  pollfd entry{.fd = descriptor, .events = events, .revents = 0};
  Waiter waiter{.descriptors = &entry, .count = 1, .since = since, .suffices = since != 0 && events == POLLIN};
  return wait_for(waiter, deadline) != 0;
}

Service::Core::Deadline Service::Core::deadline_of(int descriptor, int timeout_option) {
  std::optional<Duration> limit;
  (void)carry_out([&](Sockets& sockets) {
    limit = sockets.timeout(descriptor, timeout_option);
    return 0L;
  });
  if (!limit) return std::nullopt;
  return Clock::now() + std::chrono::duration_cast<Clock::duration>(*limit);
}

long Service::Core::repeat(int descriptor, short events, int flags, int timeout_option, const Call& call) {
  std::optional<Deadline> deadline;
  return repeat(descriptor, events, flags, timeout_option, call, deadline);
}

long Service::Core::repeat(int descriptor, short events, int flags, int timeout_option, const Call& call,
                           std::optional<Deadline>& deadline) {
  for (;;) {
    bool may_wait = false;
    std::uint64_t seen = 0;
    const long result = carry_out_on(descriptor, [&](Sockets& sockets) {
      may_wait = !nonblocking(descriptor) && (flags & MSG_DONTWAIT) == 0;
      seen = latest(descriptor);
      const long count = call(sockets);
      if (count >= 0 || errno != EAGAIN || !may_wait) return count;
      const std::uint32_t ready = sockets.readiness(descriptor);
      // A datagram that no full link keeps from leaving has no port to leave from: nobody waits for one.
      if (events == POLLOUT && (ready & EPOLLOUT) != 0) may_wait = is_stream(sockets, descriptor);
      // Behind shutdown() datagrams have one that must not wait come again; whoever may wait gets nothing, at once.
      const bool shut = events == POLLIN && (ready & EPOLLRDHUP) != 0;
      errno = EAGAIN;
      return shut ? 0L : count;
    });
    const int why = errno;
    const bool opening = events == POLLOUT && (why == EINPROGRESS || why == EALREADY);  // a connection, by a send that begins it
    if (result >= 0 || (why != EAGAIN && !opening) || !may_wait || on_stack_thread()) return result;
    if (!deadline) deadline = deadline_of(descriptor, timeout_option);
    if (!await(descriptor, events, *deadline, seen)) {
      errno = why;
      return -1;
    }
  }
}

long Service::Core::receive(int descriptor, int flags, std::size_t wanted, const ReceiveCall& attempt) {
  // Nobody waits for an error, nor for the urgent octet of a stream.
  const auto of_stream = [descriptor](Sockets& sockets) { return is_stream(sockets, descriptor) ? 1L : 0L; };
  if ((flags & MSG_ERRQUEUE) != 0 || ((flags & MSG_OOB) != 0 && carry_out(of_stream) != 0)) {
    return carry_out_on(descriptor, [&attempt](Sockets& sockets) { return attempt(sockets, 0); });
  }
  if ((flags & MSG_PEEK) != 0) return look_at(descriptor, flags, wanted, attempt);
  // Cutting it ends with what one attempt finds.
  const bool goes_on = (flags & (MSG_TRUNC | MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE)) == 0;
  const bool all_wanted = (flags & MSG_WAITALL) != 0;
  std::optional<Deadline> deadline;
  std::size_t received = 0;
  for (;;) {
    bool over = !goes_on;
    const auto call = [&](Sockets& sockets) {
      if (received > 0 && ended_by_error(sockets, descriptor)) return 0L;  // the next call is told
      const long count = attempt(sockets, received);
      if (count <= 0 || over) return count;
      const std::size_t now = received + static_cast<std::size_t>(count);
      const bool enough = now >= wanted || (!all_wanted && now >= least(sockets, descriptor));
      over = enough || nonblocking(descriptor) || ends_here(sockets, descriptor);
      return count;
    };
    const long count = repeat(descriptor, POLLIN, flags, SO_RCVTIMEO, call, deadline);
    if (count < 0) return received > 0 ? static_cast<long>(received) : count;
    received += static_cast<std::size_t>(count);
    if (over || count == 0) return static_cast<long>(received);
  }
}

/// MSG_PEEK: each attempt begins anew.
long Service::Core::look_at(int descriptor, int flags, std::size_t wanted, const ReceiveCall& attempt) {
  long found = 0;
  const Call call = [&](Sockets& sockets) {
    found = 0;
    const long count = attempt(sockets, 0);
    if (count <= 0) return count;
    const std::size_t target = (flags & MSG_WAITALL) != 0 ? wanted : std::min(wanted, least(sockets, descriptor));
    if (static_cast<std::size_t>(count) >= target || nonblocking(descriptor) || sees_all(sockets, descriptor)) return count;
    found = count;
    errno = EAGAIN;
    return -1L;
  };
  const long count = repeat(descriptor, POLLIN, flags, SO_RCVTIMEO, call);
  return count < 0 && errno == EAGAIN && found > 0 ? found : count;
}

int Service::Core::connect(int descriptor, const sockaddr* address, socklen_t size) {
  bool may_wait = false;
  std::uint64_t seen = 0;
  const Call call = [&](Sockets& sockets) {
    may_wait = !nonblocking(descriptor);
    seen = latest(descriptor);
    return sockets.connect(descriptor, address, size);
  };
  std::optional<Deadline> deadline;
  int under_way = 0;
  for (;;) {
    const long result = carry_out_on(descriptor, call);  // behind a wait it says what came of the first
    const int why = errno;
    const bool waits = why == EALREADY || (why == EINPROGRESS && under_way == 0);
    if (result == 0 || !waits || !may_wait || on_stack_thread()) return static_cast<int>(result);
    // What is in the error queue has poll() tell of an error at once: that is not the end of it.
    const std::uint64_t since = under_way == 0 ? 0 : seen;
    if (under_way == 0) under_way = why;
    if (!deadline) deadline = deadline_of(descriptor, SO_SNDTIMEO);
    if (!await(descriptor, POLLOUT, *deadline, since)) {
      errno = under_way;
      return -1;
    }
  }
}

/// SO_LINGER has the caller wait, not the stack's thread: others close meanwhile, and each has its own time.
int Service::Core::close(int descriptor) {
  if (on_stack_thread()) return std::min(begin_close(descriptor, [] {}), 0);
  detail::Completion completion;
  bool begun_there = false;
  dispatcher_.dispatch(completion, [this, descriptor, &completion, &begun_there] {
    begun_there = true;
    const int begun = begin_close(descriptor, [this, &completion] { dispatcher_.complete(completion, 0, 0); });
    if (begun <= 0) dispatcher_.complete(completion, begun, errno);
  });
  (void)dispatcher_.wait(completion);
  // A program that a raised eventfd has woken must be able to get rid of it, or it is woken for ever. Where the close has begun the number may be another's.
  dispatcher_.run_if_over([this, descriptor, &begun_there] {
    if (!begun_there) entries_.erase(descriptor);
  });
  if (completion.result < 0) errno = completion.error;
  return static_cast<int>(completion.result);
}

int Service::Core::begin_close(int descriptor, const std::function<void()>& closed) {
  const int begun = sockets_->close_without_waiting(descriptor, closed);
  if (begun < 0) return begun;
  entries_.erase(descriptor);
  happened(descriptor);  // those who wait for it learn that it is gone
  return begun;
}

int Service::Core::event_descriptor(int descriptor, std::uint32_t events) {
  const auto found = entries_.find(descriptor);
  if (found == entries_.end()) {
    errno = EBADF;
    return -1;
  }
  Entry& entry = found->second;
  if (entry.signal == nullptr) {
    auto signal = std::make_unique<detail::EventSignal>();
    if (signal->descriptor() < 0) return -1;  // errno is the system's
    entry.signal = std::move(signal);
  }
  entry.signal_events = events | EPOLLERR | EPOLLHUP;
  refresh(descriptor);
  return entry.signal->descriptor();
}

}  // namespace tapir::posix
