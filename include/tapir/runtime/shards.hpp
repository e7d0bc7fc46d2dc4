#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/link/link.hpp>
#include <tapir/link/steering.hpp>
#include <tapir/link/tap.hpp>
#include <tapir/runtime/runtime.hpp>

namespace tapir {

class Shards;

struct ShardsOptions {
  std::size_t count = 2;               ///< shards, each with a thread; 1 to link::Steering::most_shards
  link::TapOptions tap = {};           ///< of each queue
  RuntimeOptions runtime = {};         ///< of each shard; `random` must be none unless there is one shard
  std::optional<MacAddress> mac = {};  ///< of the host; none: a random locally administered address
};

/// One of the stacks that are a host together, as its thread sees it. Used by that thread.
class Shard {
 public:
  [[nodiscard]] std::size_t index() const noexcept { return index_; }
  [[nodiscard]] Runtime& runtime() noexcept { return runtime_; }
  /// Given once: for the shard's stack, which must go before the shard's function returns.
  [[nodiscard]] std::unique_ptr<link::Link> take_link() noexcept { return std::move(link_); }
  /// The hardware address that all have.
  [[nodiscard]] MacAddress mac() const noexcept;
  /// Local ports for what this shard opens: the answers come to it.
  [[nodiscard]] link::Steering::Ports ports() const noexcept;
  [[nodiscard]] Shards& shards() noexcept { return shards_; }

 private:
  friend class Shards;
  Shard(Shards& shards, std::size_t index, const RuntimeOptions& options) : shards_{shards}, index_{index}, runtime_{options} {}

  Shards& shards_;
  std::size_t index_;
  Runtime runtime_;
  std::unique_ptr<link::Link> link_;
};

/// One host on several threads: each shard has a queue of the TAP device, a Runtime and a stack of its own, with the same addresses, and every
/// conversation stays on one shard (link::Steering says which). They share nothing, so protocol code takes no lock. A frame that reaches another shard
/// than its owner is handed over to it (Runtime::post()); ARP is seen by all and answered by the first, so that all know the neighbours.
///
///     auto shards = tapir::Shards::open("tap0", {.count = 2});
///     if (!shards) return tapir::report("tap0", shards.error());
///     return (*shards)->run([](tapir::Shard& shard) {                       // on each shard's thread
///       tapir::Stack stack{shard.runtime(), shard.take_link(), tapir::of_shard({.address = "192.0.2.2/24"_prefix}, shard)};
///       auto echo = stack.tcp().listen(tapir::Port{7}, serve);
///       return shard.runtime().run();
///     });
///
/// Every shard must offer the same services on ports below link::Steering::first_dynamic: which connection comes to which is not for them to say. A
/// service on a dynamic port is reached on the one shard whose part of the range it is in. posix::Sockets choose from ports of their own:
/// SocketsConfig::first_port and last_port have to be the shard's. Stacks that share nothing do not know each other's IP identifications either: two
/// that fragment for one peer may use the same at once, against RFC 6864 section 4.3.
class Shards {
 public:
  /// Fails as link::Tap::open_queues() does.
  [[nodiscard]] static Result<std::unique_ptr<Shards>> open(const std::string& tap, const ShardsOptions& options = {});
  /// On other links than a TAP device's, one a shard (as many as there are count, whatever the options say): each may bring any frame of the host's.
  Shards(std::vector<std::unique_ptr<link::Link>> links, const ShardsOptions& options);
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;
  /// Not while run() is under way.
  ~Shards();

  /// Calls `main` on every shard's thread, the first one's being the caller's, and waits until all have returned. When one returns the others' runtimes are
  /// stopped. What the first to return gave; 1 when a thread could not be started. Once.
  [[nodiscard]] int run(const std::function<int(Shard&)>& main);
  /// Stops every shard's runtime: run() gives `code`. Any thread.
  void stop(int code = 0);
  /// As Runtime::stop_on_signals(), for all shards. Before run().
  [[nodiscard]] Result<> stop_on_signals(std::initializer_list<int> signals, int code = 0);

  [[nodiscard]] std::size_t count() const noexcept { return shards_.size(); }
  [[nodiscard]] const link::Steering& steering() const noexcept { return steering_; }
  [[nodiscard]] MacAddress mac() const noexcept { return mac_; }
  /// Why the kernel does not put frames into their owner's queue; no error: it does. Without it all is right, and slower: most frames are handed over.
  [[nodiscard]] std::error_code unsteered() const noexcept { return unsteered_; }

 private:
  class Inboxes;
  class SteeredLink;
  struct Outcome;

  Shards(const link::Steering& steering, std::vector<std::unique_ptr<link::Link>> links, const ShardsOptions& options);

  link::Steering steering_;
  MacAddress mac_;
  std::error_code unsteered_;
  std::unique_ptr<Inboxes> inboxes_;  ///< outlive the links, which know them
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<Outcome> outcome_;
};

}  // namespace tapir
