#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <tapir/core/error.hpp>

namespace tapir::posix::detail {

class Epoll;
class Environment;
class File;
class Socket;

/// Somebody who wants to know when something has happened to a file. Called from wherever it happened: it only takes a note.
class Watcher {
 public:
  virtual ~Watcher() = default;
  /// `events`: EPOLL bits of what has happened; readiness() says what is the case.
  virtual void happened(std::uint32_t events) = 0;
  /// The file is not to be watched any more: it has no descriptor. The watcher takes itself off.
  virtual void dismissed() = 0;
};

/// What a descriptor refers to.
class File : public std::enable_shared_from_this<File> {
 public:
  explicit File(Environment& environment) noexcept : environment_{environment} {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  virtual ~File();

  /// EPOLL bits, as poll() would report them now.
  [[nodiscard]] virtual std::uint32_t readiness() const = 0;
  /// The descriptor is gone: ends what the file stands for. May wait (SO_LINGER).
  virtual void close() = 0;
  /// The same, but it never waits. Whether close() would: then `closed` is called when it would return.
  [[nodiscard]] virtual bool close_without_waiting(const std::function<void()>& /*closed*/) {
    close();
    return false;
  }
  [[nodiscard]] virtual Socket* as_socket() noexcept { return nullptr; }
  [[nodiscard]] virtual Epoll* as_epoll() noexcept { return nullptr; }

  void watch(Watcher& watcher) { watchers_.push_back(&watcher); }
  void unwatch(Watcher& watcher) noexcept { std::erase(watchers_, &watcher); }
  void dismiss_watchers();
  /// The user's handler of Sockets::on_event().
  void set_handler(std::function<void()> handler);
  void call_handler();

  bool nonblocking = false;
  bool close_on_exec = false;
  int idle_flags = 0;  ///< those of F_SETFL that say nothing to a socket: O_APPEND, O_NOATIME

 protected:
  /// Tells everybody who watches.
  void notify(std::uint32_t events);
  [[nodiscard]] Environment& environment() const noexcept { return environment_; }

 private:
  Environment& environment_;
  std::vector<Watcher*> watchers_;
  std::shared_ptr<std::function<void()>> handler_;
};

}  // namespace tapir::posix::detail
