#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tapir/core/addresses.hpp>

namespace tapir::packetdrill {

/// What --so_flags says: `name=value`, separated by commas.
struct Flags {
  std::optional<Ipv4Prefix> address =
      Ipv4Prefix::parse("192.168.0.1/16");                 ///< address=: of the host, with its network; empty: not an address
  std::string settings = "/proc/sys/net/ipv4";             ///< settings=: the directory with Linux' settings
  std::string cubic = "/sys/module/tcp_cubic/parameters";  ///< cubic=: the directory with those of CUBIC
  std::string queue = {};     ///< queue=: a file that names the device's queue discipline and its options, as tc has them; empty: none
  std::string metrics = {};   ///< metrics=: a file that grows whenever `ip tcp_metrics flush` is meant; empty: none
  std::string routes = {};    ///< routes=: a file with the routes, as `ip route` prints them; empty: none but that to everywhere
  std::string counters = {};  ///< counters=: a file that shows what the stack has counted, under Linux' names; empty: none
  std::uint16_t segment = 0;  ///< segment=: bytes of payload in each of the segments that the device merges; 0: it merges none
  std::string unknown = {};   ///< the first that is none of these

  [[nodiscard]] static Flags parse(std::string_view text);
};

}  // namespace tapir::packetdrill
