#include <algorithm>
#include <utility>

#include <tapir/core/first_exception.hpp>
#include <tapir/icmp/icmp.hpp>
#include <tapir/network/error_kind.hpp>

#include "header.hpp"
#include "ping_session.hpp"

namespace tapir::icmp {

namespace {

/// 65535 less 20 bytes of IPv4 header and 8 of ICMP header.
constexpr std::size_t kMaxData = 65507;
/// Requests of one ping that wait at once: with fewer than 65536, a sequence number names one of them.
constexpr std::int64_t kMaxWaiting = 4096;

bool valid(const PingOptions& options) noexcept {
  if (options.size > kMaxData || options.ttl == std::uint8_t{0}) return false;
  if (options.interval <= Duration::zero() || options.timeout <= Duration::zero()) return false;
  return options.timeout / kMaxWaiting <= options.interval;
}

/// The data of each request: octets that count up, so that a shift or a swap shows.
Slice counting_bytes(PacketPool& pool, std::size_t size) {
  SlabRef slab = pool.slab(size);
  const auto bytes = slab.bytes().first(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i & 0xffU);
  return Slice{std::move(slab), 0, size};
}

}  // namespace

namespace detail {

PingSession::PingSession(Icmp& icmp, std::uint16_t identifier, IpAddress destination, const PingOptions& options, PingHandler handler)
    : icmp_{&icmp},
      identifier_{identifier},
      destination_{destination},
      options_{options},
      handler_{std::move(handler)},
      data_{counting_bytes(icmp.context_.pool, options.size)},
      timer_{Timer::calling<&PingSession::on_timer>(icmp.context_.scheduler, *this)},
      next_send_{icmp.context_.now()} {}

void PingSession::start() { timer_.arm_at(next_send_); }

void PingSession::detach() noexcept {
  icmp_ = nullptr;
  timer_.cancel();
  waiting_.clear();
}

void PingSession::stop() noexcept {
  if (!running()) return;
  icmp_->pings_.erase(identifier_);
  detach();
}

void PingSession::on_timer() {
  const auto alive = shared_from_this();
  FirstException thrown;
  thrown.of([this] {
    expire_overdue();
    if (running() && more_to_send() && icmp_->context_.now() >= next_send_) send_request();
  });
  if (running()) arm();
  thrown.pass_on();
}

void PingSession::expire_overdue() {
  while (running() && !waiting_.empty() && deadline_after(waiting_.front().sent_at, options_.timeout) <= icmp_->context_.now()) {
    const std::uint16_t sequence = waiting_.front().sequence;
    waiting_.pop_front();
    tell({sequence, tapir::fail(Error::timed_out), std::nullopt, false});
  }
}

void PingSession::send_request() {
  const TimePoint now = icmp_->context_.now();
  const auto sequence = static_cast<std::uint16_t>(++tried_);
  next_send_ = deadline_after(now, options_.interval);
  Send to{Type::echo_request, 0, std::uint32_t{identifier_} << 16U | sequence, {}};
  to.network.source = options_.source;
  to.network.destination = destination_;
  to.network.ttl = options_.ttl;
  to.network.tos = options_.tos;
  to.network.dont_fragment = options_.dont_fragment;
  Packet packet{icmp_->context_.pool};
  packet.append(data_);
  waiting_.push_back({sequence, now});  // before it leaves: on the loopback the reply is here before encapsulate() returns
  ++sent_;
  const auto outcome = icmp_->encapsulate(std::move(packet), to);
  if (outcome || !running() || !take_waiting(sequence, nullptr)) return;
  --sent_;
  tell({sequence, tapir::fail(outcome.error()), std::nullopt, false});
}

void PingSession::arm() {
  std::optional<TimePoint> deadline;
  if (more_to_send()) deadline = next_send_;
  if (!waiting_.empty()) {
    const TimePoint expiry = deadline_after(waiting_.front().sent_at, options_.timeout);
    deadline = deadline ? std::min(*deadline, expiry) : expiry;
  }
  if (deadline) timer_.arm_at(*deadline);
}

bool PingSession::take_waiting(std::uint16_t sequence, TimePoint* sent_at) {
  const auto found = std::ranges::find(waiting_, sequence, &Waiting::sequence);
  if (found == waiting_.end()) return false;
  if (sent_at != nullptr) *sent_at = found->sent_at;
  waiting_.erase(found);
  return true;
}

bool PingSession::is_intact(const Packet& data) const noexcept {
  if (data.size() != data_.size()) return false;
  auto expected = data_.bytes();
  bool same = true;
  data.for_each_chunk([&](std::span<const std::byte> chunk) {
    same = same && std::ranges::equal(chunk, expected.first(chunk.size()));
    expected = expected.subspan(chunk.size());
  });
  return same;
}

Accepted PingSession::accept(std::uint16_t sequence, const Packet& data, const network::Received& from) {
  if (from.source != destination_ && !icmp_->network_.is_group(destination_)) return std::unexpected{Drop::unsolicited};
  TimePoint sent_at;
  if (!take_waiting(sequence, &sent_at)) return std::unexpected{Drop::unsolicited};
  ++received_;
  PingReply reply{from.source, data.size(), from.ttl, is_intact(data), {}};
  const TimePoint ingress = data.meta().ingress;
  reply.round_trip = (ingress >= sent_at && ingress != TimePoint{} ? ingress : icmp_->context_.now()) - sent_at;
  tell({sequence, reply, std::nullopt, false});
  return {};
}

bool PingSession::fail(std::uint16_t sequence, const network::ErrorReport& report) {
  if (report.destination != destination_ || !take_waiting(sequence, nullptr)) return false;
  network::ErrorReport kept = report;
  kept.datagram = kept.transport = {};
  tell({sequence, tapir::fail(network::error_of(report.kind)), kept, false});
  return true;
}

/// Calls the handler. The run may have ended when this returns.
void PingSession::tell(PingEvent event) {
  event.last = waiting_.empty() && !more_to_send();
  if (event.last) {
    finished_ = true;
    stop();
  }
  if (handler_) handler_(event);
}

}  // namespace detail

Ping::Ping(std::shared_ptr<detail::PingSession> session) noexcept : session_{std::move(session)} {}

Ping& Ping::operator=(Ping&& other) noexcept {
  if (this != &other) {
    stop();
    session_ = std::move(other.session_);
  }
  return *this;
}

Ping::~Ping() { stop(); }

void Ping::stop() noexcept {
  if (session_) session_->stop();
}

std::uint32_t Ping::sent() const noexcept { return session_ ? session_->sent() : 0; }
std::uint32_t Ping::received() const noexcept { return session_ ? session_->received() : 0; }
bool Ping::finished() const noexcept { return session_ && session_->finished(); }
std::uint16_t Ping::identifier() const noexcept { return session_ ? session_->identifier() : std::uint16_t{0}; }

Result<Ping> Icmp::ping(IpAddress destination, const PingOptions& options, PingHandler handler) {
  if (destination.is_unspecified() || !valid(options)) return fail(Error::invalid_argument);
  if (pings_.size() > UINT16_MAX) return fail(Error::no_buffer_space);
  auto identifier = static_cast<std::uint16_t>(context_.random.below(UINT16_MAX + 1));
  while (pings_.contains(identifier)) ++identifier;
  auto session = std::make_shared<detail::PingSession>(*this, identifier, destination, options, std::move(handler));
  pings_.emplace(identifier, session.get());
  session->start();
  return Ping{std::move(session)};
}

Accepted Icmp::accept_echo_reply(const Packet& data, const network::Received& from, std::uint32_t rest) {
  const auto found = pings_.find(identifier_of(rest));
  if (found == pings_.end()) return drop(Drop::not_handled);
  const auto session = found->second->shared_from_this();
  if (const auto accepted = session->accept(sequence_of(rest), data, from); !accepted) return drop(accepted.error());
  return {};
}

}  // namespace tapir::icmp
