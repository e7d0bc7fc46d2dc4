#include <tapir/arp/address_claim.hpp>

#include <algorithm>
#include <utility>

#include <tapir/core/first_exception.hpp>

namespace tapir::arp {

AddressClaim::AddressClaim(Context& context, Arp& arp, Handler handler, ClaimConfig config)
    : context_{context},
      arp_{arp},
      handler_{std::move(handler)},
      config_{config},
      timer_{Timer::calling<&AddressClaim::on_timer>(context.scheduler, *this)} {
  arp_.add_listener(*this);
}

AddressClaim::~AddressClaim() { arp_.remove_listener(*this); }

void AddressClaim::start(Ipv4Address address) {
  stop();
  TimePoint begin = context_.now();
  if (conflicts_ >= config_.max_conflicts && last_attempt_) begin = std::max(begin, *last_attempt_ + config_.rate_limit_interval);
  last_attempt_ = begin;
  address_ = address;
  state_ = State::waiting;
  timer_.arm_at(begin + random_up_to(config_.probe_wait));
}

void AddressClaim::stop() {
  timer_.cancel();
  if (state_ == State::announcing || state_ == State::in_use) arp_.remove_address(address_);
  state_ = State::idle;
  address_ = {};
}

void AddressClaim::on_timer() {
  switch (state_) {
    case State::waiting:
      state_ = State::probing;
      sent_ = 0;
      send_probe();
      break;
    case State::probing:
      if (sent_ < config_.probe_num) {
        send_probe();
      } else {
        claim();
      }
      break;
    case State::announcing: send_announcement(); break;
    case State::idle:
    case State::in_use: break;
  }
}

void AddressClaim::send_probe() {
  ++sent_;
  const Duration gap = config_.probe_min + random_up_to(config_.probe_max - config_.probe_min);
  timer_.arm_after(sent_ < config_.probe_num ? gap : config_.announce_wait);
  arp_.probe(address_);
}

void AddressClaim::claim() {
  arp_.add_address(address_);
  state_ = State::announcing;
  sent_ = 0;
  last_conflict_.reset();
  last_announcement_.reset();
  send_announcement();
  if (handler_) handler_(ClaimEvent::claimed, address_);
}

void AddressClaim::send_announcement() {
  ++sent_;
  if (sent_ < config_.announce_num) {
    timer_.arm_after(config_.announce_interval);
  } else {
    state_ = State::in_use;
  }
  arp_.announce(address_);
}

void AddressClaim::heard(const Message& message) {
  switch (state_) {
    case State::idle: break;
    case State::waiting:
    case State::probing:
      if (conflicts_with_probing(message)) refuse();
      break;
    case State::announcing:
    case State::in_use:
      if (message.sender_protocol == address_) conflict_in_use();
      break;
  }
}

/// RFC 5227 section 2.1.1: somebody uses the address, or probes for it at the same time. Arp filters out what we sent ourselves.
bool AddressClaim::conflicts_with_probing(const Message& message) const noexcept {
  if (message.sender_protocol == address_) return true;
  return message.operation == Operation::request && message.sender_protocol.get().is_unspecified() && message.target_protocol == address_;
}

void AddressClaim::refuse() {
  ++conflicts_;
  const Ipv4Address address = address_;
  stop();
  if (handler_) handler_(ClaimEvent::refused, address);
}

/// RFC 5227 section 2.4, policies (a), (b) and (c).
void AddressClaim::conflict_in_use() {
  ++conflicts_;
  const TimePoint now = context_.now();
  const auto recent = [&](const std::optional<TimePoint>& past) { return past && now - *past < config_.defend_interval; };
  const bool again = recent(std::exchange(last_conflict_, now));
  if (config_.defence == Defence::give_up || (config_.defence == Defence::defend_once && again)) {
    lose();
    return;
  }
  if (!recent(last_announcement_)) {
    last_announcement_ = now;
    arp_.announce(address_);
  }
  if (handler_) handler_(ClaimEvent::defended, address_);
}

/// The handler may start() with another candidate, so this object is idle before it is called. The address itself stays until it returns:
/// connections are to be reset while segments can still leave (RFC 5227 section 2.4).
void AddressClaim::lose() {
  timer_.cancel();
  state_ = State::idle;
  const Ipv4Address address = std::exchange(address_, Ipv4Address{});
  FirstException thrown;
  if (handler_) thrown.of([&] { handler_(ClaimEvent::lost, address); });
  arp_.remove_address(address);
  thrown.pass_on();
}

Duration AddressClaim::random_up_to(Duration limit) {
  if (limit <= Duration::zero()) return Duration::zero();
  return Duration{static_cast<Duration::rep>(context_.random.below(static_cast<std::uint64_t>(limit.count()) + 1))};
}

}  // namespace tapir::arp
