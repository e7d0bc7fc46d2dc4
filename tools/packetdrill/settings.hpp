#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <tapir/tcp/settings.hpp>

#include "flags.hpp"

namespace tapir::packetdrill {

/// Linux' settings of TCP, as the scripts' own commands set them, in terms of ours. A file that is not there leaves the stack's default.
class Settings {
 public:
  explicit Settings(const Flags& flags) : directory_{flags.settings}, cubic_{flags.cubic}, queue_{flags.queue} { read(); }

  /// Reads the files anew.
  void read();
  [[nodiscard]] const tcp::Config& tcp() const noexcept { return tcp_; }
  /// As many datagrams as the device's queue holds: with 0 nothing leaves; nullopt: as many as there are.
  [[nodiscard]] std::optional<std::size_t> queue_limit() const noexcept { return queue_limit_; }

 private:
  void read_mtu_probing();
  void read_recovery();
  void read_congestion_control();
  void read_queue();
  static void read_switch(const std::filesystem::path& file, bool& value);
  [[nodiscard]] std::optional<long long> number(const char* file) const;
  /// The numbers in a file, separated by blanks; none when there is no such file.
  [[nodiscard]] static std::vector<long long> numbers(const std::filesystem::path& file);

  std::filesystem::path directory_;
  std::filesystem::path cubic_;
  std::filesystem::path queue_;
  tcp::Config tcp_;
  std::optional<std::size_t> queue_limit_;
};

}  // namespace tapir::packetdrill
