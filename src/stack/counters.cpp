#include <array>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "counter_table.hpp"
#include "interface.hpp"

namespace tapir {

void CounterTable::add(std::string_view layer, std::span<const link::Counter> rows) {
  for (const auto& [counter, value] : rows) row(layer, counter, value);
}

void CounterTable::add(std::string_view layer, const DropCounters& drops) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Drop::count_); ++i) {
    const auto reason = static_cast<Drop>(i);
    if (drops[reason] != 0) row(layer, fmt::format("dropped: {}", name(reason)), drops[reason]);
  }
}

void CounterTable::row(std::string_view layer, std::string_view counter, std::uint64_t value) {
  if (value != 0) text_ += fmt::format("{:<9} {:<28} {:>12}\n", layer, counter, value);
}

void add(CounterTable& table, const ethernet::Stats& s) {
  table.add("ethernet",
            std::array<link::Counter, 4>{
                {{"inFrames", s.in_frames}, {"inOctets", s.in_bytes}, {"outFrames", s.out_frames}, {"outOctets", s.out_bytes}}});
}

void add(CounterTable& table, const arp::Stats& s) {
  table.add("arp", std::array<link::Counter, 7>{{{"inRequests", s.in_requests},
                                                 {"inReplies", s.in_replies},
                                                 {"outRequests", s.out_requests},
                                                 {"outReplies", s.out_replies},
                                                 {"outFailed", s.out_failed},
                                                 {"failures", s.failures},
                                                 {"conflicts", s.conflicts}}});
}

void add(CounterTable& table, const ipv4::Stats& s) {
  table.add("ipv4", std::array<link::Counter, 25>{{{"inReceives", s.in_receives},
                                                   {"inHdrErrors", s.in_hdr_errors},
                                                   {"inNoRoutes", s.in_no_routes},
                                                   {"inAddrErrors", s.in_addr_errors},
                                                   {"inUnknownProtos", s.in_unknown_protos},
                                                   {"inTruncatedPkts", s.in_truncated_pkts},
                                                   {"inForwDatagrams", s.in_forw_datagrams},
                                                   {"inDiscards", s.in_discards},
                                                   {"inDelivers", s.in_delivers},
                                                   {"inMcastPkts", s.in_mcast_pkts},
                                                   {"inBcastPkts", s.in_bcast_pkts},
                                                   {"reasmReqds", s.reasm_reqds},
                                                   {"reasmOKs", s.reasm_oks},
                                                   {"reasmFails", s.reasm_fails},
                                                   {"outRequests", s.out_requests},
                                                   {"outNoRoutes", s.out_no_routes},
                                                   {"outForwDatagrams", s.out_forw_datagrams},
                                                   {"outDiscards", s.out_discards},
                                                   {"outTransmits", s.out_transmits},
                                                   {"outMcastPkts", s.out_mcast_pkts},
                                                   {"outBcastPkts", s.out_bcast_pkts},
                                                   {"fragReqds", s.frag_reqds},
                                                   {"fragOKs", s.frag_oks},
                                                   {"fragFails", s.frag_fails},
                                                   {"fragCreates", s.frag_creates}}});
}

namespace {
/// RFC 4293's icmpMsgStatsTable counts by number, in its icmpMsgStatsInPkts and icmpMsgStatsOutPkts.
void add_by_type(CounterTable& table, std::string_view counter, std::span<const std::uint64_t> packets) {
  for (std::size_t type = 0; type < packets.size(); ++type) table.row("icmp", fmt::format("{} type {}", counter, type), packets[type]);
}
}  // namespace

void add(CounterTable& table, const icmp::Stats& s) {
  table.add("icmp", std::array<link::Counter, 5>{{{"inMsgs", s.in_msgs},
                                                  {"inErrors", s.in_errors},
                                                  {"outMsgs", s.out_msgs},
                                                  {"outErrors", s.out_errors},
                                                  {"suppressed", s.suppressed}}});
  add_by_type(table, "inPkts", s.in_pkts);
  add_by_type(table, "outPkts", s.out_pkts);
}

void add(CounterTable& table, const udp::Stats& s) {
  table.add("udp",
            std::array<link::Counter, 4>{
                {{"inDatagrams", s.in_datagrams}, {"noPorts", s.no_ports}, {"inErrors", s.in_errors}, {"outDatagrams", s.out_datagrams}}});
}

void add(CounterTable& table, const tcp::Stats& s) {
  table.add("tcp", std::array<link::Counter, 16>{{{"activeOpens", s.active_opens},
                                                  {"passiveOpens", s.passive_opens},
                                                  {"attemptFails", s.attempt_fails},
                                                  {"estabResets", s.estab_resets},
                                                  {"currEstab", s.curr_estab},
                                                  {"inSegs", s.in_segs},
                                                  {"outSegs", s.out_segs},
                                                  {"retransSegs", s.retrans_segs},
                                                  {"inErrs", s.in_errs},
                                                  {"outRsts", s.out_rsts},
                                                  {"syncookiesSent", s.cookies_sent},
                                                  {"syncookiesRecv", s.cookies_accepted},
                                                  {"largeWindowScales", s.large_window_scales},
                                                  {"sleeps", s.sleeps},
                                                  {"wakes", s.wakes},
                                                  {"predicted", s.predicted}}});
}

std::string Stack::counters() const {
  CounterTable table;
  for (const auto& interface : interfaces_) {
    table.add("link", interface->link->counters());
    table.add("link", interface->link->drop_counters());
    add(table, interface->ethernet.stats());
    table.add("ethernet", interface->ethernet.drops());
    add(table, interface->arp.stats());
    table.add("arp", interface->arp.drops());
  }
  add(table, ipv4_->stats());
  table.add("ipv4", ipv4_->drops());
  add(table, icmp_->stats());
  table.add("icmp", icmp_->drops());
  add(table, udp_->stats());
  table.add("udp", udp_->drops());
  add(table, tcp_->stats());
  table.add("tcp", tcp_->drops());
  return table.take();
}

}  // namespace tapir
