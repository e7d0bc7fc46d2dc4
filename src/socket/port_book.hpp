#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include <tapir/core/addresses.hpp>
#include <tapir/core/error.hpp>
#include <tapir/core/random.hpp>

namespace tapir::posix::detail {

class PortBook;

/// With whom a socket shares its port (man 7 socket).
struct Sharing {
  bool address = false;  ///< SO_REUSEADDR: with others that say so, unless they listen
  bool port = false;     ///< SO_REUSEPORT: with others that say so, listeners too

  [[nodiscard]] bool any() const noexcept { return address || port; }
};

/// A local endpoint that a socket holds. Destroying it gives it back.
class Claim {
 public:
  Claim(PortBook& book, const Endpoint& local, Sharing with) noexcept;
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim();

  [[nodiscard]] const Endpoint& local() const noexcept { return local_; }
  Sharing sharing;
  bool listening = false;

 private:
  PortBook& book_;
  Endpoint local_;
};

/// Who holds which local port, with the rules of bind() (man 7 socket, SO_REUSEADDR).
class PortBook {
 public:
  /// Chooses from these ports, both included.
  PortBook(Port first, Port last) noexcept : first_{first}, last_{last} {}

  /// Ports that somebody else than this book's claims uses at an address.
  using Busy = std::function<bool(const Endpoint& local, Sharing sharing)>;

  /// Claims `wanted`; port 0: a free one at random. EADDRINUSE when it conflicts with another claim or with what `busy` knows.
  [[nodiscard]] Result<std::unique_ptr<Claim>> claim(const Endpoint& wanted, Sharing sharing, Random& random, const Busy& busy);
  /// A claim that may share: of an accepted connection, or of one whose port the stack has chosen.
  [[nodiscard]] std::unique_ptr<Claim> join(const Endpoint& local, Sharing sharing) {
    return std::make_unique<Claim>(*this, local, sharing);
  }
  /// Whether `claim` can begin to listen beside the others at its port.
  [[nodiscard]] bool may_listen(const Claim& claim) const;

 private:
  friend class Claim;
  [[nodiscard]] bool conflicts(const Endpoint& wanted, Sharing sharing) const;

  Port first_;
  Port last_;
  std::multimap<Port, const Claim*> claims_;
};

/// Whether two local addresses cannot be told apart by where a datagram goes: equal, or one of them any.
[[nodiscard]] inline bool overlap(IpAddress a, IpAddress b) noexcept { return a == b || a.is_unspecified() || b.is_unspecified(); }

}  // namespace tapir::posix::detail
