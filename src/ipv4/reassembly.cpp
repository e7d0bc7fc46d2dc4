#include <tapir/ipv4/reassembly.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace tapir::ipv4 {

namespace {

/// RFC 1858 section 3.1: what a first TCP fragment must hold so that ports and flags are in it.
constexpr std::size_t kLeastTcpStart = 16;
/// What a datagram under way, and each of its fragments, costs beside the bytes kept.
constexpr std::size_t kDatagramCost = 512;
constexpr std::size_t kFragmentCost = 96;

constexpr std::uint8_t kEcnMask = 3;
constexpr std::uint8_t kNotEct = 0;
constexpr std::uint8_t kCongestion = 3;

constexpr bool seen(std::uint8_t codepoints, std::uint8_t codepoint) noexcept { return (codepoints >> codepoint & 1U) != 0; }

/// The data of a fragment as one slice: shared when it lies in one piece of a slab that it fills well.
Slice data_of(const Packet& fragment, std::size_t header_size) {
  Packet data = fragment.share();
  data.trim_front(header_size);
  std::size_t pieces = 0;
  Slice slice;
  data.for_each_slice([&](Slice piece) {
    ++pieces;
    slice = std::move(piece);
  });
  return pieces == 1 ? fragment.pool().compact(std::move(slice)) : fragment.pool().copy(data.bytes());
}

bool same_bytes(const Slice& kept, const Packet& fragment, std::size_t header_size) {
  auto rest = kept.bytes();
  std::size_t skip = header_size;
  bool same = fragment.size() - header_size == rest.size();
  fragment.for_each_chunk([&](std::span<const std::byte> chunk) {
    const std::size_t skipped = std::min(skip, chunk.size());
    skip -= skipped;
    chunk = chunk.subspan(skipped);
    if (!same || chunk.size() > rest.size()) {
      same = chunk.empty() && same;
      return;
    }
    same = std::ranges::equal(chunk, rest.first(chunk.size()));
    rest = rest.subspan(chunk.size());
  });
  return same;
}

}  // namespace

Reassembly::Reassembly(Context& context, const ReassemblyLimits& limits, GivenUp given_up)
    : context_{context},
      limits_{limits},
      given_up_{std::move(given_up)},
      timer_{Timer::calling<&Reassembly::expire>(context.scheduler, *this)} {
  limits_.max_datagram = std::clamp(limits_.max_datagram, min_reassembly, ipv4::max_datagram);
  limits_.max_datagrams = std::max(limits_.max_datagrams, std::size_t{1});
  limits_.max_datagrams_per_source = std::max(limits_.max_datagrams_per_source, std::size_t{1});
}

/// What is wrong with a fragment whatever else has come.
std::optional<Drop> Reassembly::unacceptable(const Header& header, std::size_t data_size) const noexcept {
  const std::size_t offset = header.fragment_offset();
  if (data_size == 0) return Drop::fragment_malformed;
  if (header.more_fragments() && data_size % 8 != 0) return Drop::fragment_malformed;
  if (header.header_size() + offset + data_size > limits_.max_datagram) return Drop::fragment_too_large;
  if (header.protocol.get() == network::Protocol::tcp) {
    if (offset == 0 && data_size < kLeastTcpStart) return Drop::fragment_tiny;  // RFC 1858 section 3.1, RFC 3128
    if (offset == 8) return Drop::fragment_tiny;                                // RFC 1858 section 3.2.2
  }
  return std::nullopt;
}

std::expected<std::optional<Packet>, Drop> Reassembly::add(Packet fragment, const Header& header, LinkCast cast) {
  const std::size_t header_size = header.header_size();
  const std::size_t data_size = fragment.size() - std::min(header_size, fragment.size());
  if (const auto wrong = unacceptable(header, data_size)) return std::unexpected{*wrong};
  const Key key{header.source, header.destination, header.protocol, header.identification};
  const auto found = find_or_start(key);
  Datagram& datagram = found->second;
  if (datagram.spoiled) return std::unexpected{Drop::fragment_overlap};
  const std::size_t begin = header.fragment_offset();
  const bool last = !header.more_fragments();
  if (const auto wrong = contradiction(datagram, begin, fragment, header_size, last)) {
    if (*wrong != Drop::fragment_duplicate) spoil(key, datagram);
    return std::unexpected{*wrong};
  }
  if (cast != LinkCast::unicast) datagram.cast = cast;
  keep(key, datagram, begin, fragment, header);
  datagram.missing.fill(begin, begin + data_size, last);
  if (last) datagram.end = begin + data_size;
  if (datagram.missing.complete()) return finish(found);
  make_room(key);
  if (datagrams_.find(key) == datagrams_.end()) return std::unexpected{Drop::memory_limit};
  return std::nullopt;
}

Reassembly::Datagrams::iterator Reassembly::find_or_start(const Key& key) {
  if (const auto found = datagrams_.find(key); found != datagrams_.end()) return found;
  if (sources_[key.source].datagrams >= limits_.max_datagrams_per_source) evict(oldest_of(key.source));
  if (datagrams_.size() >= limits_.max_datagrams) evict(datagrams_.find(by_age_.front()));
  const auto started = datagrams_.try_emplace(key).first;
  Datagram& datagram = started->second;
  datagram.deadline = deadline_after(context_.now(), limits_.timeout);
  datagram.age = by_age_.insert(by_age_.end(), key);
  datagram.memory = kDatagramCost;
  memory_ += kDatagramCost;
  Source& source = sources_[key.source];
  ++source.datagrams;
  source.memory += kDatagramCost;
  if (!timer_.armed()) timer_.arm_at(datagram.deadline);
  return started;
}

/// What is wrong with a fragment beside those that came before it.
std::optional<Drop> Reassembly::contradiction(const Datagram& datagram, std::size_t begin, const Packet& fragment, std::size_t header_size,
                                              bool last) {
  const std::size_t end = begin + fragment.size() - header_size;
  const bool known_end_differs = datagram.end && (last ? end != *datagram.end : end >= *datagram.end);
  const auto fit = datagram.missing.fit(begin, end);
  if (fit == HoleList::Fit::present && !known_end_differs) {
    const auto kept = datagram.data.find(begin);
    if (kept != datagram.data.end() && same_bytes(kept->second, fragment, header_size) && (!last || datagram.end)) {
      return Drop::fragment_duplicate;
    }
  }
  if (known_end_differs || fit != HoleList::Fit::missing) return Drop::fragment_overlap;
  if (last && !datagram.data.empty()) {
    const auto& [offset, slice] = *datagram.data.rbegin();
    if (offset + slice.size() > end) return Drop::fragment_overlap;  // data beyond the end was received
  }
  return std::nullopt;
}

void Reassembly::keep(const Key& key, Datagram& datagram, std::size_t begin, const Packet& fragment, const Header& header) {
  const std::size_t header_size = header.header_size();
  Slice data = data_of(fragment, header_size);
  const std::size_t cost = data.pinned() + kFragmentCost;
  datagram.memory += cost;
  memory_ += cost;
  sources_[key.source].memory += cost;
  datagram.data.emplace(begin, std::move(data));
  datagram.ingress = fragment.meta().ingress;
  datagram.ecn_seen |= static_cast<std::uint8_t>(1U << (header.tos & kEcnMask));
  if (begin == 0) {
    (void)fragment.copy_out(0, std::span{datagram.first_header}.first(header_size));
    datagram.first_header_size = header_size;
  }
}

std::expected<std::optional<Packet>, Drop> Reassembly::finish(Datagrams::iterator done) {
  Datagram& datagram = done->second;
  const std::size_t header_size = datagram.first_header_size;
  // Only fragment zero's header counts, and it may be longer than that of the fragment which set the end.
  const bool too_large = header_size + *datagram.end > limits_.max_datagram;
  const bool congested = seen(datagram.ecn_seen, kCongestion);
  if (too_large || (congested && seen(datagram.ecn_seen, kNotEct))) {  // RFC 3168 section 5.3
    ++failures_;
    remove(done);
    return std::unexpected{too_large ? Drop::fragment_too_large : Drop::bad_header};
  }
  Packet whole{context_.pool};
  for (auto& [offset, slice] : datagram.data) whole.append(std::move(slice));
  Header header;
  std::memcpy(&header, datagram.first_header.data(), sizeof(header));
  header.fragmentation = static_cast<std::uint16_t>(header.fragmentation & Header::reserved_bit);
  if (congested) header.tos |= kCongestion;
  (void)put_header(whole, header, std::span{datagram.first_header}.first(header_size).subspan(sizeof(header)));
  whole.meta().ingress = datagram.ingress;
  remove(done);
  return whole;
}

/// Forgets the data but remembers the datagram, so that what still comes of it is dropped.
void Reassembly::spoil(const Key& key, Datagram& datagram) {
  datagram.spoiled = true;
  ++failures_;
  release_data(key, datagram);
}

void Reassembly::release_data(const Key& key, Datagram& datagram) {
  const std::size_t released = datagram.memory - kDatagramCost;
  datagram.data.clear();
  datagram.first_header_size = 0;
  datagram.memory -= released;
  memory_ -= released;
  sources_[key.source].memory -= released;
}

void Reassembly::remove(Datagrams::iterator gone) {
  const auto source = sources_.find(gone->first.source);
  memory_ -= gone->second.memory;
  source->second.memory -= gone->second.memory;
  if (--source->second.datagrams == 0) sources_.erase(source);
  by_age_.erase(gone->second.age);
  datagrams_.erase(gone);
}

Reassembly::Datagrams::iterator Reassembly::oldest_of(Ipv4Address source) {
  const auto oldest = std::ranges::find(by_age_, source, &Key::source);
  return oldest == by_age_.end() ? datagrams_.end() : datagrams_.find(*oldest);
}

void Reassembly::make_room(const Key& newcomer) {
  for (;;) {
    const auto source = sources_.find(newcomer.source);
    if (source == sources_.end() || source->second.memory <= limits_.max_memory_per_source) break;
    evict(oldest_of(newcomer.source));
  }
  while (memory_ > limits_.max_memory && !by_age_.empty()) evict(datagrams_.find(by_age_.front()));
}

void Reassembly::evict(Datagrams::iterator victim) {
  if (victim == datagrams_.end()) return;
  const bool was_spoiled = victim->second.spoiled;
  const LinkCast cast = victim->second.cast;
  remove(victim);
  if (was_spoiled) return;
  ++failures_;
  given_up_(Drop::memory_limit, std::nullopt, cast);
}

Packet Reassembly::first_fragment(const Datagram& datagram) const {
  Packet packet{context_.pool};
  packet.append(datagram.data.begin()->second);
  packet.prepend_bytes(std::span{datagram.first_header}.first(datagram.first_header_size));
  packet.mark_network();
  return packet;
}

void Reassembly::expire() {
  while (!by_age_.empty()) {
    const auto oldest = datagrams_.find(by_age_.front());
    if (oldest->second.deadline > context_.now()) {
      timer_.arm_at(oldest->second.deadline);
      return;
    }
    const bool was_spoiled = oldest->second.spoiled;
    const LinkCast cast = oldest->second.cast;
    std::optional<Packet> first;
    if (oldest->second.first_header_size > 0) first = first_fragment(oldest->second);
    remove(oldest);
    if (was_spoiled) continue;
    ++failures_;
    given_up_(Drop::reassembly_timeout, std::move(first), cast);
  }
}

}  // namespace tapir::ipv4
