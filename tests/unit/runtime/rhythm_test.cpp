#include <catch2/catch.hpp>

#include <vector>

#include <rhythm.hpp>

using tapir::Rhythm;

namespace {
/// How many of the answers, given over and over again for `times`, were not expected.
int surprises(Rhythm& rhythm, const std::vector<bool>& answers, int times) {
  int count = 0;
  for (int i = 0; i < times; ++i) {
    for (const bool answer : answers) {
      count += static_cast<int>(rhythm.expects_yes() != answer);
      rhythm.learn(answer);
    }
  }
  return count;
}
}  // namespace

TEST_CASE("a rhythm is known after a few rounds", "[runtime]") {
  const std::vector<bool> answers = GENERATE(values<std::vector<bool>>({{true},
                                                                        {false},
                                                                        {true, false},
                                                                        {true, true, false},
                                                                        {false, true, true, false, true},
                                                                        {true, false, false, false, true, true, false}}));
  Rhythm rhythm;
  CHECK(surprises(rhythm, answers, 20) <= 20);
  CHECK(surprises(rhythm, answers, 20) == 0);
}

TEST_CASE("another rhythm takes the place of one that was known", "[runtime]") {
  Rhythm rhythm;
  surprises(rhythm, {true}, 1000);
  CHECK(surprises(rhythm, {true, false, false}, 1000) <= 20);
  CHECK(surprises(rhythm, {true}, 1000) <= 20);
}

TEST_CASE("what is now and then another answer is not expected to be", "[runtime]") {
  Rhythm rhythm;
  std::vector<bool> answers(40, true);
  answers.push_back(false);
  surprises(rhythm, answers, 10);
  CHECK(surprises(rhythm, answers, 10) == 10);  // once a round: nothing in the answers before tells of it
}
