#include <tapir/link/byte_sink.hpp>

#include <cstdio>

#include <tapir/link/system_error.hpp>

namespace tapir::link {

namespace {

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { (void)std::fclose(file); }
};

class FileSink final : public ByteSink {
 public:
  explicit FileSink(std::FILE* file) noexcept : file_{file} {}
  [[nodiscard]] Result<> write(std::span<const std::byte> bytes) override {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) < bytes.size()) return fail(system_error());
    return {};
  }
  [[nodiscard]] Result<> flush() override {
    if (std::fflush(file_.get()) != 0) return fail(system_error());
    return {};
  }

 private:
  std::unique_ptr<std::FILE, CloseFile> file_;
};

}  // namespace

Result<> MemorySink::write(std::span<const std::byte> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return {};
}

Result<std::unique_ptr<ByteSink>> create_file(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return fail(system_error());
  return std::make_unique<FileSink>(file);
}

}  // namespace tapir::link
