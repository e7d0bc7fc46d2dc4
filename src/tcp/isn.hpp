#pragma once

#include <tapir/core/addresses.hpp>
#include <tapir/core/siphash.hpp>
#include <tapir/core/time.hpp>
#include <tapir/tcp/seq_num.hpp>

namespace tapir::tcp {

/// Initial sequence numbers (RFC 6528): ISN = M + F(local, remote, key). M counts 4-microsecond ticks, so that successive incarnations of
/// one 4-tuple never meet; F makes the numbers of one 4-tuple say nothing about those of another.
class IsnGenerator {
 public:
  /// The key never leaves this object.
  explicit IsnGenerator(const SipKey& key) noexcept : key_{key} {}

  [[nodiscard]] SeqNum next(const Endpoint& local, const Endpoint& remote, TimePoint now) const noexcept;

 private:
  SipKey key_;
};

}  // namespace tapir::tcp
