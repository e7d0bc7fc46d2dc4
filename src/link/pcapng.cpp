#include <tapir/link/pcapng.hpp>

#include <algorithm>

namespace tapir::link::pcapng {

namespace {

constexpr std::uint32_t kSectionHeader = 0x0a0d0d0a;
constexpr std::uint32_t kInterfaceDescription = 1;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrderMagic = 0x1a2b3c4d;
constexpr std::uint16_t kLinkTypeEthernet = 1;
constexpr std::uint16_t kEndOfOptions = 0;
constexpr std::uint16_t kUserApplication = 4;  // of the section header
constexpr std::uint16_t kName = 2;             // of an interface
constexpr std::uint16_t kDescription = 3;
constexpr std::uint16_t kTimestampResolution = 9;
constexpr std::uint16_t kFcsLength = 13;
constexpr std::uint16_t kFlags = 2;  // of a packet

template <class T>
void put(std::vector<std::byte>& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out.push_back(static_cast<std::byte>(std::uint64_t{value} >> 8 * i & 0xffU));
}

void put_padded(std::vector<std::byte>& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
  out.resize(out.size() + (4 - bytes.size() % 4) % 4);
}

void put_option(std::vector<std::byte>& out, std::uint16_t code, std::span<const std::byte> value) {
  constexpr std::size_t kLongest = 0xffff;
  value = value.first(std::min(value.size(), kLongest));
  put(out, code);
  put(out, static_cast<std::uint16_t>(value.size()));
  put_padded(out, value);
}
void put_option(std::vector<std::byte>& out, std::uint16_t code, std::string_view text) {
  if (!text.empty()) put_option(out, code, std::as_bytes(std::span{text}));
}
void put_option(std::vector<std::byte>& out, std::uint16_t code, std::uint8_t value) {
  put_option(out, code, std::as_bytes(std::span{&value, 1}));
}

/// A block under construction: its total length stands in front and behind, and is known when it is finished.
class Block {
 public:
  Block(std::vector<std::byte>& out, std::uint32_t type) : out_{out}, begin_{out.size()} {
    put(out_, type);
    put(out_, std::uint32_t{0});
  }
  void finish() {
    const auto length = static_cast<std::uint32_t>(out_.size() - begin_ + 4);
    put(out_, length);
    for (std::size_t i = 0; i < 4; ++i) out_[begin_ + 4 + i] = static_cast<std::byte>(length >> 8 * i & 0xffU);
  }
  void finish_options() {
    put(out_, kEndOfOptions);
    put(out_, std::uint16_t{0});
    finish();
  }

 private:
  std::vector<std::byte>& out_;
  std::size_t begin_;
};

}  // namespace

void append_section_header(std::vector<std::byte>& out, std::string_view application) {
  Block block{out, kSectionHeader};
  put(out, kByteOrderMagic);
  put(out, std::uint16_t{1});  // version 1.0
  put(out, std::uint16_t{0});
  put(out, ~std::uint64_t{0});  // the section's length is not known yet
  put_option(out, kUserApplication, application);
  block.finish_options();
}

void append_interface(std::vector<std::byte>& out, const Interface& interface) {
  Block block{out, kInterfaceDescription};
  put(out, kLinkTypeEthernet);
  put(out, std::uint16_t{0});
  put(out, interface.snap_length);
  put_option(out, kName, interface.name);
  put_option(out, kDescription, interface.description);
  put_option(out, kTimestampResolution, std::uint8_t{9});  // 10^-9 s
  if (interface.fcs_size) put_option(out, kFcsLength, *interface.fcs_size);
  block.finish_options();
}

void append_packet(std::vector<std::byte>& out, const Record& record) {
  Block block{out, kEnhancedPacket};
  const auto timestamp = static_cast<std::uint64_t>(std::max(record.timestamp, Duration{}).count());
  put(out, record.interface);
  put(out, static_cast<std::uint32_t>(timestamp >> 32U));
  put(out, static_cast<std::uint32_t>(timestamp & 0xffff'ffffU));
  put(out, static_cast<std::uint32_t>(record.frame.size()));
  put(out, static_cast<std::uint32_t>(std::max(record.original_size, record.frame.size())));
  put_padded(out, record.frame);
  put(out, kFlags);
  put(out, std::uint16_t{4});
  put(out, static_cast<std::uint32_t>(record.direction));
  block.finish_options();
}

}  // namespace tapir::link::pcapng
