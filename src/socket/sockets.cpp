// The calls as POSIX has them: -1 and errno for what the table and its files report.

#include <tapir/socket/sockets.hpp>

#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "address.hpp"
#include "error_number.hpp"
#include "socket.hpp"
#include "table.hpp"

namespace tapir::posix {

using detail::error;
using detail::Incoming;
using detail::Outgoing;
using detail::Socket;

namespace {

int reported(const Result<>& result) {
  if (result) return 0;
  errno = detail::number_of(result.error());
  return -1;
}

ssize_t reported(const Result<std::size_t>& result) {
  if (result) return static_cast<ssize_t>(*result);
  errno = detail::number_of(result.error());
  return -1;
}

int reported(const Result<int>& result) {
  if (result) return *result;
  errno = detail::number_of(result.error());
  return -1;
}

int failed(int number) {
  errno = number;
  return -1;
}

Result<std::span<const iovec>> parts_of(const iovec* parts, std::size_t count) {
  constexpr std::size_t kMostParts = 1024;  // UIO_MAXIOV
  if (count > kMostParts) return error(EMSGSIZE);
  if (count > 0 && parts == nullptr) return error(EFAULT);
  const std::span<const iovec> all{parts, count};
  for (const iovec& part : all) {
    if (part.iov_base == nullptr && part.iov_len > 0) return error(EFAULT);
  }
  return all;
}

/// What readv() and writev() are given, as a message. EBADF, EINVAL: no socket, or no number of parts.
Result<msghdr> vector_of(const detail::Table& table, int descriptor, const iovec* parts, int count) {
  const auto found = table.file(descriptor);
  if (!found) return fail(found.error());
  if (count < 0 || count > IOV_MAX || (*found)->as_socket() == nullptr) return error(EINVAL);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return message;
}

/// Whether the parts hold nothing at all: then nothing happens, whatever state the socket is in, as System V had it. A missing array does only when it
/// is to have no parts.
bool is_empty(const msghdr& message) {
  return message.msg_iovlen == 0 || (message.msg_iov != nullptr && detail::size_of({message.msg_iov, message.msg_iovlen}) == 0);
}

}  // namespace

Sockets::Sockets(Stack& stack, SocketsConfig config) : table_{std::make_unique<detail::Table>(stack, std::move(config))} {}
Sockets::~Sockets() = default;

int Sockets::socket(int domain, int type, int protocol) { return reported(table_->socket(domain, type, protocol)); }

int Sockets::bind(int descriptor, const sockaddr* address, socklen_t size) {
  return reported([&]() -> Result<> {
    const auto socket = table_->find_socket(descriptor);
    if (!socket) return fail(socket.error());
    auto local =
        detail::endpoint_of(address, size, (*socket)->type() == SOCK_RAW ? detail::OtherFamilies::any : detail::OtherFamilies::none);
    if (!local && detail::number_of(local.error()) == EAFNOSUPPORT && address->sa_family == AF_UNSPEC) {
      // Old programs leave the family out; Linux lets them, for any address.
      sockaddr_in in{};
      std::memcpy(&in, address, sizeof(in));
      if (in.sin_addr.s_addr == INADDR_ANY) local = Endpoint{IpAddress{}, Port{ntohs(in.sin_port)}};
    }
    if (!local) return fail(local.error());
    return (*socket)->bind(*local);
  }());
}

int Sockets::listen(int descriptor, int backlog) {
  return reported([&]() -> Result<> {
    const auto socket = table_->find_socket(descriptor);
    return socket ? (*socket)->listen(backlog) : fail(socket.error());
  }());
}

int Sockets::accept(int descriptor, sockaddr* address, socklen_t* size) { return accept4(descriptor, address, size, 0); }

int Sockets::accept4(int descriptor, sockaddr* address, socklen_t* size, int flags) {
  return reported([&]() -> Result<int> {
    int opened = -1;
    const auto accepted = table_->accept(descriptor, flags, opened);
    if (!accepted) return fail(accepted.error());
    if (address != nullptr) {
      const auto written = detail::write_address((*accepted)->accepted_from(), address, size);
      if (!written) {
        (void)table_->close(opened);
        return fail(written.error());
      }
    }
    return opened;
  }());
}

int Sockets::connect(int descriptor, const sockaddr* address, socklen_t size) {
  return reported([&]() -> Result<> {
    const auto socket = table_->find_socket(descriptor);
    if (!socket) return fail(socket.error());
    const auto family = detail::family_of(address, size);
    if (!family) return fail(family.error());
    if (*family == AF_UNSPEC) return (*socket)->disconnect();
    const auto remote = detail::endpoint_of(address, size);
    return remote ? (*socket)->connect(*remote) : fail(remote.error());
  }());
}

int Sockets::shutdown(int descriptor, int how) {
  return reported([&]() -> Result<> {
    const auto socket = table_->find_socket(descriptor);
    return socket ? (*socket)->shutdown(how) : fail(socket.error());
  }());
}

int Sockets::close(int descriptor) { return reported(table_->close(descriptor)); }

int Sockets::close_without_waiting(int descriptor, const std::function<void()>& closed) {
  const auto lingers = table_->close_without_waiting(descriptor, closed);
  if (!lingers) return failed(detail::number_of(lingers.error()));
  return *lingers ? 1 : 0;
}

ssize_t Sockets::send(int descriptor, const void* bytes, std::size_t size, int flags) {
  return sendto(descriptor, bytes, size, flags, nullptr, 0);
}

ssize_t Sockets::sendto(int descriptor, const void* bytes, std::size_t size, int flags, const sockaddr* address, socklen_t address_size) {
  return reported([&]() -> Result<std::size_t> {
    const auto socket = table_->find_socket(descriptor);
    if (!socket) return fail(socket.error());
    const iovec part{.iov_base = const_cast<void*>(bytes), .iov_len = size};
    const auto parts = parts_of(&part, 1);
    if (!parts) return fail(parts.error());
    if (address == nullptr) return (*socket)->send({.parts = *parts, .flags = flags});  // whatever size was given
    if (address_size > sizeof(sockaddr_storage)) return error(EINVAL);
    return (*socket)->send({.parts = *parts, .flags = flags, .to = address, .to_size = address_size});
  }());
}

ssize_t Sockets::sendmsg(int descriptor, const msghdr* message, int flags) {
  return reported([&]() -> Result<std::size_t> {
    const auto socket = table_->find_socket(descriptor);
    if (!socket) return fail(socket.error());
    if (message == nullptr) return error(EFAULT);
    const auto parts = parts_of(message->msg_iov, message->msg_iovlen);
    if (!parts) return fail(parts.error());
    Outgoing out{.parts = *parts, .flags = flags};
    if (message->msg_name != nullptr && static_cast<int>(message->msg_namelen) < 0) return error(EINVAL);
    if (message->msg_name != nullptr && message->msg_namelen > 0) {  // an address of no bytes is none
      out.to = static_cast<const sockaddr*>(message->msg_name);
      out.to_size = std::min<socklen_t>(message->msg_namelen, sizeof(sockaddr_storage));  // unlike sendto(), which refuses more
    }
    if (message->msg_controllen > INT_MAX) return error(ENOBUFS);
    if (message->msg_control == nullptr && message->msg_controllen > 0) return error(EFAULT);
    if (message->msg_control != nullptr) out.control = {static_cast<const std::byte*>(message->msg_control), message->msg_controllen};
    return (*socket)->send(out);
  }());
}

ssize_t Sockets::write(int descriptor, const void* bytes, std::size_t size) {
  const auto found = table_->file(descriptor);
  if (!found || (*found)->as_socket() == nullptr) {
    errno = found ? EINVAL : detail::number_of(found.error());
    return -1;
  }
  return send(descriptor, bytes, size, 0);  // unlike writev() it sends what is empty, too
}

ssize_t Sockets::writev(int descriptor, const iovec* parts, int count) {
  const auto message = vector_of(*table_, descriptor, parts, count);
  if (!message) return failed(detail::number_of(message.error()));
  return is_empty(*message) ? 0 : sendmsg(descriptor, &*message, 0);
}

ssize_t Sockets::recv(int descriptor, void* bytes, std::size_t size, int flags) {
  return recvfrom(descriptor, bytes, size, flags, nullptr, nullptr);
}

ssize_t Sockets::recvfrom(int descriptor, void* bytes, std::size_t size, int flags, sockaddr* address, socklen_t* address_size) {
  return reported([&]() -> Result<std::size_t> {
    const auto socket = table_->find_socket(descriptor);
    if (!socket) return fail(socket.error());
    const iovec part{.iov_base = bytes, .iov_len = size};
    const auto parts = parts_of(&part, 1);
    if (!parts) return fail(parts.error());
    Incoming in{.parts = *parts, .flags = flags, .wants_address = address != nullptr};
    auto received = (*socket)->receive(in);
    if (!received || address == nullptr) return received;
    if (!in.from) {
      if (address_size == nullptr) return error(EFAULT);
      if (static_cast<int>(*address_size) < 0) return error(EINVAL);
      *address_size = 0;  // a stream says nothing here
      return received;
    }
    if (const auto written = detail::write_address(*in.from, address, address_size); !written) return fail(written.error());
    return received;
  }());
}

ssize_t Sockets::recvmsg(int descriptor, msghdr* message, int flags) {
  return reported([&]() -> Result<std::size_t> {
    const auto socket = table_->find_socket(descriptor);
    if (!socket) return fail(socket.error());
    if (message == nullptr) return error(EFAULT);
    const auto parts = parts_of(message->msg_iov, message->msg_iovlen);
    if (!parts) return fail(parts.error());
    if (message->msg_name != nullptr && static_cast<int>(message->msg_namelen) < 0) return error(EINVAL);
    Incoming in{.parts = *parts, .flags = flags, .wants_address = message->msg_name != nullptr};
    const std::size_t room = message->msg_control == nullptr ? 0 : message->msg_controllen;
    if (room > 0) in.control = detail::ControlWriter{{static_cast<std::byte*>(message->msg_control), room}};
    auto received = (*socket)->receive(in);
    if (!received) return received;
    if (in.from && message->msg_name != nullptr) {
      const auto written = detail::write_address(*in.from, static_cast<sockaddr*>(message->msg_name), &message->msg_namelen);
      if (!written) return fail(written.error());
    } else if (message->msg_name != nullptr) {
      message->msg_namelen = 0;
    }
    message->msg_controllen = in.control.written();
    message->msg_flags = in.out_flags | (in.control.truncated() ? MSG_CTRUNC : 0);
    return received;
  }());
}

ssize_t Sockets::read(int descriptor, void* bytes, std::size_t size) {
  const iovec part{.iov_base = bytes, .iov_len = size};
  return readv(descriptor, &part, 1);
}

ssize_t Sockets::readv(int descriptor, const iovec* parts, int count) {
  auto message = vector_of(*table_, descriptor, parts, count);
  if (!message) return failed(detail::number_of(message.error()));
  return is_empty(*message) ? 0 : recvmsg(descriptor, &*message, 0);
}

int Sockets::getsockname(int descriptor, sockaddr* address, socklen_t* size) {
  return reported([&]() -> Result<> {
    const auto socket = table_->find_socket(descriptor);
    if (!socket) return fail(socket.error());
    const auto local = (*socket)->local();
    return local ? detail::write_address(*local, address, size) : fail(local.error());
  }());
}

int Sockets::getpeername(int descriptor, sockaddr* address, socklen_t* size) {
  return reported([&]() -> Result<> {
    const auto socket = table_->find_socket(descriptor);
    if (!socket) return fail(socket.error());
    const auto peer = (*socket)->peer();
    return peer ? detail::write_address(*peer, address, size) : fail(peer.error());
  }());
}

int Sockets::getsockopt(int descriptor, int level, int name, void* value, socklen_t* size) {
  return reported([&]() -> Result<> {
    const auto socket = table_->find_socket(descriptor);
    if (!socket) return fail(socket.error());
    if (size == nullptr || (value == nullptr && *size > 0)) return error(EFAULT);
    if (static_cast<int>(*size) < 0) return error(EINVAL);
    const auto option = (*socket)->option(level, name);
    if (!option) return fail(option.error());
    auto bytes = option->bytes();
    if (!option->divisible() && *size < bytes.size()) return error(EINVAL);
    // An option of IPPROTO_IP that fits into one byte may be had as one.
    if (level == IPPROTO_IP && option->fits_one_byte() && *size > 0 && *size < sizeof(int)) bytes = bytes.first(1);
    const auto count = std::min<std::size_t>(*size, bytes.size());
    if (count > 0) std::memcpy(value, bytes.data(), count);
    *size = static_cast<socklen_t>(count);
    return {};
  }());
}

int Sockets::setsockopt(int descriptor, int level, int name, const void* value, socklen_t size) {
  return reported([&]() -> Result<> {
    const auto socket = table_->find_socket(descriptor);
    if (!socket) return fail(socket.error());
    if (static_cast<int>(size) < 0) return error(EINVAL);
    if (value == nullptr && size > 0) return error(EFAULT);
    return (*socket)->set_option(level, name, {static_cast<const std::byte*>(value), size});
  }());
}

int Sockets::fcntl(int descriptor, int command, long argument) { return reported(table_->fcntl(descriptor, command, argument)); }
int Sockets::ioctl(int descriptor, unsigned long request, void* argument) { return reported(table_->ioctl(descriptor, request, argument)); }

int Sockets::poll(pollfd* descriptors, nfds_t count, int timeout) {
  if (descriptors == nullptr && count > 0) return failed(EFAULT);
  return reported(table_->poll({descriptors, count}, timeout));
}

int Sockets::epoll_create(int size) { return size > 0 ? epoll_create1(0) : failed(EINVAL); }
int Sockets::epoll_create1(int flags) { return reported(table_->epoll_create(flags)); }

int Sockets::epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event) {
  return reported(table_->epoll_control(epoll, operation, descriptor, event));
}

int Sockets::epoll_wait(int epoll, epoll_event* events, int max_events, int timeout) {
  if (max_events <= 0 || static_cast<std::size_t>(max_events) > INT_MAX / sizeof(epoll_event)) return failed(EINVAL);
  if (events == nullptr) return failed(EFAULT);
  return reported(table_->epoll_wait(epoll, {events, static_cast<std::size_t>(max_events)}, timeout));
}

std::uint32_t Sockets::readiness(int descriptor) const {
  const auto found = table_->file(descriptor);
  return found ? (*found)->readiness() : 0;
}

int Sockets::on_event(int descriptor, std::function<void()> handler) {
  const auto found = table_->file(descriptor);
  if (!found) return failed(detail::number_of(found.error()));
  (*found)->set_handler(std::move(handler));
  return 0;
}

std::optional<Duration> Sockets::timeout(int descriptor, int option) const {
  const auto socket = table_->find_socket(descriptor);
  if (!socket) return std::nullopt;
  const auto& options = (*socket)->options();
  return option == SO_SNDTIMEO ? options.send_timeout : options.receive_timeout;
}

std::size_t Sockets::size() const noexcept { return table_->size(); }

}  // namespace tapir::posix
