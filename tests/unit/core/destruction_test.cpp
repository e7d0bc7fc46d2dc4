#include <catch2/catch.hpp>

#include <memory>

#include <tapir/core/destruction.hpp>

using namespace tapir;

TEST_CASE("every watch learns of the destruction, and only of its own object's", "[core]") {
  auto first = std::make_unique<Destruction>();
  Destruction second;
  const Destruction::Watch outer{*first};
  const Destruction::Watch other{second};
  {
    const Destruction::Watch over{*first};
    CHECK_FALSE(over.destroyed());
  }
  const Destruction::Watch inner{*first};
  CHECK_FALSE(outer.destroyed());
  CHECK_FALSE(inner.destroyed());
  first.reset();
  CHECK(outer.destroyed());
  CHECK(inner.destroyed());
  CHECK_FALSE(other.destroyed());
}
