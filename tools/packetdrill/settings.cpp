#include "settings.hpp"

#include <chrono>
#include <fstream>

namespace tapir::packetdrill {

namespace {

/// What Linux has as constants (include/net/tcp.h), with no file to change it by.
tcp::Config linux_constants() {
  tcp::Config config;
  config.min_rto = std::chrono::milliseconds{200};
  config.max_rto = std::chrono::seconds{120};
  config.msl = std::chrono::seconds{30};
  config.quick_acks = 16;
  return config;
}

}  // namespace

void Settings::read() {
  tcp_ = linux_constants();
  if (const auto buffers = numbers(directory_ / "tcp_wmem"); buffers.size() == 3) tcp_.send_buffer = static_cast<std::size_t>(buffers[1]);
  read_queue();
}

void Settings::read_queue() {
  queue_limit_.reset();
  std::ifstream in{queue_};
  std::string word;
  while (in >> word) {
    std::size_t limit = 0;
    if (word == "limit" && in >> limit) queue_limit_ = limit;
  }
}

std::vector<long long> Settings::numbers(const std::filesystem::path& file) {
  std::ifstream in{file};
  std::vector<long long> found;
  for (long long number = 0; in >> number;) found.push_back(number);
  return found;
}

}  // namespace tapir::packetdrill
