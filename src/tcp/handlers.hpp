#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <tapir/tcp/connection.hpp>

namespace tapir::tcp {

/// The handlers of Events, without room for those that there are not: most connections have two or three. One that runs stays until it returns, whatever it does
/// to these.
class Handlers {
 public:
  /// There is not even an empty set of them.
  Handlers() noexcept = default;
  explicit Handlers(Events&& events) {
    auto first = std::make_unique<Entry>();
    Entry* free = first.get();
    each([&]<auto Handler>(std::uint8_t place) {
      if (!(events.*Handler)) return;
      if (free->place != kNone) free = (free->next = std::make_unique<Entry>()).get();
      free->call = std::move(events.*Handler);
      free->place = place;
    });
    first_ = first.release();
  }
  Handlers(Handlers&& other) noexcept : first_{std::exchange(other.first_, nullptr)} {}
  Handlers& operator=(Handlers&& other) noexcept {
    Use{std::exchange(first_, std::exchange(other.first_, nullptr))};
    return *this;
  }
  ~Handlers() { Use{first_}; }

  [[nodiscard]] explicit operator bool() const noexcept { return first_ != nullptr; }
  /// One of them does.
  [[nodiscard]] bool running() const noexcept { return first_ != nullptr && first_->users > 1; }

  /// They may be called soon.
  void announce() const noexcept { __builtin_prefetch(first_); }
  /// Calls the handler, if it is there. It may replace this, or end it.
  template <auto Handler, class... Arguments>
  void call(const Arguments&... arguments) const {
    using Call = std::remove_reference_t<decltype(std::declval<Events&>().*Handler)>;
    Entry* entry = first_;
    while (entry != nullptr && entry->place != place_of<Handler>()) entry = entry->next.get();
    if (entry == nullptr) return;
    ++first_->users;
    const Use use{first_};
    (*std::get_if<Call>(&entry->call))(arguments...);  // the place says that it is this one
  }

 private:
  static constexpr std::uint8_t kNone = 0xff;
  struct Entry {
    std::variant<std::move_only_function<void()>, std::move_only_function<void(std::error_code)>,
                 std::move_only_function<void(const SoftError&)>, std::move_only_function<void(std::uint32_t)>,
                 std::move_only_function<void(Duration)>>
        call;
    std::unique_ptr<Entry> next;
    std::uint32_t users = 1;  ///< of the first: the Handlers, and those of them that run
    std::uint8_t place = kNone;
  };
  /// Ends one.
  struct Use {
    explicit Use(Entry* entry) noexcept : first{entry} {}
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() {
      if (first != nullptr && --first->users == 0) delete first;
    }
    Entry* first;
  };

  /// Every member of Events and its place.
  template <class Visit>
  static constexpr void each(const Visit& visit) {
    const auto all = [&visit]<auto... Handler>() {
      std::uint8_t place = 0;
      (visit.template operator()<Handler>(place++), ...);
    };
    all.template
    operator()<&Events::connected, &Events::readable, &Events::writable, &Events::sent, &Events::acknowledged, &Events::peer_closed,
               &Events::urgent, &Events::closed, &Events::soft_error, &Events::stalled, &Events::peer_user_timeout>();
  }
  template <auto Wanted>
  static consteval std::uint8_t place_of() {
    std::uint8_t found = kNone;
    each([&found]<auto Handler>(std::uint8_t place) {
      if constexpr (std::is_same_v<decltype(Handler), decltype(Wanted)>) found = Handler == Wanted ? place : found;
    });
    return found;
  }

  Entry* first_ = nullptr;  ///< of an empty set: one without a place
};

}  // namespace tapir::tcp
