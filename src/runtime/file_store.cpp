#include <tapir/runtime/file_store.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tapir/link/descriptor.hpp>
#include <tapir/link/system_error.hpp>

namespace tapir {

namespace {

link::Descriptor open_file(const std::string& path, int flags) { return link::Descriptor{::open(path.c_str(), flags | O_CLOEXEC, 0600)}; }

Result<> write_all(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(link::system_error());
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Result<> FileStore::save(std::span<const std::byte> bytes) {
  const std::string successor = path_ + ".new";
  {
    const auto file = open_file(successor, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file) return fail(link::system_error());
    if (const auto written = write_all(file.get(), bytes); !written) return written;
    if (::fsync(file.get()) != 0) return fail(link::system_error());
  }
  if (std::rename(successor.c_str(), path_.c_str()) != 0) return fail(link::system_error());
  const auto directory = open_file(directory_of(path_), O_RDONLY | O_DIRECTORY);
  if (!directory || ::fsync(directory.get()) != 0) return fail(link::system_error());
  return {};
}

Result<std::optional<std::vector<std::byte>>> FileStore::load() {
  const auto file = open_file(path_, O_RDONLY);
  if (!file && errno == ENOENT) return std::nullopt;
  if (!file) return fail(link::system_error());
  std::vector<std::byte> bytes;
  std::array<std::byte, 16384> buffer;
  for (;;) {
    const auto count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail(link::system_error());
    if (count == 0) return bytes;
    bytes.insert(bytes.end(), buffer.begin(), buffer.begin() + count);
  }
}

Duration FileStore::age() {
  struct stat status{};
  if (::stat(path_.c_str(), &status) != 0) return Duration::zero();
  const auto saved = std::chrono::seconds{status.st_mtim.tv_sec} + std::chrono::nanoseconds{status.st_mtim.tv_nsec};
  return std::max<Duration>(std::chrono::system_clock::now().time_since_epoch() - saved, Duration::zero());
}

}  // namespace tapir
