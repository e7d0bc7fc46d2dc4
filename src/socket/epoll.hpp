#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>

#include "file.hpp"

namespace tapir::posix::detail {

/// man 7 epoll. Entries that may be ready stand in a list, in the order in which that happened; what they are is looked up when somebody waits.
class Epoll final : public File, private Watcher {
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
  /// The descriptor is being closed.
  void forget(int descriptor) { (void)remove(descriptor); }

  /// Takes what is ready now. Returns how many.
  [[nodiscard]] std::size_t collect(std::span<epoll_event> into);
  /// Whether collect() would find something.
  [[nodiscard]] bool has_ready() const { return readiness() != 0; }

 private:
  struct Entry {
    File* file = nullptr;
    epoll_event event{};
    bool listed = false;     ///< in ready_
    bool exclusive = false;  ///< EPOLLEXCLUSIVE: cannot be modified
  };

  void happened(File& file, std::uint32_t events) override;
  void list(int descriptor, Entry& entry);
  /// How deep epolls are nested below this one; more than kDeepest is a loop, or as good as one.
  [[nodiscard]] int depth(int budget) const;
  [[nodiscard]] bool contains(const File& file, int budget) const;

  std::map<int, Entry> entries_;
  std::list<int> ready_;
};

}  // namespace tapir::posix::detail
