#include <catch2/catch.hpp>

#include <chrono>
#include <csignal>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tapir/runtime/file_store.hpp>

#include "support/folder.hpp"

using namespace tapir;
using tapir::test::Folder;

namespace {

std::vector<std::byte> bytes(std::size_t size, int value) { return std::vector<std::byte>(size, static_cast<std::byte>(value)); }

}  // namespace

TEST_CASE("a file store holds what was saved last, also for the next process", "[runtime]") {
  const Folder folder;
  const auto file = folder.file("session");
  FileStore store{file};
  CHECK(*store.load() == std::nullopt);
  REQUIRE(store.save(bytes(100'000, 1)));
  REQUIRE(store.save(bytes(3, 2)));
  CHECK(*FileStore{file}.load() == bytes(3, 2));
  REQUIRE(store.save({}));
  CHECK(*store.load() == bytes(0, 0));
}

TEST_CASE("a file store names what the system refuses", "[runtime]") {
  const Folder folder;
  FileStore nowhere{folder.file("missing/session")};
  CHECK(nowhere.save(bytes(1, 1)).error() == std::errc::no_such_file_or_directory);
  FileStore folder_itself{folder.path()};
  CHECK(folder_itself.load().error() == std::errc::is_a_directory);
}

TEST_CASE("a file store knows how old its content is, also a later process's", "[runtime]") {
  using namespace std::chrono_literals;
  const Folder folder;
  const auto file = folder.file("session");
  CHECK(FileStore{file}.age() == Duration::zero());  // nothing is there
  REQUIRE(FileStore{file}.save(bytes(3, 2)));
  const auto age_when_written = [&](std::chrono::seconds since_1970) {
    const timespec then{.tv_sec = since_1970.count(), .tv_nsec = 0};
    const timespec times[]{then, then};
    REQUIRE(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
    return FileStore{file}.age();
  };
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  const auto day = age_when_written(now - 24h);
  CHECK(day >= 24h);
  CHECK(day < 48h);
  CHECK(age_when_written(now + 24h) == Duration::zero());  // the host's clock was set back
}

TEST_CASE("a process that is killed while it saves leaves the old content or the new one, never a mixture", "[runtime]") {
  const Folder folder;
  const auto file = folder.file("session");
  REQUIRE(FileStore{file}.save(bytes(200'000, 0)));
  for (int round = 0; round < 10; ++round) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      FileStore store{file};
      for (int i = 1;; ++i) {
        if (!store.save(bytes(200'000, i % 256))) ::_exit(1);
      }
    }
    ::usleep(static_cast<useconds_t>(500 + round * 2'700));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));  // it was saving until then
    const auto content = *FileStore{file}.load();
    REQUIRE(content);
    REQUIRE(content->size() == 200'000);
    CHECK(*content == std::vector<std::byte>(200'000, content->front()));
  }
}
