#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tapir/core/time.hpp>

/// The pcapng file format (draft-ietf-opsawg-pcapng), writing only: bytes out, no file. Blocks are in little-endian byte order on every
/// machine, so that the same frames give the same file anywhere.
namespace tapir::link::pcapng {

/// Which way a frame went, as seen from the interface (epb_flags bits 0-1).
enum class Direction : std::uint8_t { unknown = 0, inbound = 1, outbound = 2 };

/// An Ethernet interface whose frames are recorded.
struct Interface {
  std::string name;                      ///< if_name
  std::string description;               ///< if_description; empty: left out
  std::uint32_t snap_length = 0;         ///< bytes kept of a frame; 0: all
  std::optional<std::uint8_t> fcs_size;  ///< if_fcslen: bytes of FCS at each frame's end; nullopt: not said
};

/// One recorded frame.
struct Record {
  std::uint32_t interface = 0;       ///< index of the interface, in the order of their blocks
  Duration timestamp{};              ///< since 1970-01-01T00:00:00Z; negative is taken as 0
  std::size_t original_size = 0;     ///< bytes on the wire; at least those present
  std::span<const std::byte> frame;  ///< the bytes kept
  Direction direction = Direction::unknown;
};

/// Appends a Section Header Block: the first block of a file. `application` names the writing program.
void append_section_header(std::vector<std::byte>& out, std::string_view application);
/// Appends an Interface Description Block: LINKTYPE_ETHERNET, timestamps in nanoseconds.
void append_interface(std::vector<std::byte>& out, const Interface& interface);
/// Appends an Enhanced Packet Block.
void append_packet(std::vector<std::byte>& out, const Record& record);

}  // namespace tapir::link::pcapng
