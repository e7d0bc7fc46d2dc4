#include <catch2/catch.hpp>

#include "tcp/ecn.hpp"
#include "tcp/header.hpp"

using namespace tapir;
using tcp::Ecn;
using tcp::EcnMode;
using tcp::Flags;
using tcp::SeqNum;

TEST_CASE("a reduction long ago does not make echoes old again", "[tcp][ecn]") {
  Ecn ecn{EcnMode::passive};
  ecn.on_syn(Ecn::kSetup);
  SeqNum ack{1000};
  CHECK(ecn.on_ack(Flags::ece, ack));
  ecn.on_echo_answered(ack + 500U);
  CHECK_FALSE(ecn.on_ack(Flags::ece, ack + 500U));  // the same window
  // Three gigabytes go by without a mark; the number of the reduction lies ahead then.
  for (int i = 0; i < 300; ++i) {
    ack += 10'000'000U;
    CHECK_FALSE(ecn.on_ack(Flags::ack, ack));
  }
  CHECK_FALSE(ecn.answering());
  CHECK(ecn.on_ack(Flags::ece, ack));
}
