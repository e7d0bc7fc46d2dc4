#pragma once

#include <cstdint>
#include <filesystem>
#include <utility>

#include <tapir/tcp/settings.hpp>

namespace tapir::packetdrill {

/// Linux' settings of TCP Fast Open, below net/ipv4, in terms of ours.
void read_fast_open(const std::filesystem::path& directory, tcp::Config& config);

/// `ip tcp_metrics flush`, by which scripts make the kernel forget its cookies: each one adds to a file.
class MetricsFlush {
 public:
  explicit MetricsFlush(std::filesystem::path file) : file_{std::move(file)} {}
  /// Whether there was one since the last time.
  [[nodiscard]] bool happened();

 private:
  std::filesystem::path file_;
  std::uintmax_t size_ = 0;
};

}  // namespace tapir::packetdrill
