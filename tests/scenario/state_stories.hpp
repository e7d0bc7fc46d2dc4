#pragma once

#include <algorithm>
#include <chrono>
#include <string_view>

#include "two_hosts.hpp"

/// The table of what two hosts do in tcp_states_test.cpp.
namespace tapir::test::stories {

using namespace std::chrono_literals;
using sim::End;
using tcp::State;

inline constexpr Duration kTimeWait = 4min;  ///< 2 MSL

/// What two hosts do, and the way that the connection of each goes in it.
struct PairRow {
  std::string_view story;
  void (*act)(TwoHosts& hosts);
  std::string_view left;
  std::string_view right;
};

/// The usual four-way close by the left end, after which everything is over.
inline void close_left_first(TwoHosts& hosts) {
  (void)hosts.left.shutdown();
  hosts.run(10ms);
  (void)hosts.right.shutdown();
  hosts.run(10ms);
}

inline constexpr std::string_view kCaller = "CLOSED SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED";
inline constexpr std::string_view kCalled = "LISTEN SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED";

inline const PairRow kPairRows[] = {
    {"the caller closes first",
     [](TwoHosts& hosts) {
       hosts.open();
       close_left_first(hosts);
     },
     kCaller, kCalled},
    {"the called closes first",
     [](TwoHosts& hosts) {
       hosts.open();
       (void)hosts.right.shutdown();
       hosts.run(10ms);
       (void)hosts.left.shutdown();
     },
     "CLOSED SYN-SENT ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED", "LISTEN SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED"},
    {"SYN, SYN,ACK, and the ACK of that are lost, one after the other",
     [](TwoHosts& hosts) {
       hosts.lose(End::left, kSyn);
       hosts.lose(End::right, kSyn | kAck);
       hosts.lose(End::left, kAck);
       hosts.call();
       hosts.run_until([&] { return hosts.right.state() == State::established; });
       close_left_first(hosts);
     },
     kCaller, kCalled},
    {"nobody listens", [](TwoHosts& hosts) { hosts.left = TwoHosts::connect(*hosts.pair.left, {kRightAddress, Port{99}}, Port{}); },
     "CLOSED SYN-SENT CLOSED", ""},
    {"CLOSE while the call is not answered",
     [](TwoHosts& hosts) {
       hosts.pair.cable.cut(true);
       hosts.call();
       hosts.run(10ms);
       hosts.left.close();
     },
     "CLOSED SYN-SENT CLOSED", ""},
    {"simultaneous open (figure 8), then simultaneous close (figure 13)",
     [](TwoHosts& hosts) {
       hosts.open_both();
       hosts.run(10ms);
       (void)hosts.left.shutdown();
       (void)hosts.right.shutdown();
     },
     "CLOSED SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 CLOSING TIME-WAIT CLOSED",
     "CLOSED SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 CLOSING TIME-WAIT CLOSED"},
    {"simultaneous close, and both ACKs of the FINs are lost",
     [](TwoHosts& hosts) {
       hosts.open();
       (void)hosts.left.shutdown();
       (void)hosts.right.shutdown();
       hosts.run_until([&] { return hosts.left.state() == State::fin_wait_1 && hosts.sent.size() == 5; });
       hosts.lose(End::left, kAck);
       hosts.lose(End::right, kAck);
     },
     "CLOSED SYN-SENT ESTABLISHED FIN-WAIT-1 CLOSING TIME-WAIT CLOSED",
     "LISTEN SYN-RECEIVED ESTABLISHED FIN-WAIT-1 CLOSING TIME-WAIT CLOSED"},
    {"CLOSE in SYN-RECEIVED",
     [](TwoHosts& hosts) {
       hosts.open_both();
       hosts.run_until([&] { return hosts.left.state() == State::syn_received; });
       (void)hosts.left.shutdown();
       hosts.run(10s);
       (void)hosts.right.shutdown();
     },
     "CLOSED SYN-SENT SYN-RECEIVED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED",
     "CLOSED SYN-SENT SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED"},
    {"CLOSE in SYN-RECEIVED with data queued waits for ESTABLISHED",
     [](TwoHosts& hosts) {
       hosts.open_both();
       hosts.run_until([&] { return hosts.left.state() == State::syn_received; });
       TwoHosts::say(hosts.left, "last words");
       (void)hosts.left.shutdown();
       hosts.run(10s);
       CHECK(TwoHosts::read(hosts.right) == "last words");
       (void)hosts.right.shutdown();
     },
     "CLOSED SYN-SENT SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED",
     "CLOSED SYN-SENT SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED"},
    {"the FIN comes with data",
     [](TwoHosts& hosts) {
       hosts.open();
       TwoHosts::say(hosts.left, "good-bye");
       (void)hosts.left.shutdown();
       hosts.run(10ms);
       CHECK(std::ranges::any_of(hosts.sent, [](const auto& one) { return one.first == "good-bye" && (one.second & kFin) != 0; }));
       CHECK(TwoHosts::read(hosts.right) == "good-bye");
       CHECK(TwoHosts::read(hosts.right).empty());
       (void)hosts.right.shutdown();
     },
     kCaller, kCalled},
    {"the half that is open goes on: data from CLOSE-WAIT to FIN-WAIT-2",
     [](TwoHosts& hosts) {
       hosts.open();
       (void)hosts.left.shutdown();
       hosts.run(1h);
       TwoHosts::say(hosts.right, "still here");
       hosts.run(10ms);
       CHECK(TwoHosts::read(hosts.left) == "still here");
       (void)hosts.right.shutdown();
     },
     kCaller, kCalled},
    {"the FIN is lost",
     [](TwoHosts& hosts) {
       hosts.open();
       hosts.lose(End::left, kFin);
       (void)hosts.left.shutdown();
       hosts.run(10ms);
       CHECK(hosts.left.state() == State::fin_wait_1);
       CHECK(hosts.right.state() == State::established);
       hosts.run(5s);
       (void)hosts.right.shutdown();
     },
     kCaller, kCalled},
    {"the ACK of the FIN is lost, and the FIN comes again",
     [](TwoHosts& hosts) {
       hosts.open();
       hosts.lose(End::right, kAck);
       (void)hosts.left.shutdown();
       hosts.run(10ms);
       CHECK(hosts.left.state() == State::fin_wait_1);
       CHECK(hosts.right.state() == State::close_wait);
       hosts.run(5s);
       CHECK(hosts.left.state() == State::fin_wait_2);
       (void)hosts.right.shutdown();
     },
     kCaller, kCalled},
    {"the last ACK is lost: the FIN comes again into TIME-WAIT, which is entered anew",
     [](TwoHosts& hosts) {
       hosts.open();
       (void)hosts.left.shutdown();
       hosts.run(10ms);
       hosts.lose(End::left, kAck);
       (void)hosts.right.shutdown();
       hosts.run(10s);
       CHECK(hosts.right.state() == State::closed);
       hosts.run(5min);
       const auto& changes = hosts.left_log.changes();
       const auto waited = changes.at(changes.size() - 1).at - changes.at(changes.size() - 2).at;
       CHECK(waited > kTimeWait + 100ms);  // 2 MSL from the second FIN, a retransmission timeout after the first
       CHECK(waited < kTimeWait + 5s);
     },
     kCaller, kCalled},
    {"a new call with the same ends reopens a connection in TIME-WAIT",
     [](TwoHosts& hosts) {
       hosts.left = TwoHosts::connect(*hosts.pair.left, {kRightAddress, kService}, Port{1000});
       hosts.run(10ms);
       (void)hosts.right.shutdown();
       hosts.run(10ms);
       (void)hosts.left.shutdown();
       hosts.run(1s);
       REQUIRE(hosts.right.state() == State::time_wait);
       hosts.left = TwoHosts::connect(*hosts.pair.left, {kRightAddress, kService}, Port{1000});
       hosts.run(10ms);
       close_left_first(hosts);
     },
     "CLOSED SYN-SENT ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED",
     "LISTEN SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED"
     " | LISTEN SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED"},
    {"both handles are gone: the close goes on without them",
     [](TwoHosts& hosts) {
       hosts.open();
       hosts.left = {};
       hosts.run(10ms);
       hosts.right = {};
     },
     kCaller, kCalled},
    {"nobody reads any more and the peer does not close: FIN-WAIT-2 ends by itself",
     [](TwoHosts& hosts) {
       hosts.open();
       hosts.left.close();
       hosts.run(2min);
       CHECK(hosts.left.state() == State::closed);
       hosts.right.abort();
     },
     "CLOSED SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSED", "LISTEN SYN-RECEIVED ESTABLISHED CLOSE-WAIT CLOSED"},
    {"the listener is closed with a connection that nobody accepted",
     [](TwoHosts& hosts) {
       hosts.listener.handle({});
       hosts.call();
       hosts.run(10ms);
       hosts.listener = {};
     },
     "CLOSED SYN-SENT ESTABLISHED CLOSED", "LISTEN SYN-RECEIVED ESTABLISHED CLOSED"},
};

}  // namespace tapir::test::stories
