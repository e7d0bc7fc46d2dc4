#include <tapir/runtime/system_random.hpp>

#include <sys/random.h>

#include <cerrno>
#include <exception>
#include <span>

namespace tapir {

std::uint64_t SystemRandom::next() {
  if (left_ == 0) refill();
  const std::uint64_t number = numbers_[--left_];
  numbers_[left_] = 0;  // a number that was handed out cannot be read from memory later
  return number;
}

void SystemRandom::refill() {
  std::span<std::byte> rest = std::as_writable_bytes(std::span{numbers_});
  while (!rest.empty()) {
    const auto got = ::getrandom(rest.data(), rest.size(), 0);
    if (got > 0) {
      rest = rest.subspan(static_cast<std::size_t>(got));
    } else if (got < 0 && errno != EINTR) {
      std::terminate();  // a kernel older than 3.17: secrets must not be predictable
    }
  }
  left_ = numbers_.size();
}

}  // namespace tapir
