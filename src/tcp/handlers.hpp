#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <tapir/core/branch.hpp>
#include <tapir/tcp/connection.hpp>

namespace tapir::tcp {

/// The handlers of Events, without room for those that there are not: most connections have two or three. One that runs stays until it returns, whatever it does
/// to these.
class Handlers {
 public:
  /// There is not even an empty set of them.
  Handlers() noexcept = default;
  explicit Handlers(Events&& events) {
    std::size_t count = 0;
    each([&]<auto Handler>(std::uint8_t) { count += events.*Handler ? 1U : 0U; });
    set_ = new (::operator new(sizeof(Set) + count * sizeof(Entry))) Set;
    each([&]<auto Handler>(std::uint8_t place) {
      if (!(events.*Handler)) return;
      new (set_->end()) Entry{std::move(events.*Handler), place};
      ++set_->count;
    });
  }
  Handlers(Handlers&& other) noexcept : set_{std::exchange(other.set_, nullptr)} {}
  Handlers& operator=(Handlers&& other) noexcept {
    const Use former{std::exchange(set_, std::exchange(other.set_, nullptr))};
    return *this;
  }
  ~Handlers() { const Use last{set_}; }

  [[nodiscard]] explicit operator bool() const noexcept { return set_ != nullptr; }
  /// One of them does.
  [[nodiscard]] bool running() const noexcept { return set_ != nullptr && set_->users > 1; }

  /// They may be called soon.
  void announce() const noexcept { __builtin_prefetch(set_); }
  /// Calls the handler, if it is there. It may replace this, or end it.
  template <auto Handler, class... Arguments>
  void call(const Arguments&... arguments) const {
    using Call = std::remove_reference_t<decltype(std::declval<Events&>().*Handler)>;
    if (unlikely(set_ == nullptr)) return;
    Entry* const entry = std::ranges::find(set_->begin(), set_->end(), place_of<Handler>(), &Entry::place);
    if (entry == set_->end()) return;
    ++set_->users;
    const Use use{set_};
    (*std::get_if<Call>(&entry->call))(arguments...);  // the place says that it is this one
  }

 private:
  struct Entry {
    [[no_unique_address]] std::variant<std::move_only_function<void()>, std::move_only_function<void(std::error_code)>,
                                       std::move_only_function<void(const SoftError&)>, std::move_only_function<void(std::uint32_t)>,
                                       std::move_only_function<void(Duration)>> call;
    std::uint8_t place;  ///< among the members of Events
  };
  /// In front of the entries: one piece of memory holds all.
  struct alignas(Entry) Set {
    std::uint32_t users = 1;  ///< the Handlers, and those of them that run
    std::uint32_t count = 0;
    [[nodiscard]] Entry* begin() noexcept { return reinterpret_cast<Entry*>(this + 1); }
    [[nodiscard]] Entry* end() noexcept { return begin() + count; }
  };
  /// Ends one.
  struct Use {
    explicit Use(Set* used) noexcept : set{used} {}
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() {
      if (set == nullptr || likely(--set->users > 0)) return;
      std::ranges::destroy(set->begin(), set->end());
      ::operator delete(static_cast<void*>(set));
    }
    Set* set;
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
    std::uint8_t found = 0;
    each([&found]<auto Handler>(std::uint8_t place) {
      if constexpr (std::is_same_v<decltype(Handler), decltype(Wanted)>) found = Handler == Wanted ? place : found;
    });
    return found;
  }

  Set* set_ = nullptr;
};

}  // namespace tapir::tcp
