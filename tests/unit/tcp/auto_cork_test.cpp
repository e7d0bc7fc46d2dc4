#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "wire.hpp"

// Small writes behind what the device has not sent yet, as Linux' tcp_autocorking has it.
using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

namespace {
/// A connection without Nagle's algorithm that has sent one small segment, which the device still holds for 10 ms.
struct Busy : Conversation {
  explicit Busy(bool auto_cork, tcp::Settings settings = {.nagle = false}, bool queued = true)
      : Conversation{{.config = {.auto_cork = auto_cork}, .settings = std::move(settings)}} {
    if (queued) network.busy_until = lab.scheduler.now() + 10ms;
    write("a");
    REQUIRE(texts() == std::vector<std::string>{"a"});
  }
  std::vector<std::string> texts() {
    std::vector<std::string> all;
    for (const auto& heard : peer.hear()) {
      if (!heard.payload.empty()) all.push_back(text_of(heard.payload));
    }
    return all;
  }
  /// Writes three times within 6 ms; what leaves in that time, and what behind it.
  std::pair<std::vector<std::string>, std::vector<std::string>> talk() {
    std::vector<std::string> at_once;
    for (const char* text : {"b", "c", "d"}) {
      advance(2ms);
      write(text);
      for (auto& heard : texts()) at_once.push_back(std::move(heard));
    }
    advance(4ms);
    return {at_once, texts()};
  }
};
using Texts = std::vector<std::string>;
}  // namespace

TEST_CASE("small writes wait for the device, and leave as one", "[tcp][autocork]") {
  CHECK(tcp::Config{}.auto_cork);
  Busy busy{true};
  const auto [at_once, later] = busy.talk();
  CHECK(at_once.empty());
  CHECK(later == Texts{"bcd"});
  CHECK(busy.peer.drain().empty());  // nothing is left behind
}

TEST_CASE("without auto-corking each leaves at once", "[tcp][autocork]") {
  Busy busy{false};
  const auto [at_once, later] = busy.talk();
  CHECK(at_once == Texts{"b", "c", "d"});
  CHECK(later.empty());
}

TEST_CASE("nothing is held when the device holds nothing", "[tcp][autocork]") {
  SECTION("from the start") {
    Busy idle{true, {.nagle = false}, false};
    const auto [at_once, later] = idle.talk();
    CHECK(at_once == Texts{"b", "c", "d"});
  }
  SECTION("any more") {
    Busy busy{true};
    busy.network.busy_until.reset();
    busy.advance(10ms);
    const auto [at_once, later] = busy.talk();
    CHECK(at_once == Texts{"b", "c", "d"});
  }
}

TEST_CASE("nothing is held when nothing is outstanding", "[tcp][autocork]") {
  Busy busy{true};
  busy.peer.acknowledge();
  busy.write("b");
  CHECK(busy.texts() == Texts{"b"});
}

TEST_CASE("full segments do not wait, what is left behind them does", "[tcp][autocork]") {
  Busy busy{true};
  const std::string text = stream(2 * 1460 + 100);
  busy.write(text);
  CHECK(busy.texts() == Texts{text.substr(0, 1460), text.substr(1460, 1460)});
  busy.write("more");
  CHECK(busy.texts().empty());
  busy.advance(10ms);
  CHECK(busy.texts() == Texts{text.substr(2 * 1460) + "more"});
}

TEST_CASE("a full segment that small writes make up leaves", "[tcp][autocork]") {
  Busy busy{true};
  const std::string text = stream(1460);
  for (std::size_t i = 0; i < 1460; i += 146) busy.write(text.substr(i, 146));
  CHECK(busy.texts() == Texts{text});
}

TEST_CASE("the end of the stream does not wait", "[tcp][autocork]") {
  Busy busy{true};
  busy.write("b");
  CHECK(busy.texts().empty());
  REQUIRE(busy.connection.shutdown());
  const auto last = busy.peer.hear_one();
  CHECK(text_of(last.payload) == "b");
  CHECK(last.has(Flags::fin));
}

TEST_CASE("what the user lets go, and what ends a record, does not wait", "[tcp][autocork]") {
  Busy busy{true};
  busy.write("b");
  CHECK(busy.texts().empty());
  busy.connection.push();
  CHECK(busy.texts() == Texts{"b"});
}

TEST_CASE("what waits for the device waits for no more than that", "[tcp][autocork]") {
  Busy busy{true};
  busy.write("b");
  busy.network.busy_until = busy.lab.scheduler.now() + 1h;  // others keep it busy
  CHECK(busy.texts().empty());
  busy.advance(10ms);
  CHECK(busy.texts() == Texts{"b"});
}

TEST_CASE("Nagle's algorithm holds back longer", "[tcp][autocork]") {
  Busy busy{true, {}};
  busy.write("b");
  busy.advance(10ms);
  CHECK(busy.texts().empty());
  busy.peer.acknowledge();
  CHECK(busy.texts() == Texts{"b"});
}

TEST_CASE("auto-corking is switched while the stack runs", "[tcp][autocork]") {
  Busy busy{true};
  busy.write("b");
  CHECK(busy.texts().empty());
  auto config = busy.tcp.config();
  config.auto_cork = false;
  busy.tcp.set_config(config);
  busy.write("c");
  CHECK(busy.texts() == Texts{"bc"});
  config.auto_cork = true;
  busy.tcp.set_config(config);
  busy.write("d");
  CHECK(busy.texts().empty());  // the device is still at it
  busy.advance(10ms);
  CHECK(busy.texts() == Texts{"d"});
}
