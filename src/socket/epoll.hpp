#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "file.hpp"

namespace tapir::posix::detail {

/// man 7 epoll. Entries that may be ready stand in a list, in the order in which that happened; what they are is looked up when somebody waits.
class Epoll final : public File {
 public:
  explicit Epoll(Environment& environment) noexcept : File{environment} {}
  ~Epoll() override;

  [[nodiscard]] Epoll* as_epoll() noexcept override { return this; }
  [[nodiscard]] std::uint32_t readiness() const override;
  void close() override;

  /// EEXIST, EINVAL, ELOOP.
  [[nodiscard]] Result<> add(int descriptor, File& file, const epoll_event& event);
  /// ENOENT, EINVAL.
  [[nodiscard]] Result<> modify(int descriptor, const epoll_event& event);
  /// ENOENT.
  [[nodiscard]] Result<> remove(int descriptor);
  /// Takes what is ready now. Returns how many.
  [[nodiscard]] std::size_t collect(std::span<epoll_event> into);
  /// Whether collect() would find something.
  [[nodiscard]] bool has_ready() const { return readiness() != 0; }

 private:
  /// One file that is watched. What happens to the file finds it without a search.
  struct Entry final : Watcher {
    Entry(Epoll& holder, int number, File& watched, const epoll_event& wanted)
        : epoll{holder}, descriptor{number}, file{watched}, event{wanted} {
      file.watch(*this);
    }
    ~Entry() override { file.unwatch(*this); }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    void happened(std::uint32_t events) override { epoll.happened(*this, events); }
    void dismissed() override { (void)epoll.remove(descriptor); }
    /// What of the events that are waited for is the case.
    [[nodiscard]] std::uint32_t ready() const { return file.readiness() & event.events; }

    Epoll& epoll;
    int descriptor;
    File& file;
    epoll_event event;
    std::optional<std::list<Entry*>::iterator> place{};  ///< in ready_
  };

  void happened(Entry& entry, std::uint32_t events);
  void list(Entry& entry);
  /// How deep epolls are nested below this one; more than kDeepest is a loop, or as good as one.
  [[nodiscard]] int depth(int budget) const;
  [[nodiscard]] bool contains(const File& file, int budget) const;

  std::map<int, Entry> entries_;
  std::list<Entry*> ready_;
};

}  // namespace tapir::posix::detail
