// The calls of a Service: each is carried out on the stack's thread.

#include <tapir/socket/service.hpp>

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "message.hpp"
#include "service_core.hpp"

namespace tapir::posix {

namespace {
/// What is left of the parts behind the first `offset` bytes.
std::vector<iovec> parts_behind(std::span<const iovec> parts, std::size_t offset) {
  while (!parts.empty() && offset >= parts.front().iov_len) {
    offset -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  std::vector<iovec> rest{parts.begin(), parts.end()};
  if (offset > 0) {
    rest.front().iov_base = static_cast<std::byte*>(rest.front().iov_base) + offset;
    rest.front().iov_len -= offset;
  }
  return rest;
}

/// The control message of TCP_INQ says how things are when the call returns.
void renew_inquiry(msghdr& told, msghdr& latest) {
  const auto inquiry_in = [](msghdr& message) {
    cmsghdr* each = CMSG_FIRSTHDR(&message);
    while (each != nullptr && (each->cmsg_level != IPPROTO_TCP || each->cmsg_type != TCP_CM_INQ)) each = CMSG_NXTHDR(&message, each);
    return each;
  };
  cmsghdr* const former = inquiry_in(told);
  const cmsghdr* const now = inquiry_in(latest);
  if (former != nullptr && now != nullptr && former->cmsg_len == now->cmsg_len) std::memcpy(former, now, now->cmsg_len);
}

/// What read() and write() say of a receive or send call: of a file that is no socket it is not the calls of sockets that are missing.
ssize_t of_file(ssize_t count) {
  if (count < 0 && errno == ENOTSOCK) errno = EINVAL;
  return count;
}
/// What readv() and writev() are given, as a message.
msghdr vector_of(const iovec* parts, int count) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return message;
}
/// Whether that cannot be one, or has no room at all.
bool is_no_message(const iovec* parts, int count) {
  const bool wrong = count < 0 || count > IOV_MAX || (parts == nullptr && count > 0);
  return wrong || detail::size_of({parts, static_cast<std::size_t>(count)}) == 0;
}
}  // namespace

Service::Service(Runtime& runtime, Stack& stack, SocketsConfig config) : core_{std::make_unique<Core>(runtime, stack, std::move(config))} {}
Service::~Service() = default;

int Service::socket(int domain, int type, int protocol) {
  return static_cast<int>(core_->carry_out([&](Sockets& sockets) {
    const int opened = sockets.socket(domain, type, protocol);
    if (opened >= 0) core_->opened(opened, (type & SOCK_NONBLOCK) != 0);
    return opened;
  }));
}

int Service::bind(int descriptor, const sockaddr* address, socklen_t size) {
  return static_cast<int>(core_->carry_out_on(descriptor, [=](Sockets& sockets) { return sockets.bind(descriptor, address, size); }));
}

int Service::listen(int descriptor, int backlog) {
  return static_cast<int>(core_->carry_out_on(descriptor, [=](Sockets& sockets) { return sockets.listen(descriptor, backlog); }));
}

int Service::accept(int descriptor, sockaddr* address, socklen_t* size) { return accept4(descriptor, address, size, 0); }

int Service::accept4(int descriptor, sockaddr* address, socklen_t* size, int flags) {
  return static_cast<int>(core_->repeat(descriptor, POLLIN, 0, SO_RCVTIMEO, [=, this](Sockets& sockets) {
    const int opened = sockets.accept4(descriptor, address, size, flags);
    if (opened >= 0) core_->opened(opened, (flags & SOCK_NONBLOCK) != 0);
    return opened;
  }));
}

int Service::connect(int descriptor, const sockaddr* address, socklen_t size) { return core_->connect(descriptor, address, size); }

int Service::shutdown(int descriptor, int how) {
  return static_cast<int>(core_->carry_out_on(descriptor, [=](Sockets& sockets) { return sockets.shutdown(descriptor, how); }));
}

int Service::close(int descriptor) { return core_->close(descriptor); }

ssize_t Service::send(int descriptor, const void* bytes, std::size_t size, int flags) {
  return sendto(descriptor, bytes, size, flags, nullptr, 0);
}

ssize_t Service::sendto(int descriptor, const void* bytes, std::size_t size, int flags, const sockaddr* address, socklen_t address_size) {
  if (address != nullptr && (address_size == 0 || address_size > sizeof(sockaddr_storage))) {  // to sendmsg() it would be none
    return core_->carry_out([=](Sockets& sockets) { return sockets.sendto(descriptor, bytes, size, flags, address, address_size); });
  }
  iovec part{.iov_base = const_cast<void*>(bytes), .iov_len = size};
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(address);
  message.msg_namelen = address_size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return sendmsg(descriptor, &message, flags);
}

/// A blocking write returns when all of it is queued: what one attempt leaves is the next one's.
ssize_t Service::sendmsg(int descriptor, const msghdr* message, int flags) {
  if (message == nullptr || message->msg_iovlen > IOV_MAX || (message->msg_iov == nullptr && message->msg_iovlen > 0)) {
    return core_->carry_out([=](Sockets& sockets) { return sockets.sendmsg(descriptor, message, flags); });
  }
  const std::span<const iovec> parts{message->msg_iov, message->msg_iovlen};
  msghdr left = *message;
  std::optional<Core::Deadline> deadline;
  std::size_t sent = 0;
  for (;;) {
    auto rest = parts_behind(parts, sent);
    left.msg_iov = rest.data();
    left.msg_iovlen = rest.size();
    bool may_wait = false;
    const int how =
        sent > 0 ? flags & ~(MSG_FASTOPEN | MSG_ZEROCOPY) : flags;  // what opens the connection, and has a number, is the whole call
    const auto attempt = [&](Sockets& sockets) {
      may_wait = !core_->nonblocking(descriptor) && (flags & MSG_DONTWAIT) == 0;
      if (sent > 0 && (sockets.readiness(descriptor) & EPOLLHUP) != 0) {  // why it has ended is told to the next call
        errno = EPIPE;
        return ssize_t{-1};
      }
      return sockets.sendmsg(descriptor, &left, how | MSG_DONTWAIT);
    };
    const ssize_t count = core_->repeat(descriptor, POLLOUT, flags, SO_SNDTIMEO, attempt, deadline);
    if (count < 0) return sent > 0 ? static_cast<ssize_t>(sent) : count;
    sent += static_cast<std::size_t>(count);
    if (!may_wait || parts_behind(parts, sent).empty()) return static_cast<ssize_t>(sent);
  }
}

ssize_t Service::write(int descriptor, const void* bytes, std::size_t size) { return of_file(send(descriptor, bytes, size, 0)); }

ssize_t Service::writev(int descriptor, const iovec* parts, int count) {
  if (is_no_message(parts, count)) {
    return core_->carry_out([=](Sockets& sockets) { return sockets.writev(descriptor, parts, count); });
  }
  const msghdr message = vector_of(parts, count);
  return of_file(sendmsg(descriptor, &message, 0));
}

ssize_t Service::recv(int descriptor, void* bytes, std::size_t size, int flags) {
  return recvfrom(descriptor, bytes, size, flags, nullptr, nullptr);
}

ssize_t Service::recvfrom(int descriptor, void* bytes, std::size_t size, int flags, sockaddr* address, socklen_t* address_size) {
  bool nothing = true;
  const ssize_t count = core_->receive(descriptor, flags, size, [=, &nothing](Sockets& sockets, std::size_t received) {
    void* const into = bytes == nullptr ? nullptr : static_cast<std::byte*>(bytes) + received;
    const ssize_t taken = sockets.recvfrom(descriptor, into, size - received, flags | MSG_DONTWAIT, address, address_size);
    nothing = taken < 0;
    return taken;
  });
  if (count == 0 && nothing && address != nullptr && address_size != nullptr) *address_size = 0;
  return count;
}

ssize_t Service::recvmsg(int descriptor, msghdr* message, int flags) {
  if (message == nullptr || message->msg_iovlen > IOV_MAX || (message->msg_iov == nullptr && message->msg_iovlen > 0)) {
    return core_->carry_out([=](Sockets& sockets) { return sockets.recvmsg(descriptor, message, flags); });
  }
  const msghdr asked = *message;
  const std::span<const iovec> parts{asked.msg_iov, asked.msg_iovlen};
  bool nothing = true;
  const ssize_t all = core_->receive(descriptor, flags, detail::size_of(parts), [&](Sockets& sockets, std::size_t received) {
    auto rest = parts_behind(parts, received);
    msghdr attempt = asked;  // one that fails must not change what the next is given
    attempt.msg_iov = rest.data();
    attempt.msg_iovlen = rest.size();
    std::vector<std::byte> control(received > 0 && asked.msg_control != nullptr ? asked.msg_controllen : 0);
    if (received > 0 && asked.msg_control != nullptr) attempt.msg_control = control.data();
    const ssize_t count = sockets.recvmsg(descriptor, &attempt, flags | MSG_DONTWAIT);
    if (count < 0) return count;
    nothing = false;
    if (count == 0 && received > 0) {  // the end of the stream: of what was received the attempt before has told
      renew_inquiry(*message, attempt);
      return count;
    }
    if (!control.empty()) std::memcpy(asked.msg_control, control.data(), attempt.msg_controllen);
    message->msg_namelen = attempt.msg_namelen;
    message->msg_controllen = attempt.msg_controllen;
    message->msg_flags = attempt.msg_flags;
    return count;
  });
  if (all == 0 && nothing) {  // there is nobody to wait for (Core::repeat()), and so nothing to tell
    if (message->msg_name != nullptr) message->msg_namelen = 0;
    message->msg_controllen = 0;
    message->msg_flags = 0;
  }
  return all;
}

ssize_t Service::read(int descriptor, void* bytes, std::size_t size) {
  if (size > 0) return of_file(recv(descriptor, bytes, size, 0));
  return core_->carry_out([=](Sockets& sockets) { return sockets.read(descriptor, bytes, size); });  // of nothing nothing is taken
}

ssize_t Service::readv(int descriptor, const iovec* parts, int count) {
  if (is_no_message(parts, count)) {
    return core_->carry_out([=](Sockets& sockets) { return sockets.readv(descriptor, parts, count); });
  }
  msghdr message = vector_of(parts, count);
  return of_file(recvmsg(descriptor, &message, 0));
}

int Service::getsockname(int descriptor, sockaddr* address, socklen_t* size) {
  return static_cast<int>(core_->carry_out([=](Sockets& sockets) { return sockets.getsockname(descriptor, address, size); }));
}

int Service::getpeername(int descriptor, sockaddr* address, socklen_t* size) {
  return static_cast<int>(core_->carry_out([=](Sockets& sockets) { return sockets.getpeername(descriptor, address, size); }));
}

int Service::getsockopt(int descriptor, int level, int name, void* value, socklen_t* size) {
  return static_cast<int>(
      core_->carry_out_on(descriptor, [=](Sockets& sockets) { return sockets.getsockopt(descriptor, level, name, value, size); }));
}

int Service::setsockopt(int descriptor, int level, int name, const void* value, socklen_t size) {
  return static_cast<int>(
      core_->carry_out_on(descriptor, [=](Sockets& sockets) { return sockets.setsockopt(descriptor, level, name, value, size); }));
}

int Service::fcntl(int descriptor, int command, long argument) {
  return static_cast<int>(core_->carry_out([=, this](Sockets& sockets) {
    // Whether calls may wait is the service's affair; below, none does.
    const int result = sockets.fcntl(descriptor, command, command == F_SETFL ? argument | O_NONBLOCK : argument);
    if (result >= 0 && command == F_SETFL) core_->set_nonblocking(descriptor, (argument & O_NONBLOCK) != 0);
    if (result >= 0 && command == F_GETFL && !core_->nonblocking(descriptor)) return result & ~O_NONBLOCK;
    return result;
  }));
}

int Service::ioctl(int descriptor, unsigned long request, void* argument) {
  if (request == FIONBIO && argument != nullptr) {
    const int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) return flags;
    return fcntl(descriptor, F_SETFL, *static_cast<int*>(argument) != 0 ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
  }
  return static_cast<int>(core_->carry_out([=](Sockets& sockets) { return sockets.ioctl(descriptor, request, argument); }));
}

int Service::poll(pollfd* descriptors, nfds_t count, int timeout) { return core_->poll(descriptors, count, timeout); }

int Service::epoll_create(int size) {
  if (size > 0) return epoll_create1(0);
  errno = EINVAL;
  return -1;
}

int Service::epoll_create1(int flags) {
  return static_cast<int>(core_->carry_out([=, this](Sockets& sockets) {
    const int opened = sockets.epoll_create1(flags);
    if (opened >= 0) core_->opened(opened, false);
    return opened;
  }));
}

int Service::epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event) {
  return static_cast<int>(
      core_->carry_out_on(epoll, [=](Sockets& sockets) { return sockets.epoll_ctl(epoll, operation, descriptor, event); }));
}

int Service::epoll_wait(int epoll, epoll_event* events, int max_events, int timeout) {
  const auto collect = [=](Sockets& sockets) { return sockets.epoll_wait(epoll, events, max_events, 0); };
  const auto end = Core::Clock::now() + std::chrono::milliseconds{std::max(timeout, 0)};
  for (;;) {
    const auto count = static_cast<int>(core_->carry_out_on(epoll, collect));
    if (count != 0 || timeout == 0) return count;
    // Another thread may take what this one was woken for: then it waits for what is left of its time.
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Core::Clock::now()).count();
    if (timeout > 0 && left <= 0) return 0;
    pollfd entry{.fd = epoll, .events = POLLIN, .revents = 0};
    if (const int found = core_->poll(&entry, 1, timeout < 0 ? -1 : static_cast<int>(left)); found < 0) return found;
  }
}

int Service::event_descriptor(int descriptor, std::uint32_t events) {
  return static_cast<int>(core_->carry_out([=, this](Sockets&) { return core_->event_descriptor(descriptor, events); }));
}

}  // namespace tapir::posix
