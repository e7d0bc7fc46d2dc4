// The 33 functions by which packetdrill drives a stack, and the one that it calls past them.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "file_transfer.hpp"
#include "host.hpp"
#include "interface.hpp"

namespace {

using tapir::packetdrill::Host;
using tapir::posix::Sockets;

Host* current_host = nullptr;  // for getsockopt() alone, which gets no userdata: packetdrill runs one stack in a process

Host& host_of(void* userdata) { return *static_cast<Host*>(userdata); }

/// The call `method` of the sockets, with the socket behind `descriptor`.
template <auto Method, class... Arguments>
auto on_socket(void* userdata, int descriptor, Arguments... arguments) {
  Host& host = host_of(userdata);
  return host.call([&](Sockets& sockets) { return (sockets.*Method)(host.descriptors().socket(descriptor), arguments...); });
}

/// A call that gives a new socket: packetdrill gets a number of its own for it.
template <class Open>
int opening(void* userdata, Open&& open) {
  Host& host = host_of(userdata);
  return host.call([&](Sockets& sockets) { return host.descriptors().add(open(sockets)); });
}

int do_socket(void* userdata, int domain, int type, int protocol) {
  return opening(userdata, [&](Sockets& sockets) { return sockets.socket(domain, type, protocol); });
}

int do_accept(void* userdata, int descriptor, sockaddr* address, socklen_t* size) {
  const int listener = host_of(userdata).descriptors().socket(descriptor);
  return opening(userdata, [&](Sockets& sockets) { return sockets.accept(listener, address, size); });
}

int do_epoll_create(void* userdata, int size) {
  return opening(userdata, [&](Sockets& sockets) { return sockets.epoll_create(size); });
}

int do_close(void* userdata, int descriptor) {
  const int result = on_socket<&Sockets::close>(userdata, descriptor);
  const int error = errno;
  host_of(userdata).descriptors().remove(descriptor);
  errno = error;
  return result;
}

int do_fcntl(void* userdata, int descriptor, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  const long argument = command == F_GETFL || command == F_GETFD ? 0 : va_arg(arguments, long);
  va_end(arguments);
  return on_socket<&Sockets::fcntl>(userdata, descriptor, command, argument);
}

int do_ioctl(void* userdata, int descriptor, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  return on_socket<&Sockets::ioctl>(userdata, descriptor, request, argument);
}

int do_poll(void* userdata, pollfd* descriptors, nfds_t count, int timeout) {
  Host& host = host_of(userdata);
  const std::span asked{descriptors, count};
  std::vector<pollfd> translated{asked.begin(), asked.end()};
  for (pollfd& one : translated) one.fd = one.fd < 0 ? one.fd : host.descriptors().socket(one.fd);
  const int result = host.call([&](Sockets& sockets) { return sockets.poll(translated.data(), count, timeout); });
  for (nfds_t i = 0; i < count; ++i) asked[i].revents = translated[i].revents;
  return result;
}

int do_epoll_ctl(void* userdata, int epoll, int operation, int descriptor, epoll_event* event) {
  return on_socket<&Sockets::epoll_ctl>(userdata, epoll, operation, host_of(userdata).descriptors().socket(descriptor), event);
}

int do_pipe(void*, int descriptors[2]) { return ::pipe(descriptors); }

/// From a socket of ours into a pipe; the rest is the system's. packetdrill says where the script's number for an offset is, 0 for none.
ssize_t do_splice(void* userdata, int from, loff_t* from_offset, int to, loff_t* to_offset, size_t size, unsigned flags) {
  Host& host = host_of(userdata);
  const auto is_none = [](const loff_t* offset) { return offset == nullptr || *offset == 0; };
  if (is_none(from_offset)) from_offset = nullptr;
  if (is_none(to_offset)) to_offset = nullptr;
  if (!host.descriptors().contains(from)) return ::splice(from, from_offset, to, to_offset, size, flags);
  if (from_offset == nullptr && to_offset == nullptr) return tapir::packetdrill::splice_to_pipe(host, from, to, size, flags);
  errno = ESPIPE;
  return -1;
}

int do_netdev_send(void* userdata, const void* bytes, size_t size) {
  host_of(userdata).receive({static_cast<const std::byte*>(bytes), size});
  return 0;
}

int do_netdev_receive(void* userdata, void* bytes, size_t* size, long long* time_usecs) {
  const auto datagram = host_of(userdata).next_datagram();
  const size_t copied = datagram ? std::min(*size, datagram->bytes.size()) : 0;
  *size = copied;
  if (!datagram) return 0;
  std::memcpy(bytes, datagram->bytes.data(), copied);
  *time_usecs = tapir::packetdrill::VirtualClock::microseconds(datagram->left_at);
  return 0;
}

/// A real usleep() oversleeps, and packetdrill asks for less than it wants in return.
int do_usleep(void* userdata, useconds_t microseconds) {
  constexpr std::chrono::microseconds oversleep{20};
  host_of(userdata).sleep(std::chrono::microseconds{microseconds} + oversleep);
  return 0;
}

int do_gettimeofday(void* userdata, timeval* time, struct timezone*) {
  *time = host_of(userdata).look_at_clock();
  return 0;
}

void do_free(void* userdata) {
  current_host = nullptr;
  delete &host_of(userdata);
}

/// --so_flags, or the end of the program: there is no way to tell packetdrill of an error.
tapir::packetdrill::Flags flags_in(const char* text) {
  auto flags = tapir::packetdrill::Flags::parse(text == nullptr ? "" : text);
  if (flags.address && flags.unknown.empty()) return flags;
  std::fprintf(stderr, "tapir-packetdrill: --so_flags=%s: %s\n", text,
               flags.address ? "unknown flag" : "not an IPv4 address with a prefix length");
  std::exit(2);
}

}  // namespace

extern "C" {

void packetdrill_interface_init(const char* flags, PacketdrillInterface* interface) {
  unsetenv("LD_PRELOAD");  // the commands that a script runs are not for us
  current_host = new Host{flags_in(flags)};
  *interface = {.userdata = current_host,
                .free = do_free,
                .socket = do_socket,
                .bind = on_socket<&Sockets::bind>,
                .listen = on_socket<&Sockets::listen>,
                .accept = do_accept,
                .connect = on_socket<&Sockets::connect>,
                .read = on_socket<&Sockets::read>,
                .readv = on_socket<&Sockets::readv>,
                .recv = on_socket<&Sockets::recv>,
                .recvfrom = on_socket<&Sockets::recvfrom>,
                .recvmsg = on_socket<&Sockets::recvmsg>,
                .write = on_socket<&Sockets::write>,
                .writev = on_socket<&Sockets::writev>,
                .send = on_socket<&Sockets::send>,
                .sendto = on_socket<&Sockets::sendto>,
                .sendmsg = on_socket<&Sockets::sendmsg>,
                .fcntl = do_fcntl,
                .ioctl = do_ioctl,
                .close = do_close,
                .shutdown = on_socket<&Sockets::shutdown>,
                .getsockopt = on_socket<&Sockets::getsockopt>,
                .setsockopt = on_socket<&Sockets::setsockopt>,
                .poll = do_poll,
                .netdev_send = do_netdev_send,
                .netdev_receive = do_netdev_receive,
                .usleep = do_usleep,
                .gettimeofday = do_gettimeofday,
                .epoll_create = do_epoll_create,
                .epoll_ctl = do_epoll_ctl,
                .epoll_wait = on_socket<&Sockets::epoll_wait>,
                .pipe = do_pipe,
                .splice = do_splice};
}

/// packetdrill's %{ }% blocks ask the system for TCP_INFO. With this object preloaded they ask here, and a socket of ours answers.
__attribute__((visibility("default"))) int getsockopt(int descriptor, int level, int name, void* value, socklen_t* size) noexcept {
  if (current_host != nullptr && current_host->descriptors().contains(descriptor)) {
    return on_socket<&Sockets::getsockopt>(current_host, descriptor, level, name, value, size);
  }
  using Function = int (*)(int, int, int, void*, socklen_t*);
  static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "getsockopt"));
  return next(descriptor, level, name, value, size);
}

/// The interface has no sendfile(): packetdrill calls the system's.
__attribute__((visibility("default"))) ssize_t sendfile(int to, int from, off_t* offset, size_t count) noexcept {
  if (current_host != nullptr && current_host->descriptors().contains(to)) {
    return tapir::packetdrill::send_file(*current_host, to, from, offset, count);
  }
  using Function = ssize_t (*)(int, int, off_t*, size_t);
  static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "sendfile"));
  return next(to, from, offset, count);
}
}
