#include "file.hpp"

#include <utility>

#include "environment.hpp"

namespace tapir::posix::detail {

File::~File() = default;

void File::notify(std::uint32_t events) {
  for (Watcher* watcher : watchers_) watcher->happened(events);
  if (handler_ != nullptr) environment_.announcer().add(weak_from_this());
}

void File::dismiss_watchers() {
  while (!watchers_.empty()) watchers_.back()->dismissed();
}

void File::set_handler(std::function<void()> handler) {
  handler_ = handler ? std::make_shared<std::function<void()>>(std::move(handler)) : nullptr;
}

void File::call_handler() {
  if (const auto handler = handler_) (*handler)();  // it may replace itself
}

}  // namespace tapir::posix::detail
