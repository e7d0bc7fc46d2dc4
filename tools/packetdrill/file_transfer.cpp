#include "file_transfer.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace tapir::packetdrill {

namespace {
constexpr std::size_t kPiece = 16384;  // less than a pipe holds
}

ssize_t send_file(Host& host, int socket, int file, off_t* offset, std::size_t count) {
  std::array<std::byte, kPiece> piece;
  std::size_t sent = 0;
  while (sent < count) {
    const std::size_t wanted = std::min(count - sent, piece.size());
    const off_t from = offset != nullptr ? *offset : lseek(file, 0, SEEK_CUR);
    const ssize_t got = pread(file, piece.data(), wanted, from);
    if (got <= 0) return sent > 0 || got == 0 ? static_cast<ssize_t>(sent) : -1;
    const ssize_t taken = host.call([&](posix::Sockets& sockets) {
      return sockets.send(host.descriptors().socket(socket), piece.data(), static_cast<std::size_t>(got), 0);
    });
    if (taken < 0) return sent > 0 ? static_cast<ssize_t>(sent) : -1;
    sent += static_cast<std::size_t>(taken);
    if (offset != nullptr) {
      *offset += taken;
    } else {
      (void)lseek(file, taken, SEEK_CUR);
    }
    if (taken < got) break;
  }
  return static_cast<ssize_t>(sent);
}

ssize_t splice_to_pipe(Host& host, int socket, int pipe, std::size_t count, unsigned flags) {
  std::array<std::byte, kPiece> piece;
  int before_mark = 0;
  int at_mark = 0;
  const auto ask = [&](unsigned long request, int& answer) {
    return host.call([&](posix::Sockets& sockets) { return sockets.ioctl(host.descriptors().socket(socket), request, &answer); });
  };
  if (ask(SIOCINQ, before_mark) < 0 || ask(SIOCATMARK, at_mark) < 0) return -1;
  if (at_mark != 0) return 0;
  std::size_t wanted = std::min(count, piece.size());
  if (before_mark > 0) wanted = std::min(wanted, static_cast<std::size_t>(before_mark));
  const int receive_flags = (flags & SPLICE_F_NONBLOCK) != 0 ? MSG_DONTWAIT : 0;
  const ssize_t got = host.call(
      [&](posix::Sockets& sockets) { return sockets.recv(host.descriptors().socket(socket), piece.data(), wanted, receive_flags); });
  if (got <= 0) return got;
  return write(pipe, piece.data(), static_cast<std::size_t>(got));
}

}  // namespace tapir::packetdrill
