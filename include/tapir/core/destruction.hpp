#pragma once

namespace tapir {

/// Member of an object whose users may destroy it in a call of theirs, and that goes on after the call:
///
///     const Destruction::Watch watch{destruction_};
///     user_->on_open();
///     if (watch.destroyed()) return;  // nothing of *this may be touched
///
/// Watches may be nested, as calls are.
class Destruction {
 public:
  class Watch {
   public:
    explicit Watch(Destruction& watched) noexcept : watched_{watched}, outer_{watched.innermost_} { watched.innermost_ = this; }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() {
      if (!destroyed_) watched_.innermost_ = outer_;
    }
    [[nodiscard]] bool destroyed() const noexcept { return destroyed_; }

   private:
    friend class Destruction;
    Destruction& watched_;
    Watch* outer_;
    bool destroyed_ = false;
  };

  Destruction() noexcept = default;
  Destruction(const Destruction&) = delete;
  Destruction& operator=(const Destruction&) = delete;
  ~Destruction() {
    for (Watch* watch = innermost_; watch != nullptr; watch = watch->outer_) watch->destroyed_ = true;
  }

 private:
  Watch* innermost_ = nullptr;
};

}  // namespace tapir
