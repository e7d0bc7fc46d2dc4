#pragma once

#include <functional>
#include <list>
#include <memory>

#include <tapir/core/scheduler.hpp>

namespace tapir::posix::detail {

class StreamSocket;

/// Sockets that are being closed with SO_LINGER while nobody waits in close() itself: each until its peer has everything, or its own time is over.
class LingeringCloses {
 public:
  explicit LingeringCloses(Scheduler& scheduler) noexcept;
  LingeringCloses(const LingeringCloses&) = delete;
  LingeringCloses& operator=(const LingeringCloses&) = delete;
  /// Sockets that are still here end without their `closed` being called.
  ~LingeringCloses();

  void add(std::shared_ptr<StreamSocket> socket, TimePoint deadline, std::function<void()> closed);

 private:
  struct Lingering;

  Scheduler& scheduler_;
  std::list<Lingering> all_;
};

}  // namespace tapir::posix::detail
