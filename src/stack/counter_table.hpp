#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <tapir/link/link.hpp>
#include <tapir/stack/stack.hpp>

namespace tapir {

/// The counters that are not zero, one line each.
class CounterTable {
 public:
  void add(std::string_view layer, std::span<const link::Counter> rows);
  void add(std::string_view layer, const DropCounters& drops);
  void row(std::string_view layer, std::string_view counter, std::uint64_t value);
  [[nodiscard]] std::string take() noexcept { return std::move(text_); }

 private:
  std::string text_;
};

/// Every field of what a layer counts, under its MIB name; what no MIB has under Linux' name (/proc/net/netstat), or else one of ours.
void add(CounterTable& table, const ethernet::Stats& stats);
void add(CounterTable& table, const arp::Stats& stats);
void add(CounterTable& table, const ipv4::Stats& stats);
void add(CounterTable& table, const icmp::Stats& stats);
void add(CounterTable& table, const udp::Stats& stats);
void add(CounterTable& table, const tcp::Stats& stats);

}  // namespace tapir
