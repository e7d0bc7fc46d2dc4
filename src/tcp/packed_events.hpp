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
  /// `events`: nullptr, or such as nobody else holds.
  explicit PackedEvents(std::shared_ptr<Events> events) {
    if (events == nullptr) return;
    handlers_ = std::make_unique<std::vector<Placed>>();
    each(*events, [this](auto& handler, std::uint8_t place) {
      if (handler) handlers_->push_back({std::move(handler), place});
    });
    handlers_->shrink_to_fit();
  }
  /// As they were; this is empty then.
  [[nodiscard]] std::shared_ptr<Events> unpack() {
    const auto handlers = std::move(handlers_);
    if (handlers == nullptr) return nullptr;
    auto events = std::make_shared<Events>();
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
