#include <catch2/catch.hpp>

#include "stack_lab.hpp"

using namespace tapir;
using namespace tapir::test;

TEST_CASE("the padding of a short frame never reaches the application", "[stack][RFC894-Frame-5]") {
  StackLab lab;
  auto socket = lab.stack->udp().bind({{}, kOurPort});
  REQUIRE(socket);
  for (const std::size_t frame_size : {42U, 60U, 1514U}) {
    Bytes frame = StackLab::frame("");  // a datagram of 28 bytes
    frame.resize(frame_size, std::byte{0xee});
    REQUIRE(lab.link->inject(frame));
    const auto received = socket->receive();
    REQUIRE(received);
    CHECK(received->payload.size() == 0);
  }
  Bytes frame = StackLab::frame("two");
  frame.resize(60, std::byte{0xee});
  REQUIRE(lab.link->inject(frame));
  CHECK(socket->receive()->payload.bytes() == bytes_of("two"));
}

TEST_CASE("the type of service changes nothing in the frame's header", "[stack][RFC1122-3.2.1.6-3]") {
  StackLab lab;
  std::vector<Bytes> headers;
  for (unsigned tos = 0; tos < 256; tos += 5) {
    auto socket = lab.stack->udp().bind({{}, Port{}}, {.tos = static_cast<std::uint8_t>(tos)});
    REQUIRE(socket);
    REQUIRE(socket->send_to({kPeer, kPeerPort}, bytes_of("x")));
    const auto frames = lab.link->take();
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].at(15) == static_cast<std::byte>(tos));
    headers.emplace_back(frames[0].begin(), frames[0].begin() + 14);
  }
  for (const auto& header : headers) CHECK(header == headers.front());
}
