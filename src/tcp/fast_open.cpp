#include "fast_open.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <span>

#include <tapir/core/byte_order.hpp>
#include <tapir/core/siphash.hpp>

namespace tapir::tcp {

namespace {
struct AddressPair {
  IpAddress::Octets client;
  IpAddress::Octets server;
};
static_assert(sizeof(AddressPair) == 2 * sizeof(IpAddress::Octets) && alignof(AddressPair) == 1);

constexpr std::size_t kWordSize = 8;
constexpr std::chrono::seconds kFirstRefusal{60};  // doubled for each one in a row
constexpr std::uint32_t kMostDoublings = 6;

constexpr std::uint64_t little_endian(std::span<const std::byte> bytes) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = kWordSize; i-- > 0;) value = value << 8U | std::to_integer<std::uint64_t>(bytes[i]);
  return value;
}

constexpr Duration doubled(Duration time, std::uint32_t times) noexcept { return time * (1 << std::min(times, kMostDoublings)); }
}  // namespace

FastOpenCookie make_fast_open_cookie(const FastOpenKey& key, IpAddress client, IpAddress server) noexcept {
  const std::span<const std::byte> words{key};
  const SipKey sip_key{.k0 = little_endian(words.first(kWordSize)), .k1 = little_endian(words.subspan(kWordSize))};
  const AddressPair hashed{.client = client.octets(), .server = server.octets()};
  std::uint64_t hash = siphash(sip_key, std::as_bytes(std::span{&hashed, 1}));
  std::array<std::byte, kWordSize> bytes{};
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(hash & 0xffU);
    hash >>= 8U;
  }
  return *FastOpenCookie::from(bytes);
}

FastOpenAnswer answer_fast_open(const FastOpenRequest& request, const FastOpenKeys& keys) noexcept {
  if (!request.option && !request.has_data) return {};
  if (!request.cookie_needed) return {.accept = true};
  if (!request.option) return {};
  const FastOpenCookie current = make_fast_open_cookie(keys.primary, request.client, request.server);
  const FastOpenOption renewed{.cookie = current, .experimental = request.option->experimental};
  const FastOpenCookie& theirs = request.option->cookie;
  if (theirs == current) return {.accept = true};
  const bool former = keys.backup && theirs == make_fast_open_cookie(*keys.backup, request.client, request.server);
  return {.accept = former, .option = renewed};
}

FastOpenCache::Plan FastOpenCache::plan(IpAddress server, bool cookie_needed, TimePoint now) {
  if (disabled_until_ && now < *disabled_until_) return {};
  Plan plan{.trial = blackholes_ > 0};
  if (!cookie_needed) {
    plan.with_data = true;
  } else {
    plan.option = FastOpenOption{};
  }
  const auto found = entries_.find(server);
  if (found == entries_.end()) return plan;
  Entry& entry = found->second;
  entry.used = ++uses_;
  plan.mss = entry.mss;
  if (!cookie_needed) return plan;
  if (now < entry.refused_until) return {};
  plan.with_data = !entry.cookie.empty();
  plan.option = plan.with_data ? FastOpenOption{.cookie = entry.cookie, .experimental = entry.experimental}
                               : FastOpenOption{.experimental = entry.format == Format::experimental_next};
  return plan;
}

void FastOpenCache::on_answer(IpAddress server, const Attempt& attempt, const Answer& answer, TimePoint now) {
  if (!attempt.option && attempt.data == 0) return;
  Entry& entry = entry_of(server);
  entry.mss = answer.mss;
  const bool cookie_came = answer.option && !answer.option->cookie.empty();
  if (attempt.data > 0 && answer.data_acked > 0) entry.refusals = 0;
  if (!attempt.option) return;  // a cookie that nobody asked for
  if (cookie_came) {
    entry.cookie = answer.option->cookie;
    entry.experimental = answer.option->experimental;
    entry.refusals = 0;
  } else if (attempt.option->cookie.empty()) {
    if (!attempt.repeated)
      entry.format = attempt.option->experimental ? Format::standard_for_good : std::max(entry.format, Format::experimental_next);
  } else if (attempt.data > 0 && answer.data_acked == 0) {
    refused(entry, now);
  }
}

void FastOpenCache::on_silence(IpAddress server, const Attempt& attempt, TimePoint now) {
  if (attempt.option || attempt.data > 0) refused(entry_of(server), now);
}

void FastOpenCache::on_blackhole(Duration period, TimePoint now) {
  if (period <= Duration::zero()) return;
  disabled_until_ = now + doubled(period, blackholes_);
  ++blackholes_;
}

/// A negative response (RFC 7413 section 4.1.3.1): the next open is to succeed without.
void FastOpenCache::refused(Entry& entry, TimePoint now) {
  entry.refused_until = now + doubled(kFirstRefusal, entry.refusals);
  ++entry.refusals;
}

FastOpenCache::Entry& FastOpenCache::entry_of(IpAddress server) {
  const auto found = entries_.find(server);
  if (found == entries_.end() && entries_.size() >= kCapacity) {
    entries_.erase(std::ranges::min_element(entries_, {}, [](const auto& item) { return item.second.used; }));
  }
  Entry& entry = entries_[server];
  entry.used = ++uses_;
  return entry;
}

}  // namespace tapir::tcp
