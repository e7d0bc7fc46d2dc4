#include <tapir/ipv4/identification.hpp>

#include <span>

namespace tapir::ipv4 {

namespace {
/// What the hash is taken over, RFC 6864 section 4: the numbers are unique for each of these.
struct Triple {
  BigEndian<Ipv4Address> source;
  BigEndian<Ipv4Address> destination;
  BigEndian<network::Protocol> protocol;
};
static_assert(sizeof(Triple) == 9 && alignof(Triple) == 1);
}  // namespace

std::optional<std::uint16_t> IdentificationCounters::next(Ipv4Address source, Ipv4Address destination, network::Protocol protocol) {
  if (buckets_.empty()) {
    key_ = SipKey::generate(context_.random);
    buckets_.resize(bucket_count);
    for (auto& bucket : buckets_) bucket.start = static_cast<std::uint16_t>(context_.random.next());
  }
  const Triple triple{source, destination, protocol};
  Bucket& bucket = buckets_[siphash(key_, std::as_bytes(std::span{&triple, 1})) % bucket_count];
  constexpr std::uint16_t kPartSize = 0x10000 / parts;
  auto& last_use = bucket.last_use[bucket.count / kPartSize];
  // Each part of the number space rests for the lifetime of a datagram before it is begun again.
  const bool begins_part = bucket.count % kPartSize == 0;
  if (begins_part && last_use && context_.now() - *last_use < max_datagram_lifetime) return std::nullopt;
  last_use = context_.now();
  return static_cast<std::uint16_t>(bucket.start + bucket.count++);
}

}  // namespace tapir::ipv4
