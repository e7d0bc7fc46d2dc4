#pragma once

#include <exception>
#include <utility>

namespace tapir {

/// Calls of others, each of which may throw: all have their turn, and so has what stands in front of pass_on(), which throws the first exception on; later ones
/// are gone.
///
///     FirstException thrown;
///     for (auto* listener : listeners_) thrown.of([&] { listener->heard(message); });
///     thrown.pass_on();
class FirstException {
 public:
  template <class Call>
  void of(Call&& call) noexcept {
    try {
      std::forward<Call>(call)();
    } catch (...) {
      if (first_ == nullptr) first_ = std::current_exception();
    }
  }
  void pass_on() const {
    if (first_ != nullptr) std::rethrow_exception(first_);
  }

 private:
  std::exception_ptr first_;
};

}  // namespace tapir
