#pragma once

namespace tapir {

/// Which way is the usual one: `if (unlikely(broken)) return ...`. The compiler puts that way in a row, and the other one apart. A packet's way through the stack
/// is some thousand instructions, each of them executed once: a jump that the processor has forgotten meanwhile costs as much as several of them. For what every
/// packet passes (the way of small exchanges, where that of bulk is another: there the code is less of the cost of an octet); elsewhere it says nothing worth saying.
/// Headers that a program includes say [[likely]] and [[unlikely]] instead: other libraries have macros of these names.
[[nodiscard, gnu::always_inline]] constexpr bool likely(bool condition) noexcept { return __builtin_expect(condition, true) != 0; }
[[nodiscard, gnu::always_inline]] constexpr bool unlikely(bool condition) noexcept { return __builtin_expect(condition, false) != 0; }

}  // namespace tapir
