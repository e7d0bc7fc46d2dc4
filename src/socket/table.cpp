#include "table.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <cstring>
#include <utility>

#include "datagram_socket.hpp"
#include "epoll.hpp"
#include "error_number.hpp"
#include "raw_socket.hpp"
#include "stream_socket.hpp"
#include "timestamps.hpp"

namespace tapir::posix::detail {

namespace {
/// SIOCGSTAMP and SIOCGSTAMPNS (man 7 socket).
Result<> write_stamp(const Socket& socket, bool nanoseconds, void* argument) {
  constexpr long kMicrosecond = 1000;  // ns
  const auto since_1970 = socket.stamp();
  if (!since_1970) return fail(since_1970.error());
  timespec time = to_timespec(*since_1970);
  static_assert(sizeof(timeval) == sizeof(timespec));
  if (!nanoseconds) time.tv_nsec /= kMicrosecond;
  std::memcpy(argument, &time, sizeof(time));
  return {};
}
}  // namespace

Table::Table(Stack& stack, SocketsConfig config) : environment_{stack, std::move(config)} {}

Table::~Table() {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (files_[i] == nullptr) continue;
    if (Socket* const socket = files_[i]->as_socket()) socket->options().lingering = {};  // nobody can wait any more
    (void)close(environment_.config().first_descriptor + static_cast<int>(i));
  }
}

Result<> Table::has_room() const { return open_ < environment_.config().descriptors ? Result<>{} : error(EMFILE); }

/// The lowest free number.
Result<int> Table::insert(std::shared_ptr<File> file, int flags) {
  if (const auto room = has_room(); !room) return fail(room.error());
  file->nonblocking = (flags & SOCK_NONBLOCK) != 0;
  file->close_on_exec = (flags & SOCK_CLOEXEC) != 0;
  if (free_.empty()) {
    files_.push_back(nullptr);
    free_.insert(files_.size() - 1);
  }
  const std::size_t place = *free_.begin();
  free_.erase(free_.begin());
  files_[place] = std::move(file);
  ++open_;
  return environment_.config().first_descriptor + static_cast<int>(place);
}

Result<std::shared_ptr<File>> Table::file(int descriptor) const {
  const auto index = static_cast<std::int64_t>(descriptor) - environment_.config().first_descriptor;
  if (index < 0 || index >= std::ssize(files_) || files_[static_cast<std::size_t>(index)] == nullptr) return error(EBADF);
  return files_[static_cast<std::size_t>(index)];
}

Result<std::shared_ptr<Socket>> Table::find_socket(int descriptor) const {
  const auto found = file(descriptor);
  if (!found) return fail(found.error());
  Socket* const socket = (*found)->as_socket();
  if (socket == nullptr) return error(ENOTSOCK);
  return std::shared_ptr<Socket>{*found, socket};
}

Result<int> Table::socket(int domain, int type, int protocol) {
  const int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
  const int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (domain < 0 || domain >= AF_MAX) return error(EAFNOSUPPORT);
  constexpr int kKinds = 11;  // SOCK_PACKET and one
  if (kind < 0 || kind >= kKinds) return error(EINVAL);
  if (domain != AF_INET) return error(EAFNOSUPPORT);
  if (protocol < 0 || protocol >= IPPROTO_MAX) return error(EINVAL);
  if (const auto room = has_room(); !room) return fail(room.error());
  switch (kind) {
    case SOCK_STREAM:
      if (protocol != 0 && protocol != IPPROTO_TCP) return error(EPROTONOSUPPORT);
      return insert(std::make_shared<StreamSocket>(environment_), flags);
    case SOCK_DGRAM:
      if (protocol != 0 && protocol != IPPROTO_UDP) return error(EPROTONOSUPPORT);
      return insert(std::make_shared<DatagramSocket>(environment_), flags);
    case SOCK_RAW:
      if (protocol != IPPROTO_ICMP && protocol != IPPROTO_RAW) return error(EPROTONOSUPPORT);
      if (!environment_.config().raw_allowed) return error(EPERM);
      return insert(std::make_shared<RawSocket>(environment_, protocol), flags);
    default: return error(ESOCKTNOSUPPORT);
  }
}

Result<int> Table::epoll_create(int flags) {
  if ((flags & ~EPOLL_CLOEXEC) != 0) return error(EINVAL);
  return insert(std::make_shared<Epoll>(environment_), flags);
}

Result<std::shared_ptr<Socket>> Table::accept(int descriptor, int flags, int& opened) {
  if ((flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0) return error(EINVAL);
  const auto listener = find_socket(descriptor);
  if (!listener) return fail(listener.error());
  if (const auto room = has_room(); !room) return fail(room.error());
  auto accepted = (*listener)->accept();
  if (!accepted) return accepted;
  const auto number = insert(*accepted, flags);
  if (!number) {
    (*accepted)->close();
    return fail(number.error());
  }
  opened = *number;
  return accepted;
}

Result<std::shared_ptr<File>> Table::release(int descriptor) {
  auto found = file(descriptor);
  if (!found) return found;
  const auto place = static_cast<std::size_t>(descriptor - environment_.config().first_descriptor);
  files_[place] = nullptr;
  free_.insert(place);
  --open_;
  if (Socket* const socket = (*found)->as_socket()) socket->lose_descriptor();
  (*found)->dismiss_watchers();
  (*found)->set_handler({});
  return found;
}

Result<> Table::close(int descriptor) {
  const auto released = release(descriptor);
  if (!released) return fail(released.error());
  (*released)->close();
  return {};
}

Result<bool> Table::close_without_waiting(int descriptor, const std::function<void()>& closed) {
  const auto released = release(descriptor);
  if (!released) return fail(released.error());
  return (*released)->close_without_waiting(closed);
}

Result<int> Table::fcntl(int descriptor, int command, long argument) const {
  const auto found = file(descriptor);
  if (!found) return fail(found.error());
  File& file = **found;
  switch (command) {
    case F_GETFL: return O_RDWR | file.idle_flags | (file.nonblocking ? O_NONBLOCK : 0);
    case F_SETFL:
      if ((argument & O_DIRECT) != 0) return error(EINVAL);
      file.nonblocking = (argument & O_NONBLOCK) != 0;
      file.idle_flags = static_cast<int>(argument) & (O_APPEND | O_NOATIME);
      return 0;
    case F_GETFD: return file.close_on_exec ? FD_CLOEXEC : 0;
    case F_SETFD: file.close_on_exec = (argument & FD_CLOEXEC) != 0; return 0;
    default: return error(EINVAL);
  }
}

Result<> Table::ioctl(int descriptor, unsigned long request, void* argument) const {
  const auto found = file(descriptor);
  if (!found) return fail(found.error());
  switch (request) {
    case FIOCLEX: (*found)->close_on_exec = true; return {};
    case FIONCLEX: (*found)->close_on_exec = false; return {};
    default: break;
  }
  if (request == FIONBIO) {
    if (argument == nullptr) return error(EFAULT);
    (*found)->nonblocking = *static_cast<const int*>(argument) != 0;
    return {};
  }
  Socket* const socket = (*found)->as_socket();
  if (socket == nullptr) return error(ENOTTY);
  if (request == SIOCGSTAMP_OLD || request == SIOCGSTAMP_NEW || request == SIOCGSTAMPNS_OLD || request == SIOCGSTAMPNS_NEW) {
    if (argument == nullptr && socket->stamp()) return error(EFAULT);
    return write_stamp(*socket, request == SIOCGSTAMPNS_OLD || request == SIOCGSTAMPNS_NEW, argument);
  }
  const auto answer = socket->ioctl(request);
  if (!answer) return fail(answer.error());
  if (argument == nullptr) return error(EFAULT);
  *static_cast<int*>(argument) = *answer;
  return {};
}

}  // namespace tapir::posix::detail
