#include "settings.hpp"

#include <chrono>
#include <fstream>

namespace tapir::packetdrill {

namespace {

/// What Linux has as constants (include/net/tcp.h), and no file to change it by.
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
  if (const auto buffers = numbers("tcp_wmem"); buffers.size() == 3) tcp_.send_buffer = static_cast<std::size_t>(buffers[1]);
}

std::vector<long long> Settings::numbers(const char* file) const {
  std::ifstream in{directory_ / file};
  std::vector<long long> found;
  for (long long number = 0; in >> number;) found.push_back(number);
  return found;
}

}  // namespace tapir::packetdrill
