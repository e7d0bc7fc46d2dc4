#pragma once

#include <cstddef>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include <poll.h>
#include <sys/epoll.h>

#include "environment.hpp"
#include "file.hpp"
#include "message.hpp"
#include "option_table.hpp"
#include "socket.hpp"

namespace tapir::posix::detail {

/// The descriptors: what class Sockets does before it is translated into -1 and errno.
class Table {
 public:
  Table(Stack& stack, SocketsConfig config);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table();

  // descriptors: table.cpp
  [[nodiscard]] Result<int> socket(int domain, int type, int protocol);
  [[nodiscard]] Result<int> epoll_create(int flags);
  [[nodiscard]] Result<std::shared_ptr<Socket>> accept(int descriptor, int flags, int& opened);
  [[nodiscard]] Result<> close(int descriptor);
  /// See Sockets::close_without_waiting().
  [[nodiscard]] Result<bool> close_without_waiting(int descriptor, const std::function<void()>& closed);
  [[nodiscard]] Result<int> fcntl(int descriptor, int command, long argument) const;
  [[nodiscard]] Result<> ioctl(int descriptor, unsigned long request, void* argument) const;
  /// EBADF.
  [[nodiscard]] Result<std::shared_ptr<File>> file(int descriptor) const;
  /// EBADF, ENOTSOCK.
  [[nodiscard]] Result<std::shared_ptr<Socket>> find_socket(int descriptor) const;
  [[nodiscard]] std::size_t size() const noexcept { return open_; }

  // readiness: table_poll.cpp
  [[nodiscard]] Result<int> poll(std::span<pollfd> wanted, int timeout);
  [[nodiscard]] Result<> epoll_control(int epoll, int operation, int descriptor, const epoll_event* event) const;
  [[nodiscard]] Result<int> epoll_wait(int epoll, std::span<epoll_event> events, int timeout);

 private:
  [[nodiscard]] Result<int> insert(std::shared_ptr<File> file, int flags);
  /// The descriptor is free again; its file is to be closed.
  [[nodiscard]] Result<std::shared_ptr<File>> release(int descriptor);
  [[nodiscard]] Result<> has_room() const;
  /// Waits as poll() does; a timeout in ms.
  [[nodiscard]] Result<> wait_ready(const std::function<bool()>& ready, int timeout);

  Environment environment_;
  std::vector<std::shared_ptr<File>> files_;  ///< by descriptor, less the first
  std::set<std::size_t> free_;                ///< places in it that are empty
  std::size_t open_ = 0;
};

}  // namespace tapir::posix::detail
