#pragma once

#include <optional>
#include <span>
#include <system_error>
#include <vector>

#include <tapir/core/byte_store.hpp>

namespace tapir::test {

/// A store in memory, which outlives the sessions of a test as a file outlives processes. It can fail.
class MemoryStore final : public ByteStore {
 public:
  [[nodiscard]] Result<> save(std::span<const std::byte> bytes) override {
    if (broken) return tapir::fail(std::make_error_code(std::errc::no_space_on_device));
    content.emplace(bytes.begin(), bytes.end());
    ++saves;
    return {};
  }
  [[nodiscard]] Result<std::optional<std::vector<std::byte>>> load() override { return content; }
  [[nodiscard]] Duration age() override { return since_saved; }

  std::optional<std::vector<std::byte>> content;
  int saves = 0;
  bool broken = false;
  Duration since_saved{0};
};

}  // namespace tapir::test
