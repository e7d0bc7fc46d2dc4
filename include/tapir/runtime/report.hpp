#pragma once

#include <string_view>
#include <system_error>

namespace tapir {

/// Prints "context: what went wrong" as one line on stderr. 1, so that main() can `return report(…)`.
int report(std::string_view context, std::error_code error);
/// The same without a context.
int report(std::error_code error);

}  // namespace tapir
