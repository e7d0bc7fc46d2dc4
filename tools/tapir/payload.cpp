#include "payload.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace tool {

namespace {

using tapir::mqtt::Payload;

/// What is shorter is read into memory at once: then the file may change, or the terminal go, while there is no connection.
constexpr std::size_t kHeldWhole = std::size_t{1} << 20U;
constexpr std::size_t kPiece = std::size_t{64} << 10U;
constexpr std::size_t kLongest = 268'435'455;  ///< bytes; a packet's remaining length (MQTT 5.0 section 1.5.5)

using File = std::shared_ptr<std::FILE>;

std::unexpected<std::string> failure(const std::string& name, int error) {
  return std::unexpected{fmt::format("{}: {}", name, std::generic_category().message(error))};
}

/// A file that is read when its bytes are sent.
class FileSource final : public tapir::mqtt::PayloadSource {
 public:
  FileSource(File file, off_t start) : file_{std::move(file)}, start_{start} {}

  [[nodiscard]] tapir::Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) override {
    const auto got = ::pread(::fileno(file_.get()), into.data(), into.size(), start_ + static_cast<off_t>(offset));
    if (got > 0) return static_cast<std::size_t>(got);
    return tapir::fail(got < 0 ? std::error_code{errno, std::generic_category()} : std::make_error_code(std::errc::io_error));
  }

 private:
  File file_;
  off_t start_;
};

/// What `file` still has, held in memory up to kHeldWhole bytes; the rest stays in it.
std::expected<std::vector<std::byte>, int> read_front(std::FILE* file) {
  std::vector<std::byte> bytes;
  for (std::size_t got = 1; got > 0 && bytes.size() <= kHeldWhole;) {
    const auto before = bytes.size();
    bytes.resize(before + kPiece);
    got = std::fread(bytes.data() + before, 1, kPiece, file);
    bytes.resize(before + got);
  }
  if (std::ferror(file) != 0) return std::unexpected{errno};
  return bytes;
}

/// Puts what a pipe gives into a file without a name: an MQTT packet begins with its length, so all of it must be there before.
std::expected<Payload, std::string> spool(std::FILE* pipe, std::vector<std::byte> piece, const std::string& name) {
  const File file{std::tmpfile(), [](std::FILE* it) { return it != nullptr ? std::fclose(it) : 0; }};
  if (file == nullptr) return failure("temporary file", errno);
  std::size_t size = 0;
  while (!piece.empty()) {
    size += piece.size();
    if (size > kLongest) return std::unexpected{fmt::format("{}: longer than an MQTT message can be", name)};
    if (std::fwrite(piece.data(), 1, piece.size(), file.get()) != piece.size()) return failure("temporary file", errno);
    piece.resize(kPiece);
    piece.resize(std::fread(piece.data(), 1, kPiece, pipe));
  }
  if (std::ferror(pipe) != 0) return failure(name, errno);
  if (std::fflush(file.get()) != 0) return failure("temporary file", errno);
  return Payload{std::make_shared<FileSource>(file, 0), size};
}

std::expected<Payload, std::string> payload_from(const File& file, const std::string& name) {
  struct stat status{};
  if (::fstat(::fileno(file.get()), &status) != 0) return failure(name, errno);
  const off_t start = S_ISREG(status.st_mode) ? std::max<off_t>(::ftello(file.get()), 0) : 0;
  if (S_ISREG(status.st_mode) && status.st_size - start > static_cast<off_t>(kHeldWhole)) {
    const auto size = static_cast<std::size_t>(status.st_size - start);
    return Payload{std::make_shared<FileSource>(file, start), size};
  }
  auto bytes = read_front(file.get());
  if (!bytes) return failure(name, bytes.error());
  if (bytes->size() > kHeldWhole) return spool(file.get(), std::move(*bytes), name);
  return Payload{std::move(*bytes)};
}

}  // namespace

std::expected<Payload, std::string> read_payload(const PayloadOptions& options) {
  if (options.message) return Payload{std::string_view{*options.message}};
  if (options.whole_input) return payload_from(File{stdin, [](std::FILE*) {}}, "standard input");
  if (options.file.empty()) return Payload{};
  std::FILE* const opened = std::fopen(options.file.c_str(), "rbe");
  if (opened == nullptr) return failure(options.file, errno);
  return payload_from(File{opened, [](std::FILE* it) { return std::fclose(it); }}, options.file);
}

}  // namespace tool
