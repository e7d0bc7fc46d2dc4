#include "orphans.hpp"

#include <iterator>

#include "port_book.hpp"

namespace tapir::posix::detail {

void Orphans::add(const Endpoint& local, const Endpoint& remote, const tcp::Tcp& tcp) {
  if (by_age_.size() >= kMost) forget_ended(tcp);
  if (by_age_.size() >= kMost) {
    by_port_.erase(by_port_.lower_bound(by_age_.front().local.port));  // that port's oldest, and so this one
    by_age_.pop_front();
  }
  by_age_.push_back({local, remote});
  by_port_.emplace(local.port, std::prev(by_age_.end()));
}

void Orphans::forget_ended(const tcp::Tcp& tcp) {
  for (auto at = by_port_.begin(); at != by_port_.end();) {
    if (tcp.has_connection(at->second->local, at->second->remote)) {
      ++at;
      continue;
    }
    by_age_.erase(at->second);
    at = by_port_.erase(at);
  }
}

bool Orphans::hold(const Endpoint& wanted, const tcp::Tcp& tcp) {
  auto at = by_port_.lower_bound(wanted.port);
  while (at != by_port_.end() && at->first == wanted.port) {
    const Ends& ends = *at->second;
    if (!tcp.has_connection(ends.local, ends.remote)) {
      by_age_.erase(at->second);
      at = by_port_.erase(at);
    } else if (overlap(ends.local.address, wanted.address)) {
      return true;
    } else {
      ++at;
    }
  }
  return false;
}

}  // namespace tapir::posix::detail
