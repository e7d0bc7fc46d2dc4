#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <sys/socket.h>

#include <tapir/runtime/host_socket.hpp>

namespace tapir {

/// An address to connect to, as the kernel wants it.
struct HostSocket::Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

/// A name that is being looked up on a thread of its own. The thread cannot be called back: one that is not wanted any more ends by itself.
struct HostSocket::Lookup {
  std::mutex mutex;
  Runtime* runtime;    ///< nullptr: nobody waits; guarded by the mutex
  HostSocket* socket;  ///< nullptr likewise; the loop's thread alone

  Lookup(Runtime& where, HostSocket& who) : runtime{&where}, socket{&who} {}
  void cancel() {
    const std::lock_guard lock{mutex};
    runtime = nullptr;
    socket = nullptr;
  }
  /// Starts the thread; on_resolved() follows. The system's error without a thread.
  [[nodiscard]] static Result<std::shared_ptr<Lookup>> start(Runtime& runtime, HostSocket& socket, std::string host, Port port);
  /// The addresses of a host that is given by its address, without asking anybody; of a name: none.
  [[nodiscard]] static std::vector<Address> numeric(const std::string& host, Port port);

 private:
  /// Calls getaddrinfo, which may block; adds the addresses in the order of preference.
  [[nodiscard]] static std::error_code ask(const std::string& host, Port port, int flags, std::vector<Address>& addresses);
};

}  // namespace tapir
