// What the network says about segments of ours (RFC 9293 section 3.9.2.2, RFC 5927).

#include <tapir/network/error_kind.hpp>

#include "connection_core.hpp"
#include "connection_record.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

namespace {
/// The part of a TCP header that every ICMP error quotes.
struct Quoted {
  BigEndian<Port> source_port;
  BigEndian<Port> destination_port;
  BigEndian<SeqNum> sequence;
};
static_assert(sizeof(Quoted) == 8 && alignof(Quoted) == 1);

FourTuple tuple_of(const network::ErrorReport& report, const Quoted& quoted) noexcept {
  return {{report.source, quoted.source_port}, {report.destination, quoted.destination_port}};
}
}  // namespace

bool Engine::believes(const network::ErrorReport& report) const {
  const auto quoted = report.quoted<Quoted>();
  if (!quoted) return false;
  const FourTuple tuple = tuple_of(report, *quoted);
  if (const HalfOpen* const kept = half_open_.find(tuple)) return kept->iss == quoted->sequence;
  const auto record = connections_.find(tuple);
  return record != nullptr && !record->asleep() && record->core()->believes(report, quoted->sequence);
}

void Engine::receive_error(const network::ErrorReport& report) {
  const auto quoted = report.quoted<Quoted>();
  if (!quoted) {
    (void)drop(Drop::truncated);
    return;
  }
  const auto record = find(tuple_of(report, *quoted));
  if (record == nullptr) {
    (void)drop(Drop::unrelated_error);
    return;
  }
  if (record->asleep() && report.kind != network::ErrorKind::unresolved) {  // it has nothing in flight
    (void)drop(Drop::unrelated_error);
    return;
  }
  const auto connection = record->core();  // stays alive while it ends
  connection->error_arrives(report, quoted->sequence);
}

void ConnectionCore::error_arrives(const network::ErrorReport& report, SeqNum quoted) {
  // RFC 5927 section 4.1: an error about a segment that is not in flight was made up by somebody else. Our own neighbour resolution may also
  // have lost an empty ACK, or a probe from before SND.UNA.
  if (!in_flight(quoted) && report.kind != network::ErrorKind::unresolved) {
    (void)drop(Drop::unrelated_error);
    return;
  }
  const bool handshake = tcb_.state == State::syn_sent || tcb_.state == State::syn_received;
  if (handshake && !tcb_.passive && report.kind != network::ErrorKind::fragmentation_needed) {
    handshake_error_ = std::make_unique<HandshakeError>(report, std::vector(report.transport.begin(), report.transport.end()));
    handshake_error_->report.datagram = {};
    handshake_error_->report.transport = handshake_error_->quoted;
  }
  switch (report.kind) {
    case network::ErrorKind::fragmentation_needed:
      if (believes(report, quoted)) return path_narrowed();
      mtu_reports_.hold({.sequence = quoted, .next_hop_mtu = report.next_hop_mtu, .quoted_length = report.quoted_length});
      return;
    case network::ErrorKind::protocol_unreachable:
    case network::ErrorKind::port_unreachable:
      // RFC 5927 section 5.2: an established connection has proved that the port is there.
      if (handshake) {
        if (unseen()) return return_to_listen();
        return end(network::error_of(report.kind), true);
      }
      break;
    case network::ErrorKind::unresolved:
      // Our own next hop does not answer ARP: an open will not get through, an established connection may wait for it to come back.
      if (tcb_.state == State::syn_sent) return end(Error::host_unreachable, true);
      break;
    case network::ErrorKind::network_unreachable:
    case network::ErrorKind::host_unreachable:
      if (settings_->unreachable_ends_handshake && tcb_.state == State::syn_received && tcb_.passive && !accepted()) {
        if (unseen()) return return_to_listen();
        return end(network::error_of(report.kind), true);
      }
      break;
    default: break;
  }
  counters_.soft_error = SoftError{report.kind, report.type, report.code, report.reporter};
  if (settings_->report_soft_errors) tell(kSoftError);
}

/// Whether `report`, about octet `quoted`, counts now (RFC 5927 sections 4.1 and 7.2).
bool ConnectionCore::believes(const network::ErrorReport& report, SeqNum quoted) const {
  if (!in_flight(quoted)) return false;
  if (report.kind != network::ErrorKind::fragmentation_needed || !is_synchronized(tcb_.state)) return true;
  const std::uint32_t headers = bare_headers_size() + options_size();
  const std::uint32_t claimed = report.next_hop_mtu > headers ? report.next_hop_mtu - headers : 0;
  return mtu_reports_.judge(claimed, front_retransmissions_, engine_->config().too_big_timeouts) == MtuReports::Verdict::believed;
}

/// A timeout without progress: a router that said why may have been right (RFC 5927 section 7.2).
void ConnectionCore::reconsider_mtu_report() {
  const auto held = mtu_reports_.held();
  if (!held || front_retransmissions_ < engine_->config().too_big_timeouts) return;
  mtu_reports_.release();
  network::ErrorReport report;
  report.kind = network::ErrorKind::fragmentation_needed;
  report.source = tuple_.local.address;
  report.destination = tuple_.remote.address;
  report.next_hop_mtu = held->next_hop_mtu;
  report.quoted_length = held->quoted_length;
  engine_->network().narrow_path(report);
  path_narrowed();
}

/// RFC 1191 section 6.4: what was too big goes again in smaller pieces, and that is no sign of congestion.
void ConnectionCore::path_narrowed() {
  const std::uint32_t former = mss_;
  if (const auto probe = mtu_search_.outstanding(); probe && network_mtu() < *probe) {
    recovery_.mtu_probe_refused();
    mtu_probe_settled(MtuProbeFate::lost);
    update_timers();
    wants_to_send();
  }
  update_mss();
  const bool syn_too_large = tcb_.state == State::syn_sent && fast_open_.attempt.data > 0;  // its data, which the next one is without
  if (!syn_too_large && (mss_ >= former || !is_synchronized(tcb_.state))) return;
  recovery_.all_lost(context_.now());
  update_timers();
  wants_to_send();
}

}  // namespace tapir::tcp::detail
