#include <catch2/catch.hpp>

#include <tins/ethernetII.h>
#include <tins/ip.h>
#include <tins/rawpdu.h>
#include <tins/tcp.h>

#include <filesystem>
#include <fstream>

#include <support/folder.hpp>
#include <support/lab.hpp>
#include <tapir/link/capture.hpp>
#include <tapir/link/impair.hpp>
#include <tapir/link/segmentation.hpp>

#include "pcapng_reader.hpp"

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kInbound = 1;
constexpr std::uint32_t kOutbound = 2;

Bytes tcp_frame(const std::string& payload, std::uint16_t flags = Tins::TCP::ACK) {
  Tins::TCP tcp{7, 40000};
  tcp.flags(flags);
  tcp.seq(1000);
  auto frame =
      Tins::EthernetII{"02:00:00:00:00:02", "02:00:00:00:00:01"} / Tins::IP{"192.0.2.2", "192.0.2.1"} / tcp / Tins::RawPDU{payload};
  return bytes_of(frame.serialize());
}

Bytes text(std::string_view value) { return bytes_of(value); }

struct Swallow final : Demultiplexer<link::Received> {
  Accepted demultiplex(Packet&& frame, const link::Received&) override {
    frames.push_back(frame.bytes());
    metas.push_back(frame.meta());
    return {};
  }
  std::vector<Bytes> frames;
  std::vector<PacketMeta> metas;
};

/// A capture around a recording link, into memory.
struct Recorded {
  explicit Recorded(link::Capabilities capabilities = {}, link::CaptureOptions options = {}) {
    auto owned = std::make_unique<RecordingLink>(lab.pool, capabilities);
    below = owned.get();
    capture.emplace(std::move(owned), lab.scheduler, std::make_unique<link::MemorySink>(file), options);
    capture->attach(&up);
  }
  [[nodiscard]] PcapngFile read() const { return read_pcapng(file); }

  Lab lab;
  Bytes file;
  RecordingLink* below = nullptr;
  std::optional<link::Capture> capture;
  Swallow up;
};

Packet super_segment(Lab& lab, const Bytes& frame, std::uint16_t mss) {
  Packet packet = lab.packet(frame);
  packet.meta().network = 14;
  packet.meta().transport = 34;
  packet.meta().gso = GsoKind::tcp4;
  packet.meta().gso_size = mss;
  packet.meta().checksum = ChecksumState::partial;
  packet.meta().checksum_offset = 16;
  return packet;
}

class BrokenSink final : public link::ByteSink {
 public:
  Result<> write(std::span<const std::byte>) override { return fail(Error::no_buffer_space); }
};

}  // namespace

TEST_CASE("a capture starts with a section and an interface", "[link]") {
  const Recorded plain;
  const auto file = plain.read();
  CHECK(file.section_options.at(4) == text("tapir"));
  REQUIRE(file.interfaces.size() == 1);
  CHECK(file.interfaces[0].link_type == 1);
  CHECK(file.interfaces[0].options.at(2) == text("recording"));
  CHECK(file.interfaces[0].options.at(9) == Bytes{std::byte{9}});
  CHECK(file.interfaces[0].options.at(13) == Bytes{std::byte{0}});
  const Recorded with_fcs{link::Capabilities{.carries_fcs = true}};
  CHECK(with_fcs.read().interfaces.at(0).options.at(13) == Bytes{std::byte{4}});
}

TEST_CASE("frames are recorded both ways with time and direction, and pass unchanged", "[link]") {
  Recorded recorded{{}, {.epoch = 1'700'000'000s}};
  const Bytes out = tcp_frame("out, with some more text so that nothing is padded");
  const Bytes in = tcp_frame("in, with some more text so that nothing is padded.");
  recorded.lab.advance(1500ns);
  REQUIRE(recorded.capture->transmit(recorded.lab.packet(out)));
  recorded.lab.advance(1h);
  REQUIRE(recorded.below->inject(in));

  CHECK(recorded.below->sent == std::vector<Bytes>{out});
  CHECK(recorded.up.frames == std::vector<Bytes>{in});
  const auto file = recorded.read();
  REQUIRE(file.frames.size() == 2);
  CHECK(file.frames[0].bytes == out);
  CHECK(file.frames[0].original_size == out.size());
  CHECK(file.frames[0].flags == kOutbound);
  CHECK(file.frames[0].timestamp == 1'700'000'000'000'001'500U);
  CHECK(file.frames[1].bytes == in);
  CHECK(file.frames[1].flags == kInbound);
  CHECK(file.frames[1].timestamp == 1'700'003'600'000'001'500U);
  CHECK(recorded.capture->stats().frames == 2);
}

TEST_CASE("the recorded link learns whose pulls it may defer to", "[link]") {
  Recorded recorded;
  recorded.capture->defer_to(&recorded.lab.scheduler);
  CHECK(recorded.below->deferring == &recorded.lab.scheduler);
  recorded.capture->defer_to(nullptr);
  CHECK(recorded.below->deferring == nullptr);
}

TEST_CASE("a frame that the link refuses is not recorded", "[link]") {
  Recorded recorded;
  recorded.below->full = true;
  CHECK_FALSE(recorded.capture->writable());
  const auto sent = recorded.capture->transmit(recorded.lab.packet(tcp_frame("x")));
  REQUIRE_FALSE(sent);
  CHECK(sent.error() == Error::would_block);
  CHECK(recorded.read().frames.empty());
  recorded.below->full = false;
  CHECK(recorded.capture->transmit(recorded.lab.packet(tcp_frame("x"))));
  CHECK(recorded.read().frames.size() == 1);
}

TEST_CASE("frames are cut at the snap length, and say how long they were", "[link]") {
  Recorded recorded{{}, {.snap_length = 61}};
  const Bytes frame = tcp_frame(std::string(200, 'x'));
  REQUIRE(recorded.capture->transmit(recorded.lab.packet(frame)));
  REQUIRE(recorded.capture->transmit(recorded.lab.packet(std::span{frame}.first(60))));
  CHECK(recorded.below->sent.at(0) == frame);
  const auto file = recorded.read();
  CHECK(file.interfaces.at(0).snap_length == 61);
  CHECK(file.frames.at(0).bytes == Bytes{frame.begin(), frame.begin() + 61});
  CHECK(file.frames.at(0).original_size == frame.size());
  CHECK(file.frames.at(1).bytes.size() == 60);
}

TEST_CASE("a super-segment is recorded as the wire carries it, or whole, and reaches the device whole", "[link]") {
  const link::Capabilities offload{.completes_checksums = true, .max_super_segment = 65535};
  const Bytes frame = tcp_frame(std::string(5000, 's'), Tins::TCP::ACK | Tins::TCP::PSH);

  SECTION("split") {
    Recorded recorded{offload};
    REQUIRE(recorded.capture->transmit(super_segment(recorded.lab, frame, 1448)));
    REQUIRE(recorded.below->inject(super_segment(recorded.lab, frame, 1448)));
    CHECK(recorded.below->sent == std::vector<Bytes>{frame});
    CHECK(recorded.below->metas.at(0).gso == GsoKind::tcp4);
    CHECK(recorded.up.frames == std::vector<Bytes>{frame});
    CHECK(recorded.up.metas.at(0).gso == GsoKind::tcp4);
    CHECK(recorded.up.metas.at(0).checksum == ChecksumState::partial);
    const auto file = recorded.read();
    REQUIRE(file.frames.size() == 8);
    std::size_t payload = 0;
    for (const auto& each : file.frames) payload += each.bytes.size() - 54;
    CHECK(payload == 10000);
  }
  SECTION("whole") {
    Recorded recorded{offload, {.keep_super_segments = true}};
    REQUIRE(recorded.capture->transmit(super_segment(recorded.lab, frame, 1448)));
    REQUIRE(recorded.read().frames.size() == 1);
    CHECK(recorded.read().frames[0].bytes.size() == frame.size());
  }
}

TEST_CASE("tshark reads a capture and finds every checksum right", "[link]") {
  const link::Capabilities offload{.completes_checksums = true, .max_super_segment = 65535};
  Recorded recorded{offload, {.epoch = 1'700'000'000s}};
  REQUIRE(recorded.capture->transmit(super_segment(recorded.lab, tcp_frame(std::string(5001, 'o')), 1448)));
  recorded.lab.advance(1ms);
  REQUIRE(recorded.below->inject(super_segment(recorded.lab, tcp_frame(std::string(4000, 'i')), 1000)));

  const auto lines = tshark(recorded.file,
                            "-o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -T fields -e frame.time_epoch "
                            "-e frame.packet_flags_direction -e ip.checksum.status -e tcp.checksum.status -e tcp.len");
  if (!lines) {
    WARN("tshark is not installed: the capture was read by our own reader only");
    return;
  }
  const std::string out = "1700000000.000000000\t0x00000002\t1\t1\t";
  const std::string in = "1700000000.001000000\t0x00000001\t1\t1\t";
  const std::vector<std::string> expected{out + "1448", out + "1448", out + "1448", out + "657",
                                          in + "1000",  in + "1000",  in + "1000",  in + "1000"};
  CHECK(*lines == expected);
}

TEST_CASE("a link that is captured works on when the sink fails", "[link]") {
  Lab lab;
  link::Capture capture{std::make_unique<RecordingLink>(lab.pool), lab.scheduler, std::make_unique<BrokenSink>()};
  CHECK(capture.stats().write_errors == 1);
  CHECK(capture.transmit(lab.packet(tcp_frame("x"))));
  CHECK(capture.stats().write_errors == 2);
  CHECK(capture.stats().write_error == Error::no_buffer_space);
}

TEST_CASE("a file that cannot take what was buffered shows in flush() and the statistics", "[link]") {
  Lab lab;
  auto full = link::Capture::to_file(std::make_unique<RecordingLink>(lab.pool), lab.scheduler, "/dev/full");
  REQUIRE(full);
  CHECK((*full)->stats().write_errors == 0);  // a section header fits into the buffer
  CHECK((*full)->flush().error() == std::errc::no_space_on_device);
  CHECK((*full)->stats().write_errors == 1);
  CHECK((*full)->stats().write_error == std::errc::no_space_on_device);
}

TEST_CASE("a capture into a file", "[link]") {
  Lab lab;
  const Folder folder;
  const auto path = folder.file("capture.pcapng");
  const Bytes frame = tcp_frame(std::string(100, 'f'));
  {
    auto capture = link::Capture::to_file(std::make_unique<RecordingLink>(lab.pool), lab.scheduler, path);
    REQUIRE(capture);
    REQUIRE((*capture)->transmit(lab.packet(frame)));
  }
  std::ifstream stream{path, std::ios::binary};
  const std::string content{std::istreambuf_iterator<char>{stream}, {}};
  const auto file = read_pcapng(std::as_bytes(std::span{content}));
  REQUIRE(file.frames.size() == 1);
  CHECK(file.frames[0].bytes == frame);

  const auto unwritten = folder.file("unwritten.pcapng");
  const auto nothing = link::Capture::to_file(nullptr, lab.scheduler, unwritten);
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error() == Error::invalid_argument);
  CHECK_FALSE(std::filesystem::exists(unwritten));
  const auto refused = link::Capture::to_file(std::make_unique<RecordingLink>(lab.pool), lab.scheduler, "/nonexistent/x.pcapng");
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == std::errc::no_such_file_or_directory);
}

TEST_CASE("a file that cannot be written is reported with the system's reason", "[link]") {
  Lab lab;
  auto capture = link::Capture::to_file(std::make_unique<RecordingLink>(lab.pool), lab.scheduler, "/dev/full");
  REQUIRE(capture);
  CHECK((*capture)->transmit(lab.packet(tcp_frame("x"))));
  CHECK_FALSE((*capture)->stats().write_error);  // it is in the file's buffer
  const auto flushed = (*capture)->flush();
  REQUIRE_FALSE(flushed);
  CHECK(flushed.error() == std::errc::no_space_on_device);
  CHECK((*capture)->stats().write_error == flushed.error());
  CHECK((*capture)->stats().write_errors == 1);
  CHECK((*capture)->transmit(lab.packet(tcp_frame("x"))));
  CHECK((*capture)->stats().frames == 2);

  Recorded good;
  CHECK(good.capture->transmit(good.lab.packet(tcp_frame("x"))));
  CHECK(good.capture->flush());
  CHECK_FALSE(good.capture->stats().write_error);
}

TEST_CASE("a capture and an impairment without a link carry nothing, and say so", "[link]") {
  Lab lab;
  Bytes file;
  link::Capture capture{nullptr, lab.scheduler, std::make_unique<link::MemorySink>(file)};
  CHECK(capture.stats().write_error == Error::invalid_argument);
  CHECK(capture.transmit(lab.packet(tcp_frame("x"))) == fail(Error::no_such_device));
  CHECK_FALSE(capture.writable());
  CHECK(capture.capabilities().mtu == 0);
  CHECK(capture.drain(1) == 0);
  CHECK(link::Capture::to_file(nullptr, lab.scheduler, "/nonexistent/x").error() == Error::invalid_argument);

  link::Capture unrecorded{std::make_unique<RecordingLink>(lab.pool), lab.scheduler, nullptr};
  CHECK(unrecorded.stats().write_error == Error::invalid_argument);
  CHECK(unrecorded.transmit(lab.packet(tcp_frame("x"))));
  CHECK(unrecorded.flush() == fail(Error::invalid_argument));

  link::Impair impaired{nullptr, lab.scheduler, lab.random, {}, {}};
  CHECK_FALSE(impaired.writable());
  CHECK(impaired.transmit(lab.packet(tcp_frame("x"))).error() == Error::message_too_large);
}
