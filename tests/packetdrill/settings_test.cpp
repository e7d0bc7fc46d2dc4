// How Linux' settings become ours.

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

#include <tools/packetdrill/settings.hpp>

namespace tapir::packetdrill {
namespace {

class Directory {
 public:
  Directory() {
    std::string name = "/tmp/tapir-settings-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { std::filesystem::remove_all(path); }
  void set(const char* file, const std::string& text) const { std::ofstream{path / file} << text << '\n'; }

  std::filesystem::path path;
};

TEST_CASE("the flags name the address and where the settings are", "[packetdrill]") {
  const Flags none = Flags::parse("");
  REQUIRE(none.address);
  CHECK(*none.address == *Ipv4Prefix::parse("192.168.0.1/16"));
  CHECK(none.settings == "/proc/sys/net/ipv4");
  CHECK(none.unknown.empty());

  const Flags some = Flags::parse("address=10.0.0.1/8,settings=/a/b,queue=/c");
  REQUIRE(some.address);
  CHECK(*some.address == *Ipv4Prefix::parse("10.0.0.1/8"));
  CHECK(some.settings == "/a/b");
  CHECK(some.queue == "/c");

  CHECK_FALSE(Flags::parse("address=10.0.0").address);
  CHECK(Flags::parse("settings=/a,colour=red").unknown == "colour=red");
}

TEST_CASE("a setting is read anew each time, and one that is not there leaves the default", "[packetdrill]") {
  const Directory directory;
  Settings settings{Flags::parse("settings=" + directory.path.string())};
  CHECK(settings.tcp().send_buffer == tcp::Config{}.send_buffer);
  directory.set("tcp_wmem", "4096 50000 4194304");
  CHECK(settings.tcp().send_buffer == tcp::Config{}.send_buffer);
  settings.read();
  CHECK(settings.tcp().send_buffer == 50000);
  directory.set("tcp_wmem", "no numbers");
  settings.read();
  CHECK(settings.tcp().send_buffer == tcp::Config{}.send_buffer);
}

TEST_CASE("the device's queue is as long as its queue discipline says", "[packetdrill]") {
  const Directory directory;
  Settings settings{Flags::parse("queue=" + (directory.path / "queue").string())};
  CHECK_FALSE(settings.queue_limit());
  directory.set("queue", "pfifo limit 0");
  settings.read();
  CHECK(settings.queue_limit() == 0U);
  directory.set("queue", "pfifo");
  settings.read();
  CHECK_FALSE(settings.queue_limit());
}

TEST_CASE("a number among the flags is one", "[packetdrill]") {
  CHECK(Flags::parse("segment=1000,counters=/c").segment == 1000);
  CHECK(Flags::parse("segment=1000,counters=/c").counters == "/c");
  CHECK(Flags::parse("segment=many").unknown == "segment=many");
  CHECK(Flags::parse("segment=70000").unknown == "segment=70000");
}

}  // namespace
}  // namespace tapir::packetdrill
