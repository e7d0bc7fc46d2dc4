#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <tapir/tcp/connection.hpp>

namespace tapir::tcp {

/// Handlers without room for those that there are not: most connections have two or three.
class PackedEvents {
 public:
  PackedEvents() noexcept = default;
  /// Takes the handlers out of `events`, nullptr when there are none. When it throws they are still there.
  explicit PackedEvents(Events* events) {
    if (events == nullptr) return;
    std::size_t count = 0;
    each(*events, [&count](auto& handler, std::uint8_t) { count += handler ? 1U : 0U; });
    handlers_ = std::make_unique<std::vector<Placed>>();
    handlers_->reserve(count);
    each(*events, [this](auto& handler, std::uint8_t place) {
      if (handler) handlers_->push_back({std::move(handler), place});
    });
  }
  /// As they were; this is empty then. When it throws it is not.
  [[nodiscard]] std::shared_ptr<Events> unpack() {
    if (handlers_ == nullptr) return nullptr;
    auto events = std::make_shared<Events>();
    const auto handlers = std::move(handlers_);
    auto next = handlers->begin();
    each(*events, [&]<class Handler>(Handler& handler, std::uint8_t place) {
      if (next == handlers->end() || next->place != place) return;
      handler = std::move(std::get<Handler>(next->call));
      ++next;
    });
    return events;
  }

 private:
  struct Placed {
    std::variant<std::move_only_function<void()>, std::move_only_function<void(std::error_code)>,
                 std::move_only_function<void(const SoftError&)>, std::move_only_function<void(std::uint32_t)>,
                 std::move_only_function<void(Duration)>>
        call;
    std::uint8_t place;
  };

  template <class Visit>
  static void each(Events& events, const Visit& visit) {
    auto& [connected, readable, writable, sent, acknowledged, peer_closed, urgent, closed, soft_error, stalled, peer_user_timeout] = events;
    std::uint8_t place = 0;
    const auto all = [&](auto&... handlers) { (visit(handlers, place++), ...); };
    all(connected, readable, writable, sent, acknowledged, peer_closed, urgent, closed, soft_error, stalled, peer_user_timeout);
  }

  std::unique_ptr<std::vector<Placed>> handlers_;  ///< in the order of Events; nullptr: there are none
};

}  // namespace tapir::tcp
