#include <tapir/arp/arp.hpp>

#include <algorithm>
#include <utility>

#include <tapir/core/branch.hpp>
#include <tapir/core/first_exception.hpp>
#include <tapir/ethernet/ethernet.hpp>

#include "cache.hpp"
#include "observe.hpp"

namespace tapir::arp {

namespace {

/// Whether an address can be a neighbour's.
bool is_host(Ipv4Address address) noexcept {
  return !address.is_unspecified() && !address.is_loopback() && !address.is_multicast() && !address.is_limited_broadcast();
}

/// What a waiting packet counts for: its bytes, and the slab of headers that even an empty one keeps.
std::size_t cost_of(const Packet& packet) noexcept { return packet.size() + PacketPool::header_capacity; }

Config checked(Config config) noexcept {
  config.max_tries = std::max(config.max_tries, 1U);
  config.entry_limit = std::max<std::size_t>(config.entry_limit, 1);
  config.refresh_window = std::min(config.refresh_window, config.lifetime / 4);
  return config;
}

}  // namespace

Arp::Arp(Context& context, Encapsulator<ethernet::Send>& below, MacAddress own, Config config)
    : context_{context}, below_{below}, own_{own}, config_{checked(config)}, cache_{std::make_unique<Cache>()} {}

Arp::~Arp() = default;

[[gnu::flatten, gnu::hot]] Result<> Arp::encapsulate(Packet&& packet, const Send& to) {
  if (unlikely(to.broadcast) || unlikely(to.next_hop.is_limited_broadcast()))
    return send_datagram(std::move(packet), MacAddress::broadcast(), to.tos);
  if (unlikely(to.next_hop.is_multicast())) return send_datagram(std::move(packet), ethernet::group_address(to.next_hop), to.tos);
  if (Entry* entry = cache_->find(to.next_hop); likely(entry != nullptr) && likely(live(*entry))) {
    if (unlikely(entry->state == NeighbourState::failed)) return fail(Error::host_unreachable);
    const MacAddress hardware = entry->hardware;
    if (unlikely(entry->state == NeighbourState::resolved && context_.now() >= entry->until - config_.refresh_window)) refresh(*entry);
    return send_datagram(std::move(packet), hardware, to.tos);
  }
  return resolve_and_queue(std::move(packet), to);
}

Result<> Arp::send_datagram(Packet&& packet, MacAddress destination, std::uint8_t tos) {
  return below_.encapsulate(std::move(packet), {destination, ethernet::EtherType::ipv4, tos});
}

/// Whether the entry says something that holds now. Incomplete ones say nothing.
bool Arp::live(const Entry& entry) const noexcept {
  if (entry.state == NeighbourState::permanent) return true;
  return entry.state != NeighbourState::incomplete && context_.now() < entry.until;
}

Result<> Arp::resolve_and_queue(Packet packet, const Send& to) {
  if (!is_host(to.next_hop) || is_own(to.next_hop)) return fail(Error::invalid_argument);
  if (addresses_.empty()) return fail(Error::address_not_available);
  Entry* entry = cache_->find(to.next_hop);
  if (entry == nullptr) {
    make_room();
    entry = &cache_->insert(*this, context_.scheduler, to.next_hop);
  } else if (entry->state != NeighbourState::incomplete) {
    cache_->enter(*entry, NeighbourState::incomplete);
    entry->tries = 0;
  }
  entry->source = to.source;
  auto queued = enqueue(*entry, std::move(packet), to);
  if (!entry->retry.armed()) {
    const auto earliest = entry->last_request ? deadline_after(*entry->last_request, config_.retry_interval) : context_.now();
    if (earliest > context_.now()) {
      entry->retry.arm_at(earliest);
    } else {
      ask(*entry);
    }
  }
  return queued;
}

Result<> Arp::enqueue(Entry& entry, Packet packet, const Send& to) {
  const std::size_t cost = cost_of(packet);
  const auto fits = [&] { return queued_bytes_ + cost <= config_.queue_bytes_limit; };
  while (!entry.waiting.empty() && (entry.waiting_bytes + cost > config_.address_queue_bytes || !fits())) {
    const std::size_t freed = cost_of(entry.waiting.front().datagram);
    queued_bytes_ -= freed;
    entry.waiting_bytes -= freed;
    entry.waiting.pop_front();
    (void)reject(context_, drops_, LayerId::arp, Drop::queue_full);
  }
  if (!fits()) {
    (void)reject(context_, drops_, LayerId::arp, Drop::memory_limit);
    return fail(Error::no_buffer_space);
  }
  queued_bytes_ += cost;
  entry.waiting_bytes += cost;
  entry.waiting.push_back({std::move(packet), to.tos});
  return {};
}

/// Empties an entry's queue.
std::deque<Waiting> Arp::take_waiting(Entry& entry) noexcept {
  queued_bytes_ -= std::exchange(entry.waiting_bytes, 0);
  return std::exchange(entry.waiting, {});
}

/// Broadcasts one request for the entry's address.
void Arp::ask(Entry& entry) {
  ++entry.tries;
  entry.last_request = context_.now();
  entry.retry.arm_after(config_.retry_interval);
  if (addresses_.empty()) return;  // the last one went away meanwhile: without a sender it would be a probe
  const Message request{.sender_hardware = own_, .sender_protocol = sender_for(entry.source), .target_protocol = entry.address};
  transmit(request, MacAddress::broadcast());
}

/// The entry is in use and near its end: asks its owner directly, so that traffic does not stop.
void Arp::refresh(Entry& entry) {
  const TimePoint now = context_.now();
  if (entry.tries >= config_.max_tries || addresses_.empty()) return;
  if (entry.last_request && now - *entry.last_request < config_.retry_interval) return;
  ++entry.tries;
  entry.last_request = now;
  const Message request{.sender_hardware = own_, .sender_protocol = sender_for(entry.source), .target_protocol = entry.address};
  transmit(request, entry.hardware);
}

void Arp::retry(Entry& entry) {
  if (context_.observer != nullptr) context_.observer->expired({LayerId::arp, "request retry", context_.now()});
  if (entry.tries < config_.max_tries) {
    ask(entry);
  } else {
    give_up(entry);
  }
}

void Arp::give_up(Entry& entry) {
  ++stats_.failures;
  cache_->enter(entry, NeighbourState::failed);
  entry.until = deadline_after(context_.now(), config_.failure_hold);
  const Ipv4Address address = entry.address;
  FirstException thrown;
  for (auto& each : take_waiting(entry)) {  // the receiver may send, and so change the table: `entry` is not looked at again
    if (failures_ != nullptr) {
      thrown.of([&] { failures_->unresolved(address, std::move(each.datagram)); });
    } else {
      (void)reject(context_, drops_, LayerId::arp, Drop::unresolved);
    }
  }
  thrown.pass_on();
}

/// The entry's hardware address is known: what waited for it leaves.
void Arp::learn(Entry& entry, MacAddress hardware) {
  entry.hardware = hardware;
  entry.retry.cancel();
  entry.tries = 0;
  if (entry.state != NeighbourState::permanent) {
    cache_->enter(entry, NeighbourState::resolved);
    entry.until = deadline_after(context_.now(), config_.lifetime);
  }
  for (auto& each : take_waiting(entry)) {
    if (!send_datagram(std::move(each.datagram), hardware, each.tos)) ++stats_.out_failed;
  }
}

void Arp::discard_waiting(Entry& entry, Drop reason) {
  for (std::size_t left = take_waiting(entry).size(); left > 0; --left) (void)reject(context_, drops_, LayerId::arp, reason);
}

void Arp::make_room() {
  while (cache_->dynamic_size() >= config_.entry_limit) {
    Entry& oldest = cache_->victim(config_.entry_limit);
    discard_waiting(oldest, Drop::memory_limit);
    cache_->erase(oldest);
  }
}

Accepted Arp::demultiplex(Packet&& packet, const ethernet::Received&) {
  const auto drop = [this](Drop reason) { return reject(context_, drops_, LayerId::arp, reason); };
  const auto message = parse(packet);
  if (!message) return drop(message.error());
  if (const auto sender = check_sender(*message, addresses_); !sender) return drop(sender.error());
  if (message->sender_hardware == own_) return drop(Drop::own_echo);
  const Operation operation = message->operation;
  if (operation == Operation::reverse_request || operation == Operation::reverse_reply) return drop(Drop::not_handled);
  observe(context_, LayerId::arp, Direction::up, packet, *message);
  const bool conflict = is_own(message->sender_protocol);  // asked before the listeners, who may give the address up
  FirstException thrown;
  for (auto* listener : listeners_) thrown.of([&] { listener->heard(*message); });
  if (!conflict) {
    const Accepted outcome = merge_and_answer(*message);
    thrown.pass_on();
    return outcome;
  }
  ++stats_.conflicts;
  if (on_conflict_) thrown.of([&] { on_conflict_(message->sender_protocol, message->sender_hardware); });
  thrown.pass_on();
  return drop(Drop::address_conflict);
}

/// RFC 826 "Packet reception": what is known is brought up to date before the operation is looked at; what is not known is added only when
/// the message asks for us.
Accepted Arp::merge_and_answer(const Message& message) {
  const auto drop = [this](Drop reason) { return reject(context_, drops_, LayerId::arp, reason); };
  const Ipv4Address sender = message.sender_protocol;
  Entry* entry = sender.is_unspecified() ? nullptr : cache_->find(sender);  // a probe names no address of its sender's
  const bool known = entry != nullptr && (entry->state == NeighbourState::incomplete || live(*entry));
  if (known && entry->state != NeighbourState::permanent) learn(*entry, message.sender_hardware);
  switch (message.operation) {
    case Operation::request:
      ++stats_.in_requests;
      if (!is_own(message.target_protocol)) return known ? Accepted{} : drop(Drop::not_for_us);
      if (!known && !sender.is_unspecified()) {
        if (entry == nullptr) {
          make_room();
          entry = &cache_->insert(*this, context_.scheduler, sender);
        }
        learn(*entry, message.sender_hardware);
      }
      return answer(message);
    case Operation::reply: ++stats_.in_replies; return known ? Accepted{} : drop(Drop::unsolicited);
    default: return drop(Drop::not_handled);
  }
}

Accepted Arp::answer(const Message& message) {
  const Ipv4Address asked_for = message.target_protocol;
  const Message reply{.operation = Operation::reply,
                      .sender_hardware = own_,
                      .sender_protocol = asked_for,
                      .target_hardware = message.sender_hardware,
                      .target_protocol = message.sender_protocol};
  // RFC 3927 section 2.5: what concerns a link-local address is broadcast, so that conflicts are seen by all.
  transmit(reply, asked_for.is_link_local() ? MacAddress::broadcast() : message.sender_hardware);
  return {};
}

void Arp::transmit(const Message& message, MacAddress destination) {
  Packet packet{context_.pool};
  packet.prepend(message);
  observe(context_, LayerId::arp, Direction::down, packet, message);
  ++(message.operation == Operation::reply ? stats_.out_replies : stats_.out_requests);
  if (!below_.encapsulate(std::move(packet), {.destination = destination, .type = ethernet::EtherType::arp})) ++stats_.out_failed;
}

void Arp::announce(Ipv4Address address) {
  transmit({.sender_hardware = own_, .sender_protocol = address, .target_protocol = address}, MacAddress::broadcast());
}

void Arp::announce() {
  for (const Ipv4Prefix& own : addresses_) announce(own.address());
}

void Arp::probe(Ipv4Address address) { transmit({.sender_hardware = own_, .target_protocol = address}, MacAddress::broadcast()); }

}  // namespace tapir::arp
