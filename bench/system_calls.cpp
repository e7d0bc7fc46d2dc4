#include "system_calls.hpp"

#include <sys/epoll.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <csignal>
#include <cstddef>

namespace {
std::uint64_t made = 0;  // one thread
}

namespace tapir::bench {
std::uint64_t system_calls() noexcept { return made; }
}  // namespace tapir::bench

// The names are those of ld's --wrap: a call of read() arrives at __wrap_read(), and the C library's is __real_read().
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming,cert-dcl37-c,cert-dcl51-cpp)
extern "C" {
ssize_t __real_read(int fd, void* into, std::size_t size);
ssize_t __wrap_read(int fd, void* into, std::size_t size) {
  ++made;
  return __real_read(fd, into, size);
}
ssize_t __real_write(int fd, const void* from, std::size_t size);
ssize_t __wrap_write(int fd, const void* from, std::size_t size) {
  ++made;
  return __real_write(fd, from, size);
}
ssize_t __real_readv(int fd, const iovec* parts, int count);
ssize_t __wrap_readv(int fd, const iovec* parts, int count) {
  ++made;
  return __real_readv(fd, parts, count);
}
ssize_t __real_writev(int fd, const iovec* parts, int count);
ssize_t __wrap_writev(int fd, const iovec* parts, int count) {
  ++made;
  return __real_writev(fd, parts, count);
}
int __real_epoll_ctl(int epoll, int operation, int fd, epoll_event* event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  ++made;
  return __real_epoll_ctl(epoll, operation, fd, event);
}
int __real_epoll_wait(int epoll, epoll_event* events, int most, int timeout);
int __wrap_epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
  ++made;
  return __real_epoll_wait(epoll, events, most, timeout);
}
int __real_epoll_pwait2(int epoll, epoll_event* events, int most, const timespec* timeout, const sigset_t* signals);
int __wrap_epoll_pwait2(int epoll, epoll_event* events, int most, const timespec* timeout, const sigset_t* signals) {
  ++made;
  return __real_epoll_pwait2(epoll, events, most, timeout, signals);
}
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming,cert-dcl37-c,cert-dcl51-cpp)
