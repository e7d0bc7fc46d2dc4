#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tapir/core/error.hpp>

namespace tapir::link {

/// Where a capture writes its bytes, in order.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  /// Takes all of `bytes` or fails with the system's error.
  [[nodiscard]] virtual Result<> write(std::span<const std::byte> bytes) = 0;
  /// Hands on what is buffered.
  [[nodiscard]] virtual Result<> flush() { return {}; }
};

/// Appends to a vector of the caller's, which must outlive the sink.
class MemorySink final : public ByteSink {
 public:
  explicit MemorySink(std::vector<std::byte>& bytes) noexcept : bytes_{bytes} {}
  [[nodiscard]] Result<> write(std::span<const std::byte> bytes) override;

 private:
  std::vector<std::byte>& bytes_;
};

/// Creates the file `path`, or empties it when it exists, and writes to it, buffered. Fails with the system's error.
[[nodiscard]] Result<std::unique_ptr<ByteSink>> create_file(const std::string& path);

}  // namespace tapir::link
