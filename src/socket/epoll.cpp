#include "epoll.hpp"

#include <algorithm>
#include <ranges>

#include "error_number.hpp"

namespace tapir::posix::detail {

namespace {
constexpr int kDeepest = 5;                                                              // Linux' EP_MAX_NESTS and one
constexpr std::uint32_t kFlags = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP;  // what is no event
constexpr std::uint32_t kAlways = EPOLLERR | EPOLLHUP;
constexpr std::uint32_t kWithExclusive = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
}  // namespace

Epoll::~Epoll() { close(); }

void Epoll::close() {
  ready_.clear();
  entries_.clear();
}

bool Epoll::contains(const File& file, int budget) const {
  if (&file == this) return true;
  if (budget == 0) return true;
  return std::ranges::any_of(entries_ | std::views::values, [&](const Entry& entry) {
    const Epoll* const inner = entry.file.as_epoll();
    return inner != nullptr && inner->contains(file, budget - 1);
  });
}

int Epoll::depth(int budget) const {
  int deepest = 0;
  if (budget == 0) return 1;
  for (const Entry& entry : entries_ | std::views::values) {
    if (const Epoll* const inner = entry.file.as_epoll()) deepest = std::max(deepest, inner->depth(budget - 1));
  }
  return deepest + 1;
}

Result<> Epoll::add(int descriptor, File& file, const epoll_event& event) {
  const bool exclusive = (event.events & EPOLLEXCLUSIVE) != 0;
  if (exclusive && ((event.events & ~kWithExclusive) != 0 || file.as_epoll() != nullptr)) return error(EINVAL);
  if (entries_.contains(descriptor)) return error(EEXIST);
  if (Epoll* const inner = file.as_epoll()) {
    if (inner->contains(*this, kDeepest) || inner->depth(kDeepest) + 1 > kDeepest) return error(ELOOP);
  }
  Entry& entry = entries_.try_emplace(descriptor, *this, descriptor, file, event).first->second;
  entry.event.events |= kAlways;
  if (entry.ready() != 0) list(entry);
  return {};
}

Result<> Epoll::modify(int descriptor, const epoll_event& event) {
  const auto found = entries_.find(descriptor);
  if ((event.events & EPOLLEXCLUSIVE) != 0) return error(EINVAL);
  if (found == entries_.end()) return error(ENOENT);
  Entry& entry = found->second;
  if ((entry.event.events & EPOLLEXCLUSIVE) != 0) return error(EINVAL);
  entry.event = event;
  entry.event.events |= kAlways;
  if (entry.ready() != 0) list(entry);
  return {};
}

Result<> Epoll::remove(int descriptor) {
  const auto found = entries_.find(descriptor);
  if (found == entries_.end()) return error(ENOENT);
  if (const auto place = found->second.place) ready_.erase(*place);
  entries_.erase(found);
  return {};
}

/// Something has happened to the file; only an event that is waited for counts.
void Epoll::happened(Entry& entry, std::uint32_t events) {
  if ((entry.event.events & events & ~kFlags) != 0) list(entry);
}

void Epoll::list(Entry& entry) {
  if (!entry.place) entry.place = ready_.insert(ready_.end(), &entry);
  notify(EPOLLIN | EPOLLRDNORM);
}

std::uint32_t Epoll::readiness() const {
  const bool ready = std::ranges::any_of(ready_, [](const Entry* entry) { return entry->ready() != 0; });
  return ready ? EPOLLIN | EPOLLRDNORM : 0U;
}

std::size_t Epoll::collect(std::span<epoll_event> into) {
  std::size_t count = 0;
  for (std::size_t left = ready_.size(); left > 0 && count < into.size(); --left) {
    Entry& entry = *ready_.front();
    ready_.pop_front();
    entry.place.reset();
    const std::uint32_t events = entry.ready();
    if (events == 0) continue;
    into[count].events = events;
    into[count].data = entry.event.data;
    ++count;
    if ((entry.event.events & EPOLLONESHOT) != 0) {
      entry.event.events &= kFlags;  // silent until it is modified
    } else if ((entry.event.events & EPOLLET) == 0) {
      entry.place = ready_.insert(ready_.end(), &entry);  // level-triggered: looked at again the next time, behind the others
    }
  }
  return count;
}

}  // namespace tapir::posix::detail
