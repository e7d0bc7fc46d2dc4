#include "descriptors.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace tapir::packetdrill {

int Descriptors::add(int socket) {
  if (socket < 0) return socket;
  const int number = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (number >= 0) sockets_[number] = socket;
  return number;
}

int Descriptors::socket(int number) const {
  const auto found = sockets_.find(number);
  return found == sockets_.end() ? -1 : found->second;
}

void Descriptors::remove(int number) {
  if (sockets_.erase(number) > 0) ::close(number);
}

}  // namespace tapir::packetdrill
