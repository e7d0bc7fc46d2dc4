// poll() and epoll (man 2 poll, epoll_ctl, epoll_wait).

#include <algorithm>

#include "epoll.hpp"
#include "error_number.hpp"
#include "table.hpp"

namespace tapir::posix::detail {

namespace {
static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI && EPOLLERR == POLLERR && EPOLLHUP == POLLHUP,
              "the two name the same bits");
}  // namespace

Result<> Table::wait_ready(const std::function<bool()>& ready, int timeout) {
  if (ready()) return {};
  std::optional<Duration> limit;
  if (timeout >= 0) limit = std::chrono::milliseconds{timeout};  // with none at all what is due already still happens
  const auto waited = environment_.wait(ready, limit);
  return waited || number_of(waited.error()) == EAGAIN ? Result<>{} : waited;
}

Result<int> Table::poll(std::span<pollfd> wanted, int timeout) {
  const auto look = [&] {
    int ready = 0;
    for (pollfd& entry : wanted) {
      entry.revents = 0;
      if (entry.fd < 0) continue;
      const auto found = file(entry.fd);
      const auto asked = static_cast<std::uint32_t>(static_cast<unsigned short>(entry.events)) | POLLERR | POLLHUP;
      entry.revents = static_cast<short>(found ? (*found)->readiness() & asked : POLLNVAL);
      if (entry.revents != 0) ++ready;
    }
    return ready;
  };
  const auto waited = wait_ready([&] { return look() > 0; }, timeout);
  if (!waited) return fail(waited.error());
  return look();
}

Result<> Table::epoll_control(int epoll, int operation, int descriptor, const epoll_event* event) const {
  if (operation != EPOLL_CTL_DEL && event == nullptr) return error(EFAULT);
  const auto holder = file(epoll);
  if (!holder) return fail(holder.error());
  const auto target = file(descriptor);
  if (!target) return fail(target.error());
  Epoll* const epoll_file = (*holder)->as_epoll();
  if (epoll_file == nullptr || *holder == *target) return error(EINVAL);
  switch (operation) {
    case EPOLL_CTL_ADD: return epoll_file->add(descriptor, **target, *event);
    case EPOLL_CTL_MOD: return epoll_file->modify(descriptor, *event);
    case EPOLL_CTL_DEL: return epoll_file->remove(descriptor);
    default: return error(EINVAL);
  }
}

Result<int> Table::epoll_wait(int epoll, std::span<epoll_event> events, int timeout) {
  const auto holder = file(epoll);
  if (!holder) return fail(holder.error());
  Epoll* const epoll_file = (*holder)->as_epoll();
  if (epoll_file == nullptr) return error(EINVAL);
  std::size_t count = 0;
  const auto collect = [&] {
    count = epoll_file->collect(events);
    return count > 0;
  };
  const auto gone = [&] {
    const auto now = file(epoll);
    return !now || *now != *holder;
  };
  const auto waited = wait_ready([&] { return collect() || gone(); }, timeout);
  if (!waited) return fail(waited.error());
  if (count == 0 && gone()) return error(EBADF);
  return static_cast<int>(count);
}

}  // namespace tapir::posix::detail
