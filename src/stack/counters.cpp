#include <array>
#include <utility>

#include <fmt/format.h>

#include <tapir/stack/stack.hpp>

#include "interface.hpp"

namespace tapir {

namespace {

using Row = std::pair<std::string_view, std::uint64_t>;

/// The counters that are not zero, one line each.
template <std::size_t n>
void append(std::string& text, std::string_view layer, const std::array<Row, n>& rows) {
  for (const auto& [counter, value] : rows) {
    if (value != 0) text += fmt::format("{:<9} {:<20} {:>12}\n", layer, counter, value);
  }
}

void append(std::string& text, std::string_view layer, const DropCounters& drops) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Drop::count_); ++i) {
    const auto reason = static_cast<Drop>(i);
    if (drops[reason] != 0) text += fmt::format("{:<9} dropped: {:<11} {:>12}\n", layer, name(reason), drops[reason]);
  }
}

void append(std::string& text, const ethernet::Stats& s) {
  append(
      text, "ethernet",
      std::array<Row, 4>{{{"inFrames", s.in_frames}, {"inOctets", s.in_bytes}, {"outFrames", s.out_frames}, {"outOctets", s.out_bytes}}});
}

void append(std::string& text, const arp::Stats& s) {
  append(text, "arp",
         std::array<Row, 6>{{{"inRequests", s.in_requests},
                             {"inReplies", s.in_replies},
                             {"outRequests", s.out_requests},
                             {"outReplies", s.out_replies},
                             {"failures", s.failures},
                             {"conflicts", s.conflicts}}});
}

void append(std::string& text, const ipv4::Stats& s) {
  append(text, "ipv4",
         std::array<Row, 14>{{{"inReceives", s.in_receives},
                              {"inHdrErrors", s.in_hdr_errors},
                              {"inAddrErrors", s.in_addr_errors},
                              {"inUnknownProtos", s.in_unknown_protos},
                              {"inTruncatedPkts", s.in_truncated_pkts},
                              {"inDiscards", s.in_discards},
                              {"inDelivers", s.in_delivers},
                              {"reasmReqds", s.reasm_reqds},
                              {"reasmOKs", s.reasm_oks},
                              {"reasmFails", s.reasm_fails},
                              {"outRequests", s.out_requests},
                              {"outNoRoutes", s.out_no_routes},
                              {"outTransmits", s.out_transmits},
                              {"fragCreates", s.frag_creates}}});
}

void append(std::string& text, const icmp::Stats& s) {
  append(text, "icmp",
         std::array<Row, 4>{{{"inMsgs", s.in_msgs}, {"inErrors", s.in_errors}, {"outMsgs", s.out_msgs}, {"outErrors", s.out_errors}}});
}

void append(std::string& text, const udp::Stats& s) {
  append(text, "udp",
         std::array<Row, 4>{
             {{"inDatagrams", s.in_datagrams}, {"noPorts", s.no_ports}, {"inErrors", s.in_errors}, {"outDatagrams", s.out_datagrams}}});
}

void append(std::string& text, const tcp::Stats& s) {
  append(text, "tcp",
         std::array<Row, 9>{{{"activeOpens", s.active_opens},
                             {"passiveOpens", s.passive_opens},
                             {"attemptFails", s.attempt_fails},
                             {"estabResets", s.estab_resets},
                             {"inSegs", s.in_segs},
                             {"outSegs", s.out_segs},
                             {"retransSegs", s.retrans_segs},
                             {"inErrs", s.in_errs},
                             {"outRsts", s.out_rsts}}});
}

}  // namespace

std::string Stack::counters() const {
  std::string text;
  for (const auto& interface : interfaces_) {
    append(text, interface->ethernet.stats());
    append(text, "ethernet", interface->ethernet.drops());
    append(text, interface->arp.stats());
    append(text, "arp", interface->arp.drops());
  }
  append(text, ipv4_->stats());
  append(text, "ipv4", ipv4_->drops());
  append(text, icmp_->stats());
  append(text, "icmp", icmp_->drops());
  append(text, udp_->stats());
  append(text, "udp", udp_->drops());
  append(text, tcp_->stats());
  append(text, "tcp", tcp_->drops());
  return text;
}

}  // namespace tapir
