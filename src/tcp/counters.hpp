#pragma once

#include <cstdint>
#include <optional>

#include <tapir/tcp/info.hpp>

namespace tapir::tcp {

/// The members of Info that nothing else of a connection knows.
struct Counters {
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_acked = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t segments_sent = 0;
  std::uint64_t segments_received = 0;
  std::uint64_t delivered_segments = 0;
  std::uint64_t delivered_ce_segments = 0;
  std::uint8_t received_tos = 0;
  bool syn_data = false;
  std::uint32_t mss = 0;
  std::uint32_t advertised_mss = 0;
  std::uint32_t path_mtu = 0;
  std::uint64_t bytes_retransmitted = 0;
  std::uint64_t retransmissions = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t fast_retransmits = 0;
  std::uint64_t duplicate_acks = 0;
  std::uint64_t tail_probes = 0;
  std::uint64_t mtu_probes = 0;
  std::uint64_t mtu_probes_arrived = 0;
  std::uint64_t mtu_probes_lost = 0;
  std::optional<SoftError> soft_error;

  [[nodiscard]] Info info() const {
    Info info;
    info.bytes_sent = bytes_sent;
    info.bytes_acked = bytes_acked;
    info.bytes_received = bytes_received;
    info.segments_sent = segments_sent;
    info.segments_received = segments_received;
    info.delivered_segments = delivered_segments;
    info.delivered_ce_segments = delivered_ce_segments;
    info.received_tos = received_tos;
    info.syn_data = syn_data;
    info.mss = mss;
    info.advertised_mss = advertised_mss;
    info.path_mtu = path_mtu;
    info.bytes_retransmitted = bytes_retransmitted;
    info.retransmissions = retransmissions;
    info.timeouts = timeouts;
    info.fast_retransmits = fast_retransmits;
    info.duplicate_acks = duplicate_acks;
    info.tail_probes = tail_probes;
    info.mtu_probes = mtu_probes;
    info.mtu_probes_arrived = mtu_probes_arrived;
    info.mtu_probes_lost = mtu_probes_lost;
    info.soft_error = soft_error;
    return info;
  }
};

}  // namespace tapir::tcp
