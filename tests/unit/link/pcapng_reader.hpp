#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <support/lab.hpp>

namespace tapir::test {

/// What a strict reader of draft-ietf-opsawg-pcapng finds in a file. Written from the draft, not from the writer.
struct PcapngFile {
  using Options = std::map<std::uint16_t, Bytes>;
  struct Interface {
    std::uint16_t link_type = 0;
    std::uint32_t snap_length = 0;
    Options options;
  };
  struct Frame {
    std::uint32_t interface = 0;
    std::uint64_t timestamp = 0;
    std::uint32_t original_size = 0;
    Bytes bytes;
    std::uint32_t flags = 0;
  };
  Options section_options;
  std::vector<Interface> interfaces;
  std::vector<Frame> frames;
};

/// Throws std::runtime_error, which says what is wrong, when the file is not well-formed.
[[nodiscard]] PcapngFile read_pcapng(std::span<const std::byte> file);

/// What tshark makes of a file: the lines that `tshark -r FILE arguments` prints; nullopt when there is no tshark.
[[nodiscard]] std::optional<std::vector<std::string>> tshark(std::span<const std::byte> file, const std::string& arguments);

}  // namespace tapir::test
