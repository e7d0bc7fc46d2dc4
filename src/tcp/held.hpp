#pragma once

#include <cassert>
#include <cstdint>
#include <utility>

namespace tapir::tcp {

template <class T>
class Held;

/// Base of a T that lives for as long as somebody holds it, and counts those who do. std::shared_ptr counts for several threads, which is dear where a packet on its
/// way holds something for the length of a call: this is for what one thread has. A variable may be held as well; it ends with its scope, whoever holds it.
template <class T>
class Counted {
  Counted() noexcept = default;
  ~Counted() = default;
  friend T;
  friend class Held<T>;

 public:
  Counted(const Counted&) = delete;  // NOLINT(bugprone-crtp-constructor-accessibility): which nobody can call
  Counted& operator=(const Counted&) = delete;

 private:
  std::uint32_t holders_ = 1;  ///< whoever made it is one
};

/// One who holds a T, or nobody.
template <class T>
class Held {
 public:
  Held() noexcept = default;
  /// One more of those who hold `object`.
  explicit Held(T& object) noexcept : object_{&object} {
    assert(object.holders_ > 0);  // or its end is under way
    ++object.holders_;
  }
  Held(const Held& other) noexcept : object_{other.object_} {
    if (object_ != nullptr) ++object_->holders_;
  }
  Held(Held&& other) noexcept : object_{std::exchange(other.object_, nullptr)} {}
  Held& operator=(Held other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Held() { reset(); }

  /// The first who holds what `new` has made.
  [[nodiscard]] static Held of_new(T* object) noexcept {
    Held held;
    held.object_ = object;
    return held;
  }

  void reset() noexcept {
    T* const former = std::exchange(object_, nullptr);
    if (former != nullptr && --former->holders_ == 0) delete former;
  }
  [[nodiscard]] T* get() const noexcept { return object_; }
  [[nodiscard]] T& operator*() const noexcept { return *object_; }
  [[nodiscard]] T* operator->() const noexcept { return object_; }
  [[nodiscard]] explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

}  // namespace tapir::tcp
