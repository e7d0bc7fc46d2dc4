#include <tapir/core/drop.hpp>

#include <ostream>

namespace tapir {

std::string_view name(Drop drop) noexcept {
  switch (drop) {
    case Drop::truncated: return "truncated";
    case Drop::bad_length: return "bad_length";
    case Drop::bad_checksum: return "bad_checksum";
    case Drop::bad_version: return "bad_version";
    case Drop::bad_header: return "bad_header";
    case Drop::bad_option: return "bad_option";
    case Drop::unknown_protocol: return "unknown_protocol";
    case Drop::not_for_us: return "not_for_us";
    case Drop::not_handled: return "not_handled";
    case Drop::queue_full: return "queue_full";
    case Drop::memory_limit: return "memory_limit";
    case Drop::rate_limited: return "rate_limited";
    case Drop::device_failed: return "device_failed";
    case Drop::bad_fcs: return "bad_fcs";
    case Drop::oversized: return "oversized";
    case Drop::bad_source: return "bad_source";
    case Drop::vlan_tagged: return "vlan_tagged";
    case Drop::own_echo: return "own_echo";
    case Drop::bad_hardware_type: return "bad_hardware_type";
    case Drop::bad_protocol_type: return "bad_protocol_type";
    case Drop::unsolicited: return "unsolicited";
    case Drop::address_conflict: return "address_conflict";
    case Drop::unresolved: return "unresolved";
    case Drop::martian_source: return "martian_source";
    case Drop::martian_destination: return "martian_destination";
    case Drop::ttl_exceeded: return "ttl_exceeded";
    case Drop::no_route: return "no_route";
    case Drop::dont_fragment: return "dont_fragment";
    case Drop::forwarding_disabled: return "forwarding_disabled";
    case Drop::fragment_overlap: return "fragment_overlap";
    case Drop::fragment_duplicate: return "fragment_duplicate";
    case Drop::fragment_too_large: return "fragment_too_large";
    case Drop::fragment_malformed: return "fragment_malformed";
    case Drop::fragment_tiny: return "fragment_tiny";
    case Drop::reassembly_timeout: return "reassembly_timeout";
    case Drop::source_route: return "source_route";
    case Drop::broadcast_mismatch: return "broadcast_mismatch";
    case Drop::no_listener: return "no_listener";
    case Drop::no_connection: return "no_connection";
    case Drop::bad_port: return "bad_port";
    case Drop::bad_flags: return "bad_flags";
    case Drop::out_of_window: return "out_of_window";
    case Drop::bad_ack: return "bad_ack";
    case Drop::backlog_full: return "backlog_full";
    case Drop::old_timestamp: return "old_timestamp";
    case Drop::no_timestamp: return "no_timestamp";
    case Drop::bad_cookie: return "bad_cookie";
    case Drop::blind_attack: return "blind_attack";
    case Drop::duplicate: return "duplicate";
    case Drop::after_close: return "after_close";
    case Drop::ttl_too_low: return "ttl_too_low";
    case Drop::unrelated_error: return "unrelated_error";
    case Drop::protocol_violation: return "protocol_violation";
    case Drop::count_: break;
  }
  return "unknown";
}

std::ostream& operator<<(std::ostream& out, Drop drop) { return out << name(drop); }

}  // namespace tapir
