#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <support/lab.hpp>
#include <tapir/link/descriptor.hpp>
#include <tapir/link/frame_writer.hpp>

using namespace tapir;
using namespace tapir::test;
using link::Descriptor;
using link::FrameWriter;

namespace {

using Frames = std::vector<Bytes>;

constexpr std::size_t kHeader = 2;  // the device's own, in bytes

/// A "device" that holds a few frames: one end of a pair of sockets that keep the borders of what is written.
struct Device {
  Device() { writer.defer_to(&lab.scheduler); }
  [[nodiscard]] static std::array<int, 2> pair() {
    std::array<int, 2> made{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, made.data()) == 0);
    return made;
  }
  [[nodiscard]] Result<> write(const Bytes& frame) { return writer.write(lab.packet(frame)); }
  /// Takes what has left, oldest first.
  [[nodiscard]] Frames take() const {
    Frames frames;
    Bytes frame(70000);
    for (;;) {
      const auto size = ::recv(theirs.get(), frame.data(), frame.size(), MSG_DONTWAIT);
      if (size < 0) return frames;
      frames.emplace_back(frame.begin(), frame.begin() + size);
    }
  }
  /// How many frames of `frame` it takes until it is full.
  std::size_t fill(const Bytes& frame) {
    for (std::size_t count = 0;; ++count) {
      if (!write(frame)) return count;
    }
  }

  Lab lab;
  std::array<int, 2> ends = pair();
  Descriptor ours{ends[0]}, theirs{ends[1]};
  FrameWriter writer{ours.get(), kHeader};
};

/// What a connection's pull is, as far as a link is concerned.
struct Sender final : ReadySource {
  Sender(Scheduler& scheduler, std::function<void()> send) : scheduler{scheduler}, send{std::move(send)} { scheduler.make_ready(*this); }
  Pulled pull() override {
    const Scheduler::Deferral deferral{scheduler};
    send();
    return Pulled::drained;
  }
  Scheduler& scheduler;
  std::function<void()> send;
};

/// Has `send` run in a pull that defers.
void in_a_pull(Scheduler& scheduler, std::function<void()> send) {
  Sender sender{scheduler, std::move(send)};
  REQUIRE_FALSE(scheduler.run_ready());
}

const Bytes kFirst = hex("0000 01020304"), kSecond = hex("0000 0506");

}  // namespace

TEST_CASE("a frame leaves at once, outside of a pull that defers", "[link]") {
  Device device;
  REQUIRE(device.write(kFirst));
  CHECK(device.take() == Frames{kFirst});
  CHECK(device.writer.stats().frames == 1);
  CHECK(device.writer.stats().calls == 1);
  CHECK(device.writer.stats().bytes == kFirst.size() - kHeader);
  SECTION("and in one, when it is not to be kept") {
    device.writer.defer_to(nullptr);
    in_a_pull(device.lab.scheduler, [&] {
      REQUIRE(device.write(kSecond));
      CHECK(device.take() == Frames{kSecond});
    });
  }
}

TEST_CASE("a frame that is sent in a pull leaves when it is over", "[link]") {
  Device device;
  in_a_pull(device.lab.scheduler, [&] {
    REQUIRE(device.write(kFirst));
    CHECK(device.take().empty());
    CHECK(device.writer.stats().calls == 0);
  });
  CHECK(device.take() == Frames{kFirst});
  CHECK(device.writer.stats().frames == 1);
  CHECK(device.writer.stats().bytes == kFirst.size() - kHeader);
  in_a_pull(device.lab.scheduler, [&] { REQUIRE(device.write(kSecond)); });
  CHECK(device.take() == Frames{kSecond});
}

TEST_CASE("frames keep their order, whichever of them are kept", "[link]") {
  Device device;
  Bytes pieces = hex("0000 0708");
  in_a_pull(device.lab.scheduler, [&] {
    REQUIRE(device.write(kFirst));
    REQUIRE(device.write(kSecond));
    CHECK(device.take() == Frames{kFirst});  // there is room for one
    Packet packet = device.lab.packet(pieces);
    packet.append(device.lab.packet(kFirst));
    pieces.insert(pieces.end(), kFirst.begin(), kFirst.end());
    REQUIRE(device.writer.write(packet));
    CHECK(device.take() == Frames{kSecond, pieces});  // nothing of several pieces is kept
  });
  CHECK(device.take().empty());
  CHECK(device.writer.stats().calls == 3);
}

TEST_CASE("a frame of more pieces than one call takes is sent whole", "[link]") {
  Device device;
  Packet packet = device.lab.packet(hex("0000"));
  Bytes whole = hex("0000");
  for (unsigned i = 0; i < 100; ++i) {
    const Bytes piece(3, std::byte{static_cast<unsigned char>(i)});
    packet.append(device.lab.packet(piece));
    whole.insert(whole.end(), piece.begin(), piece.end());
  }
  REQUIRE(device.writer.write(packet));
  CHECK(device.take() == Frames{whole});
}

TEST_CASE("what a full device has no room for is refused, and counts as no error", "[link]") {
  Device device;
  const Bytes large(60000);
  const std::size_t taken = device.fill(large);
  CHECK_FALSE(device.writer.writable());
  CHECK(device.write(large).error() == Error::would_block);
  CHECK(device.writer.stats().errors == 0);
  CHECK(device.take().size() == taken);
  device.writer.set_writable();
  CHECK(device.writer.writable());
  CHECK(device.write(kFirst));
}

TEST_CASE("a frame that was taken waits for a full device, and goes first", "[link]") {
  Device device;
  const std::size_t taken = device.fill(Bytes(60000));
  device.writer.set_writable();  // as far as it knows
  in_a_pull(device.lab.scheduler, [&] { REQUIRE(device.write(kFirst)); });
  CHECK_FALSE(device.writer.writable());
  CHECK(device.write(kSecond).error() == Error::would_block);
  CHECK(device.take().size() == taken);
  SECTION("once it is told of room") {
    device.writer.set_writable();
    CHECK(device.writer.writable());
    CHECK(device.take() == Frames{kFirst});
  }
  SECTION("or finds some") {
    REQUIRE(device.write(kSecond));
    CHECK(device.take() == Frames{kFirst, kSecond});
  }
  SECTION("also when the writer is moved") {
    FrameWriter moved{std::move(device.writer)};
    FrameWriter again{device.ours.get(), kHeader};
    again = std::move(moved);
    CHECK_FALSE(again.writable());
    again.set_writable();
    CHECK(device.take() == Frames{kFirst});
    CHECK(again.stats().frames == taken + 1);
  }
}

TEST_CASE("what the device refuses for another reason is lost, and counted", "[link]") {
  Device device;
  const Descriptor nothing{::open("/dev/null", O_RDONLY | O_CLOEXEC)};  // it cannot be written
  FrameWriter writer{nothing.get(), kHeader};
  writer.defer_to(&device.lab.scheduler);
  in_a_pull(device.lab.scheduler, [&] { REQUIRE(writer.write(device.lab.packet(kFirst))); });
  CHECK(writer.stats().errors == 1);
  CHECK(writer.stats().frames == 0);
  CHECK(writer.writable());
  SECTION("who sends the next one hears of it") {
    in_a_pull(device.lab.scheduler, [&] {
      const auto sent = writer.write(device.lab.packet(kFirst));
      REQUIRE_FALSE(sent);
      CHECK(sent.error() == std::errc::bad_file_descriptor);
    });
    CHECK(writer.stats().errors == 2);
  }
  SECTION("frames are kept again when one was taken") {
    REQUIRE(::dup2(device.ours.get(), nothing.get()) == nothing.get());
    in_a_pull(device.lab.scheduler, [&] {
      REQUIRE(writer.write(device.lab.packet(kFirst)));
      CHECK(device.take() == Frames{kFirst});
      REQUIRE(writer.write(device.lab.packet(kSecond)));
      CHECK(device.take().empty());
    });
    CHECK(device.take() == Frames{kSecond});
  }
}

TEST_CASE("an empty frame is no frame", "[link]") {
  Device device;
  FrameWriter bare{device.ours.get(), 0};
  bare.defer_to(&device.lab.scheduler);
  in_a_pull(device.lab.scheduler, [&] { REQUIRE(bare.write(device.lab.packet(kFirst))); });
  in_a_pull(device.lab.scheduler, [&] { (void)bare.write(device.lab.packet({})); });  // the device says what it thinks of that
  CHECK(bare.stats().bytes == kFirst.size());                                         // the frame before has not left again
  const Frames left = device.take();
  REQUIRE_FALSE(left.empty());
  CHECK(left.front() == kFirst);
  CHECK(std::ranges::count(left, kFirst) == 1);
}

TEST_CASE("a writer that is moved from has no device, and one that goes leaves nothing to run", "[link]") {
  Device device;
  in_a_pull(device.lab.scheduler, [&] {
    FrameWriter brief{device.ours.get(), kHeader};
    brief.defer_to(&device.lab.scheduler);
    REQUIRE(brief.write(device.lab.packet(kFirst)));
  });
  CHECK(device.take().empty());
  const FrameWriter moved{std::move(device.writer)};
  CHECK(device.write(kFirst).error() == std::errc::bad_file_descriptor);
}
