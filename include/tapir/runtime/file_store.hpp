#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tapir/core/byte_store.hpp>

namespace tapir {

/// A ByteStore in one file. It is replaced by rename(2) after its successor and then their directory are written through to the disk, so
/// that a crash at any moment leaves the old content or the new one. One store to a file; errors are those of the system calls.
class FileStore final : public ByteStore {
 public:
  /// The file need not exist; its directory must. "PATH.new" is used while saving.
  explicit FileStore(std::string path) : path_{std::move(path)} {}

  [[nodiscard]] Result<> save(std::span<const std::byte> bytes) override;
  [[nodiscard]] Result<std::optional<std::vector<std::byte>>> load() override;
  /// From the file's time of modification to the host's time of day; zero when that is earlier, as on a device that has not been told the time.
  [[nodiscard]] Duration age() override;

 private:
  std::string path_;
};

}  // namespace tapir
