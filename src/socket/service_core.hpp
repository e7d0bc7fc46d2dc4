#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include <tapir/socket/service.hpp>

#include "dispatcher.hpp"
#include "event_signal.hpp"

namespace tapir::posix {

/// The stack's side of a Service. What is called from other threads says so; the rest runs on the stack's thread.
class Service::Core {
 public:
  Core(Runtime& runtime, Stack& stack, SocketsConfig config);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  ~Core();

  using Clock = std::chrono::steady_clock;
  using Deadline = detail::Dispatcher::Deadline;
  /// A call as it is made on the stack's thread: result and errno as Sockets has them.
  using Call = std::function<long(Sockets& sockets)>;

  // From any thread.
  /// Has `call` made, waits for it, sets errno: ENETDOWN when the stack's thread is over.
  long carry_out(const Call& call);
  /// The same; the descriptor's eventfd is brought up to date.
  long carry_out_on(int descriptor, const Call& call);
  /// Repeats `call`, which does not wait, while it fails with EAGAIN, or is a send that waits for its connection, and the descriptor may block: each
  /// time `events` are ready, until the deadline.
  long repeat(int descriptor, short events, int flags, int timeout_option, const Call& call);
  /// The same as a part of a longer call, whose deadline is set when it first waits.
  long repeat(int descriptor, short events, int flags, int timeout_option, const Call& call, std::optional<Deadline>& deadline);
  /// Makes one attempt to receive, behind what was received before.
  using ReceiveCall = std::function<long(Sockets& sockets, std::size_t received)>;
  /// A receive call: it goes on until a stream has given what SO_RCVLOWAT asks for, with MSG_WAITALL all that is wanted.
  long receive(int descriptor, int flags, std::size_t wanted, const ReceiveCall& attempt);
  long look_at(int descriptor, int flags, std::size_t wanted, const ReceiveCall& attempt);
  /// poll(). Descriptors are checked on the stack's thread.
  int poll(pollfd* descriptors, nfds_t count, int timeout);
  int connect(int descriptor, const sockaddr* address, socklen_t size);
  int close(int descriptor);

  // On the stack's thread.
  /// Whether calls on the descriptor must not wait.
  [[nodiscard]] bool nonblocking(int descriptor) const;
  void set_nonblocking(int descriptor, bool on);
  /// A descriptor has been opened: its events are watched from now on.
  void opened(int descriptor, bool nonblocking);
  [[nodiscard]] int event_descriptor(int descriptor, std::uint32_t events);

 private:
  /// What the service knows of an open descriptor.
  struct Entry {
    bool nonblocking = false;
    std::uint64_t latest = 0;  ///< the number of what has happened to it last
    std::uint32_t signal_events = 0;
    std::unique_ptr<detail::EventSignal> signal;
  };
  /// A thread that waits in poll().
  struct Waiter {
    pollfd* descriptors;
    nfds_t count;
    std::uint64_t since = 0;  ///< behind this something must have happened to its only descriptor; 0: it need not
    bool suffices = false;    ///< that something has
    detail::Completion completion{};
  };

  /// The runtime does not run any more.
  void end();
  /// As Sockets::close_without_waiting().
  [[nodiscard]] int begin_close(int descriptor, const std::function<void()>& closed);
  void happened(int descriptor);
  void refresh(int descriptor);
  /// Completes the waiter if one of its descriptors is ready.
  [[nodiscard]] bool look(Waiter& waiter);
  /// Waits until `events` are ready. Where an attempt has failed all the same, only those count that come behind what had happened by then; to read,
  /// whatever happens is worth another: with SO_RCVLOWAT poll() keeps quiet about what a call under way takes.
  [[nodiscard]] bool await(int descriptor, short events, Deadline deadline, std::uint64_t since = 0);
  [[nodiscard]] std::uint64_t latest(int descriptor) const;
  [[nodiscard]] int wait_for(Waiter& waiter, Deadline deadline);
  [[nodiscard]] Deadline deadline_of(int descriptor, int timeout_option);
  [[nodiscard]] bool on_stack_thread() const noexcept { return std::this_thread::get_id() == thread_.get_id(); }

  Runtime& runtime_;
  std::optional<Sockets> sockets_;
  std::map<int, Entry> entries_;
  std::list<Waiter*> waiters_;
  std::uint64_t happenings_ = 0;
  detail::Dispatcher dispatcher_;
  std::thread thread_;
};

}  // namespace tapir::posix
