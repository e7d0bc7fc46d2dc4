#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include <tapir/core/addresses.hpp>
#include <tapir/core/time.hpp>
#include <tapir/tcp/settings.hpp>

#include "fast_open_cookie.hpp"

namespace tapir::tcp {

/// The cookie that a server gives a client for these addresses (RFC 7413 section 4.1.2): nobody makes it without the key. The bytes are those that Linux
/// makes of the same key.
[[nodiscard]] FastOpenCookie make_fast_open_cookie(const FastOpenKey& key, IpAddress client, IpAddress server) noexcept;

/// A SYN for a listener that takes part in Fast Open and has room for one more.
struct FastOpenRequest {
  IpAddress client;
  IpAddress server;
  std::optional<FastOpenOption> option{};
  bool has_data = false;
  bool cookie_needed = true;
};

/// What the server makes of it.
struct FastOpenAnswer {
  bool accept = false;                     ///< the connection and its data are the application's before the handshake is complete
  std::optional<FastOpenOption> option{};  ///< of the SYN,ACK
};

/// RFC 7413 section 4.2.2, the server's side.
[[nodiscard]] FastOpenAnswer answer_fast_open(const FastOpenRequest& request, const FastOpenKeys& keys) noexcept;

/// What a client knows of the servers it has been to (RFC 7413 section 4.1.3), and whether the way there can be trusted. It reads no clock.
class FastOpenCache {
 public:
  static constexpr std::size_t kCapacity = 1024;  ///< servers; the one not asked about for longest gives way

  /// What the first SYN is to carry.
  struct Plan {
    std::optional<FastOpenOption> option{};
    bool with_data = false;
    std::optional<std::uint16_t> mss{};  ///< the server's, if known
    bool trial = false;                  ///< it was swallowed before, and has not been seen to work since
  };
  /// What our SYN segments were like.
  struct Attempt {
    std::optional<FastOpenOption> option{};  ///< of the first one
    std::uint32_t data = 0;                  ///< bytes in the first one
    bool repeated = false;                   ///< there were others, plain ones
  };
  /// The SYN,ACK.
  struct Answer {
    std::optional<FastOpenOption> option{};
    std::uint16_t mss = 0;
    std::uint32_t data_acked = 0;  ///< bytes
  };

  [[nodiscard]] Plan plan(IpAddress server, bool cookie_needed, TimePoint now);
  void on_answer(IpAddress server, const Attempt& attempt, const Answer& answer, TimePoint now);
  /// No SYN,ACK ever came.
  void on_silence(IpAddress server, const Attempt& attempt, TimePoint now);
  /// Something on the way seems to swallow Fast Open: nobody tries again for `period`, each time for twice as long up to 64 times that. 0: never mind.
  void on_blackhole(Duration period, TimePoint now);
  /// A connection that was a trial has brought data: nothing swallows it any more.
  void on_exchange() noexcept { blackholes_ = 0; }
  void clear() noexcept { entries_.clear(); }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  /// A server that ignores a request may know the experimental option; it is asked that way once.
  enum class Format : std::uint8_t { standard, experimental_next, standard_for_good };
  struct Entry {
    FastOpenCookie cookie{};
    bool experimental = false;  ///< the cookie came so
    std::optional<std::uint16_t> mss{};
    Format format = Format::standard;
    std::uint32_t refusals = 0;  ///< in a row
    TimePoint refused_until{};
    std::uint64_t used = 0;
  };

  [[nodiscard]] Entry& entry_of(IpAddress server);
  static void refused(Entry& entry, TimePoint now);

  std::map<IpAddress, Entry> entries_;
  std::uint64_t uses_ = 0;
  std::uint32_t blackholes_ = 0;  ///< since Fast Open worked last
  std::optional<TimePoint> disabled_until_;
};

}  // namespace tapir::tcp
