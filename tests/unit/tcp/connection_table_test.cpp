#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <set>

#include <tcp/connection_table.hpp>

using namespace tapir;
using namespace tapir::tcp;

namespace {

FourTuple tuple_of(std::uint32_t number) {
  return {.local = {Ipv4Address{0xc0000202}, Port{static_cast<std::uint16_t>(1 + number % 7)}},
          .remote = {Ipv4Address{0xc6336400 + number / 1000}, Port{static_cast<std::uint16_t>(1024 + number % 1000)}}};
}

struct One {
  explicit One(std::uint32_t n) : number{n} {}
  One(const One&) = delete;
  One& operator=(const One&) = delete;
  ~One() {
    if (at_end) at_end();
  }
  [[nodiscard]] FourTuple tuple() const { return tuple_of(number); }
  std::uint32_t number;
  std::function<void()> at_end;
};

using Table = ConnectionTable<One>;
const FourTupleHash kHash{SipKey{.k0 = 1, .k1 = 2}};

}  // namespace

TEST_CASE("the connection table finds what is in it, and nothing else", "[tcp]") {
  Table table{kHash};
  CHECK(table.find(tuple_of(1)) == nullptr);
  CHECK_FALSE(table.contains(tuple_of(1)));
  table.erase(tuple_of(1));  // there is nothing
  table.insert(std::make_shared<One>(1));
  REQUIRE(table.find(tuple_of(1)) != nullptr);
  CHECK(table.find(tuple_of(1))->number == 1);
  CHECK(table.find(tuple_of(2)) == nullptr);
  FourTuple reversed = tuple_of(1);
  std::swap(reversed.local, reversed.remote);
  CHECK_FALSE(table.contains(reversed));
  table.erase(tuple_of(2));
  CHECK(table.size() == 1);
  table.erase(tuple_of(1));
  CHECK(table.size() == 0);
  CHECK(table.find(tuple_of(1)) == nullptr);
}

TEST_CASE("the connection table behaves like a map while connections come and go", "[tcp]") {
  std::minstd_rand numbers{GENERATE(1U, 2U, 3U)};
  Table table{kHash};
  std::set<std::uint32_t> model;
  // It grows, shrinks, and grows again.
  for (const std::size_t most : {3000U, 20U, 500U}) {
    for (int step = 0; step < 20'000; ++step) {
      const auto number = static_cast<std::uint32_t>(numbers() % 4000);
      const bool wanted = model.size() < most;
      if (model.contains(number)) {
        CHECK(table.find(tuple_of(number))->number == number);
        if (!wanted || numbers() % 4 == 0) {
          table.erase(tuple_of(number));
          model.erase(number);
        }
      } else {
        if (table.find(tuple_of(number)) != nullptr) FAIL("found what was removed: " << number);
        if (wanted) {
          table.insert(std::make_shared<One>(number));
          model.insert(number);
        }
      }
      if (table.size() != model.size()) FAIL("size");
    }
    for (const std::uint32_t number : model) CHECK(table.contains(tuple_of(number)));
    std::set<std::uint32_t> visited;
    table.for_each([&](const One& one) { CHECK(visited.insert(one.number).second); });
    CHECK(visited == model);
  }
}

TEST_CASE("a connection that ends by leaving the table may ask it", "[tcp]") {
  Table table{kHash};
  for (std::uint32_t i = 0; i < 100; ++i) table.insert(std::make_shared<One>(i));
  std::size_t seen = 0;
  table.find(tuple_of(50))->at_end = [&] {
    seen = table.size();
    CHECK_FALSE(table.contains(tuple_of(50)));
    for (std::uint32_t i = 0; i < 100; ++i) CHECK(table.contains(tuple_of(i)) == (i != 50));
  };
  table.erase(tuple_of(50));
  CHECK(seen == 99);
}
