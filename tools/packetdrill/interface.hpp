#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>

/// What packetdrill expects of a stack in a shared object: it calls packetdrill_interface_init() once, and then these functions, each with
/// `userdata` first. Names, arguments, results and errno are those of the system calls, but for the last six before epoll, which stand for the
/// network and the clock. Our own declaration of the layout, in the order in which packetdrill has it.
struct PacketdrillInterface {
  void* userdata;
  void (*free)(void* userdata);
  int (*socket)(void* userdata, int domain, int type, int protocol);
  int (*bind)(void* userdata, int descriptor, const sockaddr* address, socklen_t size);
  int (*listen)(void* userdata, int descriptor, int backlog);
  int (*accept)(void* userdata, int descriptor, sockaddr* address, socklen_t* size);
  int (*connect)(void* userdata, int descriptor, const sockaddr* address, socklen_t size);
  ssize_t (*read)(void* userdata, int descriptor, void* bytes, size_t size);
  ssize_t (*readv)(void* userdata, int descriptor, const iovec* parts, int count);
  ssize_t (*recv)(void* userdata, int descriptor, void* bytes, size_t size, int flags);
  ssize_t (*recvfrom)(void* userdata, int descriptor, void* bytes, size_t size, int flags, sockaddr* address, socklen_t* address_size);
  ssize_t (*recvmsg)(void* userdata, int descriptor, msghdr* message, int flags);
  ssize_t (*write)(void* userdata, int descriptor, const void* bytes, size_t size);
  ssize_t (*writev)(void* userdata, int descriptor, const iovec* parts, int count);
  ssize_t (*send)(void* userdata, int descriptor, const void* bytes, size_t size, int flags);
  ssize_t (*sendto)(void* userdata, int descriptor, const void* bytes, size_t size, int flags, const sockaddr* address,
                    socklen_t address_size);
  ssize_t (*sendmsg)(void* userdata, int descriptor, const msghdr* message, int flags);
  int (*fcntl)(void* userdata, int descriptor, int command, ...);
  int (*ioctl)(void* userdata, int descriptor, unsigned long request, ...);
  int (*close)(void* userdata, int descriptor);
  int (*shutdown)(void* userdata, int descriptor, int how);
  int (*getsockopt)(void* userdata, int descriptor, int level, int name, void* value, socklen_t* size);
  int (*setsockopt)(void* userdata, int descriptor, int level, int name, const void* value, socklen_t size);
  int (*poll)(void* userdata, pollfd* descriptors, nfds_t count, int timeout);
  /// A datagram of `size` bytes, starting with its IPv4 header, arrives at the stack. 0, or -1 for an error.
  int (*netdev_send)(void* userdata, const void* bytes, size_t size);
  /// Waits for the next datagram that leaves the stack; *size is the room in `bytes`, then the datagram's size, 0 when none will ever leave.
  /// *time_usecs is when it left. 0, or -1 for an error.
  int (*netdev_receive)(void* userdata, void* bytes, size_t* size, long long* time_usecs);
  int (*usleep)(void* userdata, useconds_t microseconds);
  int (*gettimeofday)(void* userdata, timeval* time, struct timezone* zone);
  int (*epoll_create)(void* userdata, int size);
  int (*epoll_ctl)(void* userdata, int epoll, int operation, int descriptor, epoll_event* event);
  int (*epoll_wait)(void* userdata, int epoll, epoll_event* events, int max_events, int timeout);
  int (*pipe)(void* userdata, int descriptors[2]);
  ssize_t (*splice)(void* userdata, int from, loff_t* from_offset, int to, loff_t* to_offset, size_t size, unsigned flags);
};
static_assert(sizeof(PacketdrillInterface) == 33 * sizeof(void*));

extern "C" {
/// Fills in `interface` with a fresh stack. `flags` is packetdrill's --so_flags: see docs/packetdrill.md.
__attribute__((visibility("default"))) void packetdrill_interface_init(const char* flags, PacketdrillInterface* interface);
}
