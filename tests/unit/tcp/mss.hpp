#pragma once

#include <cstdint>

namespace tapir::test {

inline constexpr std::uint32_t kMss = 1000;  ///< bytes; what the tests of congestion control send in

}  // namespace tapir::test
