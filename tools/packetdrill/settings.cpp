#include "settings.hpp"

#include <chrono>
#include <fstream>
#include <limits>

#include "fast_open_settings.hpp"

namespace tapir::packetdrill {

namespace {

/// What Linux has as constants (include/net/tcp.h), with no file to change it by.
tcp::Config linux_constants() {
  tcp::Config config;
  config.min_rto = std::chrono::milliseconds{200};
  config.rto_granularity = std::chrono::milliseconds{200};  // the timeout exceeds the mean by TCP_RTO_MIN at least
  config.max_rto = std::chrono::seconds{120};
  config.msl = std::chrono::seconds{30};
  config.quick_acks = 16;
  config.require_timestamps = false;
  config.slow_start_limit = std::numeric_limits<std::uint32_t>::max();  // each acknowledgment counts for all it acknowledges
  config.reduce_from_cwnd = true;
  config.gradual_ecn = true;
  config.cubic_whole_segments = true;
  config.probe_with_data = false;
  config.user_timeout = config.connect_timeout = std::chrono::hours{1};  // it counts the retries instead
  return config;
}

constexpr std::uint32_t kHeaders = 40;  // of IPv4 and TCP, without options
constexpr std::uint32_t kLinuxBaseMss = 1024;
constexpr std::uint32_t kLinuxProbeFloor = 48;
constexpr std::uint32_t kFqInitialQuantum = 14600;  // bytes of payload in its ten frames
constexpr long long kEarlyRetransmitAndProbes = 3;  // tcp_early_retrans from which on tail losses are probed

}  // namespace

void Settings::read() {
  tcp_ = linux_constants();
  if (const auto buffers = numbers(directory_ / "tcp_wmem"); buffers.size() == 3) {
    tcp_.send_buffer = static_cast<std::size_t>(buffers[1]);
    tcp_.max_send_buffer = static_cast<std::size_t>(buffers[2]);
  }
  if (const auto buffers = numbers(directory_ / "tcp_rmem"); buffers.size() == 3) {
    tcp_.receive_buffer = static_cast<std::size_t>(buffers[1]);
    tcp_.max_receive_buffer = static_cast<std::size_t>(buffers[2]);
  }
  if (const auto low = number("tcp_notsent_lowat")) tcp_.not_sent_low = static_cast<std::uint32_t>(*low);
  read_switch(directory_ / "tcp_timestamps", tcp_.timestamps);
  read_switch(directory_ / "tcp_sack", tcp_.sack);
  read_switch(directory_ / "tcp_dsack", tcp_.dsack);
  read_switch(directory_ / "tcp_window_scaling", tcp_.window_scaling);
  if (const auto decays = number("tcp_slow_start_after_idle")) {
    tcp_.window_validation = *decays != 0 ? tcp::WindowValidation::rfc2861 : tcp::WindowValidation::off;
  }
  read_switch(directory_ / "tcp_autocorking", tcp_.auto_cork);
  if (const auto seconds = number("tcp_keepalive_time")) tcp_.keepalive_idle = std::chrono::seconds{*seconds};
  if (const auto seconds = number("tcp_keepalive_intvl")) tcp_.keepalive_interval = std::chrono::seconds{*seconds};
  if (const auto probes = number("tcp_keepalive_probes")) tcp_.keepalive_probes = static_cast<std::uint32_t>(*probes);
  if (const auto segments = number("tcp_min_tso_segs")) tcp_.min_burst_segments = static_cast<std::uint32_t>(*segments);
  if (const auto mode = number("tcp_ecn"); mode && *mode >= 0 && *mode <= 2) tcp_.ecn = static_cast<tcp::EcnMode>(*mode);
  if (const auto retries = number("tcp_syn_retries")) tcp_.syn_retries = static_cast<std::uint32_t>(*retries);
  if (const auto retries = number("tcp_retries2")) tcp_.data_retries = static_cast<std::uint32_t>(*retries);
  read_mtu_probing();
  read_recovery();
  read_congestion_control();
  read_fast_open(directory_, tcp_);
  read_queue();
}

/// Linux says segments, without the headers of IPv4 and TCP, where we say datagrams.
void Settings::read_mtu_probing() {
  tcp::MtuProbing& probing = tcp_.mtu_probing;
  probing.base = kLinuxBaseMss + kHeaders;
  probing.floor = kLinuxProbeFloor + kHeaders;
  if (const auto mode = number("tcp_mtu_probing"); mode && *mode >= 0 && *mode <= 2) probing.mode = static_cast<tcp::MtuProbingMode>(*mode);
  if (const auto mss = number("tcp_base_mss")) probing.base = static_cast<std::uint32_t>(*mss) + kHeaders;
  if (const auto mss = number("tcp_mtu_probe_floor")) probing.floor = static_cast<std::uint32_t>(*mss) + kHeaders;
  if (const auto bytes = number("tcp_probe_threshold")) probing.threshold = static_cast<std::uint32_t>(*bytes);
  if (const auto seconds = number("tcp_probe_interval")) probing.interval = std::chrono::seconds{*seconds};
}

void Settings::read_recovery() {
  if (const auto segments = number("tcp_reordering")) tcp_.recovery.reordering = static_cast<std::uint32_t>(*segments);
  if (const auto methods = number("tcp_recovery")) tcp_.recovery.rack = (*methods & 1) != 0;
  if (const auto mode = number("tcp_early_retrans")) tcp_.recovery.tail_loss_probe = *mode >= kEarlyRetransmitAndProbes;
  read_switch(directory_ / "tcp_frto", tcp_.recovery.frto);
}

void Settings::read_congestion_control() {
  std::ifstream in{directory_ / "tcp_congestion_control"};
  if (std::string name; in >> name) tcp_.congestion_control = name;
  read_switch(cubic_ / "hystart", tcp_.hystart);
}

void Settings::read_switch(const std::filesystem::path& file, bool& value) {
  if (const auto found = numbers(file); found.size() == 1) value = found[0] != 0;
}

std::optional<long long> Settings::number(const char* file) const {
  const auto found = numbers(directory_ / file);
  return found.size() == 1 ? std::optional{found[0]} : std::nullopt;
}

void Settings::read_queue() {
  queue_limit_.reset();
  std::ifstream in{queue_};
  std::string word;
  while (in >> word) {
    std::size_t limit = 0;
    if (word == "fq") {  // the discipline that Linux leaves the pacing to
      tcp_.pacing = true;
      tcp_.pacing_burst = kFqInitialQuantum;
    }
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
