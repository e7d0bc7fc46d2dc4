// How often a body is run, and what has to be the same.
#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "same_as_linux.hpp"

namespace tapir::test {

namespace {

using Lines = std::vector<std::string>;

Lines lines_of(const Body& body, std::unique_ptr<Calls> calls, Setting setting) {
  Transcript transcript{*calls, setting};
  body(transcript);
  return transcript.lines();
}

/// What the kernel says of a body. A timer of its own (a delayed acknowledgment, a retransmission) may come before or behind a call where the machine is slow, so that a few bodies
/// have more than one outcome there. Only a body that has been seen to is run again in search of another: a difference from a kernel that says the same twice is one of ours.
/// Ours is never run again for a better outcome.
class KernelOutcomes {
 public:
  KernelOutcomes(const Body& body, Setting setting) : body_{body}, setting_{setting}, all_{run()} {}

  /// The outcome that is the same as `ours`, else the first.
  const Lines& like(const Lines& ours) {
    while (!contains(ours) && varies() && runs_ < kMostRuns) add(run());
    const auto same = std::ranges::find(all_, ours);
    return same == all_.end() ? all_.front() : *same;
  }

 private:
  static constexpr int kMostRuns = 10;

  Lines run() {
    ++runs_;
    return lines_of(body_, kernel_calls(setting_), setting_);
  }
  void add(Lines lines) {
    if (!contains(lines)) all_.push_back(std::move(lines));
  }
  [[nodiscard]] bool contains(const Lines& lines) const { return std::ranges::find(all_, lines) != all_.end(); }
  [[nodiscard]] bool varies() {
    if (runs_ == 1) add(run());
    return all_.size() > 1;
  }

  const Body& body_;
  Setting setting_;
  int runs_ = 0;
  std::deque<Lines> all_;  ///< no two are the same
};

/// Line by line: the first difference says what went another way, the rest follows from it.
void compare(const std::vector<std::string>& theirs, const std::vector<std::string>& ours) {
  REQUIRE(theirs.size() > 1);
  constexpr std::size_t kShown = 6;
  std::deque<std::string> before;
  for (std::size_t i = 0; i < std::max(theirs.size(), ours.size()); ++i) {
    INFO("line " << i << ", behind:" << fmt::format("{}", fmt::join(before, "")));
    REQUIRE(i < theirs.size());
    REQUIRE(i < ours.size());
    REQUIRE(ours[i] == theirs[i]);
    before.push_back("\n    " + theirs[i]);
    if (before.size() > kShown) before.pop_front();
  }
}

}  // namespace

void same_as_linux(const Body& body) {
  for (const Setting setting : {Setting::one_host, Setting::two_hosts}) same_as_linux_on(setting, body);
}

void same_as_linux_on(Setting setting, const Body& body) {
  INFO((setting == Setting::one_host ? "on one host" : "on two hosts"));
  const Lines ours = lines_of(body, own_calls(setting), setting);
  {
    INFO("posix::Sockets, a second time");  // in virtual time nothing may come out otherwise
    compare(ours, lines_of(body, own_calls(setting), setting));
  }
  KernelOutcomes theirs{body, setting};
  {
    INFO("posix::Sockets");
    compare(theirs.like(ours), ours);
  }
  INFO("posix::Service");
  const Lines service = lines_of(body, service_calls(setting), setting);
  compare(theirs.like(service), service);
}

void same_as_linux_in_threads(const Body& body) {
  for (const Setting setting : {Setting::one_host, Setting::two_hosts}) {
    INFO((setting == Setting::one_host ? "on one host" : "on two hosts"));
    const Lines service = lines_of(body, service_calls(setting), setting);
    compare(KernelOutcomes{body, setting}.like(service), service);
  }
}

}  // namespace tapir::test
