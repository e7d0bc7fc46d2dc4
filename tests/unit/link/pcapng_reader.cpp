#include "pcapng_reader.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "support/folder.hpp"

namespace tapir::test {

namespace {

void demand(bool holds, const char* what) {
  if (!holds) throw std::runtime_error{what};
}

/// Little-endian values from the front of a run of bytes.
class Input {
 public:
  explicit Input(std::span<const std::byte> bytes) : bytes_{bytes} {}
  [[nodiscard]] std::size_t left() const { return bytes_.size(); }
  std::span<const std::byte> take(std::size_t size) {
    demand(size <= bytes_.size(), "a block is too short");
    const auto taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    const auto octets = take(size);
    for (std::size_t i = size; i-- > 0;) value = value << 8U | std::to_integer<std::uint64_t>(octets[i]);
    return value;
  }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  Bytes padded(std::size_t size) {
    const auto taken = take(size);
    for (const auto byte : take((4 - size % 4) % 4)) demand(byte == std::byte{}, "padding is not zero");
    return {taken.begin(), taken.end()};
  }

 private:
  std::span<const std::byte> bytes_;
};

PcapngFile::Options read_options(Input& block) {
  PcapngFile::Options options;
  while (block.left() > 0) {
    const std::uint16_t code = block.u16();
    const std::uint16_t size = block.u16();
    if (code == 0) {
      demand(size == 0 && block.left() == 0, "opt_endofopt is not the end");
      return options;
    }
    demand(options.emplace(code, block.padded(size)).second, "an option stands twice");
  }
  demand(options.empty(), "options without opt_endofopt");
  return options;
}

PcapngFile::Frame read_frame(Input& block) {
  PcapngFile::Frame frame;
  frame.interface = block.u32();
  frame.timestamp = std::uint64_t{block.u32()} << 32U;
  frame.timestamp |= block.u32();
  const std::uint32_t captured = block.u32();
  frame.original_size = block.u32();
  frame.bytes = block.padded(captured);
  const auto options = read_options(block);
  if (const auto flags = options.find(2); flags != options.end()) {
    demand(flags->second.size() == 4, "epb_flags has four bytes");
    frame.flags = Input{flags->second}.u32();
  }
  return frame;
}

}  // namespace

PcapngFile read_pcapng(std::span<const std::byte> file) {
  PcapngFile found;
  Input input{file};
  bool first = true;
  while (input.left() > 0) {
    const std::uint32_t type = input.u32();
    const std::uint32_t length = input.u32();
    demand(length >= 12 && length % 4 == 0, "a block's length is no multiple of 4");
    Input block{input.take(length - 12)};
    demand(input.u32() == length, "a block's two lengths differ");
    demand(first == (type == 0x0a0d0d0a), "a file has one section header, in front");
    first = false;
    if (type == 0x0a0d0d0a) {
      demand(block.u32() == 0x1a2b3c4d, "byte-order magic");
      demand(block.u16() == 1 && block.u16() == 0, "version 1.0");
      demand(block.number(8) == ~std::uint64_t{0}, "section length");
      found.section_options = read_options(block);
    } else if (type == 1) {
      PcapngFile::Interface interface;
      interface.link_type = block.u16();
      demand(block.u16() == 0, "reserved field");
      interface.snap_length = block.u32();
      interface.options = read_options(block);
      found.interfaces.push_back(interface);
    } else if (type == 6) {
      found.frames.push_back(read_frame(block));
      demand(found.frames.back().interface < found.interfaces.size(), "a frame of an unknown interface");
    } else {
      demand(false, "a block of an unexpected type");
    }
  }
  return found;
}

std::optional<std::vector<std::string>> tshark(std::span<const std::byte> file, const std::string& arguments) {
  if (std::system("command -v tshark >/dev/null 2>&1") != 0) return std::nullopt;
  const Folder folder;
  const auto path = folder.write("capture.pcapng", {reinterpret_cast<const char*>(file.data()), file.size()});
  const std::string command = "tshark -r " + path + " " + arguments + " 2>/dev/null";
  std::vector<std::string> lines;
  if (std::FILE* output = ::popen(command.c_str(), "r"); output != nullptr) {
    std::array<char, 1024> line{};
    while (std::fgets(line.data(), static_cast<int>(line.size()), output) != nullptr) {
      std::string text{line.data()};
      while (!text.empty() && text.back() == '\n') text.pop_back();
      lines.push_back(text);
    }
    ::pclose(output);
  }
  return lines;
}

}  // namespace tapir::test
