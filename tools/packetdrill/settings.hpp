#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <tapir/tcp/settings.hpp>

namespace tapir::packetdrill {

/// Linux' settings of TCP, as the scripts' own commands set them, in terms of ours. Read from the namespace that packetdrill runs in; a file that is
/// not there leaves the stack's default.
class Settings {
 public:
  explicit Settings(std::filesystem::path directory = "/proc/sys/net/ipv4") : directory_{std::move(directory)} { read(); }

  /// Reads the files anew.
  void read();
  [[nodiscard]] const tcp::Config& tcp() const noexcept { return tcp_; }

 private:
  /// The numbers in a file, separated by blanks; none when there is no such file.
  [[nodiscard]] std::vector<long long> numbers(const char* file) const;

  std::filesystem::path directory_;
  tcp::Config tcp_;
};

}  // namespace tapir::packetdrill
