// Opening and closing a stream (man 2 bind, connect, listen, accept, shutdown, close).

#include "stream_socket.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "environment.hpp"
#include "error_number.hpp"
#include "icmp_errno.hpp"

namespace tapir::posix::detail {

using tcp::State;

namespace {
constexpr std::size_t kLeastHalfOpen = 16;  // handshakes under way, for however small a backlog
constexpr std::uint32_t kEverything = EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLRDHUP | EPOLLHUP | EPOLLERR;

/// By their numbers: the local ports of connections whose local address overlaps this one.
std::vector<bool> ports_in_use(const tcp::Tcp& tcp, IpAddress address) {
  std::vector<bool> taken(std::size_t{std::numeric_limits<std::uint16_t>::max()} + 1);
  tcp.for_each_connection([&](const Endpoint& local, const Endpoint&) {
    if (overlap(local.address, address)) taken[local.port.value()] = true;
  });
  return taken;
}
}  // namespace

StreamSocket::StreamSocket(Environment& environment) : Socket{environment, SOCK_STREAM, IPPROTO_TCP} {}
StreamSocket::~StreamSocket() = default;

/// The port is also taken by connections that no descriptor holds any more, TIME-WAIT included.
Result<> StreamSocket::claim(const Endpoint& local) {
  auto& stack = environment().stack();
  std::optional<std::vector<bool>> taken;  // looked up once, for however many ports are asked for
  const auto busy = [&](const Endpoint& wanted, Sharing sharing) {
    if (sharing.any()) return environment().orphans().hold(wanted, stack.tcp());
    if (!taken) taken = ports_in_use(stack.tcp(), wanted.address);
    return bool{(*taken)[wanted.port.value()]};
  };
  auto claimed = environment().tcp_ports().claim(local, sharing(), stack.context().random, busy);
  if (!claimed) return fail(claimed.error());
  claim_ = std::move(*claimed);
  return {};
}

Result<> StreamSocket::bind(const Endpoint& local) {
  if (const auto own = check_local(local.address); !own) return own;
  if (listening_ || state() != State::closed || claim_ != nullptr || phase_ == Phase::deferred) return error(EINVAL);
  if (const auto claimed = claim(local); !claimed) return claimed;
  port_bound_ = local.port != Port{};
  bound_address_ = local.address;
  return {};
}

tcp::ListenOptions StreamSocket::to_listen_options(std::size_t backlog) const {
  tcp::ListenOptions options{
      .backlog = backlog, .max_half_open = std::max<std::size_t>(backlog, kLeastHalfOpen), .settings = to_settings(options_, tcp_)};
  options.fast_open_backlog = static_cast<std::size_t>(std::min(tcp_.fast_open_backlog, environment().config().max_backlog));
  options.fast_open_keys = tcp_.fast_open_keys;
  options.fast_open_without_cookie = tcp_.fast_open_no_cookie;
  options.share_port = options_.reuse_port;
  options.defer_accept = std::chrono::seconds{tcp_.defer_accept};
  return options;
}

Result<> StreamSocket::listen(int backlog) {
  if (phase_ != Phase::unconnected || (!listening_ && state() != State::closed)) return error(EINVAL);
  // As Linux has it: a negative backlog is the largest, and one more than asked for may wait.
  const int most = environment().config().max_backlog;
  const auto wanted = static_cast<std::size_t>(backlog < 0 || backlog > most ? most : backlog) + 1;
  listen_options_ = to_listen_options(wanted);
  if (listening_) return listener_.change(listen_options_);
  if (claim_ == nullptr) {
    if (const auto claimed = claim({}); !claimed) return claimed;
  }
  if (!environment().tcp_ports().may_listen(*claim_)) return error(EADDRINUSE);
  auto listener = environment().stack().tcp().listen(claim_->local(), {}, listen_options_);
  if (!listener) return fail(listener.error());
  listener_ = std::move(*listener);
  listener_.on_waiting([this] { notify(EPOLLIN | EPOLLRDNORM); });
  claim_->listening = listening_ = true;
  error_ = 0;
  return {};
}

Result<std::shared_ptr<Socket>> StreamSocket::accept() {
  if (!listening_) return error(EINVAL);
  if (listener_.waiting() == 0) {
    if (nonblocking) return error(EAGAIN);
    const auto deadline = deadline_after(options_.receive_timeout);
    if (const auto waited = wait([this] { return !listening_ || listener_.waiting() > 0; }, deadline); !waited) return fail(waited.error());
    if (!listening_) return error(EINVAL);
  }
  auto connection = listener_.accept();
  if (!connection) return fail(connection.error());
  auto child = std::make_shared<StreamSocket>(environment());
  Inheritance::Share share = inheritance_.take().value_or(Inheritance::Share{.options = options_, .tcp = tcp_});
  child->options_ = share.options;
  child->options_.priority = 0;  // as Linux has it
  child->tcp_ = std::move(share.tcp);
  child->tcp_.defer_accept = 0;  // the listener's alone
  child->claim_ = environment().tcp_ports().join(connection->local(), child->sharing());
  child->port_bound_ = true;
  child->bound_address_ = connection->local().address;
  child->phase_ = Phase::connected;
  child->timestamps_.set(child->options_.timestamping, 0);
  child->adopt(std::move(*connection));
  const tcp::Settings begun = child->connection_.settings();  // its handshake began with what the listener said then
  child->apply(begun, to_settings(child->options_, child->tcp_));
  const std::string& congestion = child->tcp_.congestion;
  if (!congestion.empty() && congestion != begun.congestion_control) (void)child->connection_.set_congestion_control(congestion);
  if (!child->tcp_.quick_ack) child->set_quick_ack(false);
  return child;
}

/// What happens to the connection is told to those who watch the socket.
void StreamSocket::adopt(tcp::Connection connection) {
  connection_ = std::move(connection);
  end_seen_ = receive_shut_ = send_shut_ = false;
  error_ = 0;
  (void)zero_copy_.on_over(now());
  queued_ = consumed_ = urgent_taken_ = 0;
  timestamps_.restart();
  connection_.report_sent(timestamps_.wanted());
  applied_ = options_;
  tcp_applied_ = tcp_;
  connection_.handle({.connected = [this] { notify(EPOLLOUT | EPOLLWRNORM); },
                      .readable = [this] { notify(EPOLLIN | EPOLLRDNORM); },
                      .sent = [this] { left(); },
                      .acknowledged = [this] { acknowledged(); },
                      .peer_closed = [this] { notify(EPOLLIN | EPOLLRDNORM | EPOLLRDHUP); },
                      .urgent = [this] { notify(EPOLLPRI); },
                      .closed =
                          [this](std::error_code) {
                            (void)zero_copy_.on_over(now());
                            notify(kEverything);
                          },
                      .soft_error = [this](const tcp::SoftError& soft) { hear(soft); }});
}

/// Linux ends an open for any error that the network reports (man 7 tcp), an open connection only when asked to tell.
void StreamSocket::hear(const tcp::SoftError& soft) {
  if (!is_icmp_error(soft.type, soft.code)) return;
  const int number = icmp_errno(soft.kind, soft.type, soft.code).number;
  if (handshaking()) {
    connection_.abort();
    sync();
  } else if (options_.receive_errors) {
    error_ = number;
  } else {
    return;
  }
  notify(kEverything);
}

bool StreamSocket::handshaking() const noexcept {
  const State now = state();
  return now == State::syn_sent || (now == State::syn_received && phase_ != Phase::connected);
}

void StreamSocket::sync() const {
  if (!connection_ || end_seen_ || state() != State::closed) return;
  end_seen_ = true;
  if (const auto why = connection_.error()) {
    error_ = number_of(why);
    // Linux: the reset of a connection that the peer has closed, and we have not, is a broken pipe.
    if (error_ == ECONNRESET && connection_.peer_closed() && !send_shut_) error_ = EPIPE;
  }
  if (const auto* const failed = connection_.handshake_error();
      failed != nullptr && is_icmp_error(failed->report.type, failed->report.code)) {
    // Linux queues it whether IP_RECVERR asks for it or not.
    auto queued = queued_error(failed->report, connection_.remote(), failed->quoted);
    error_ = queued.why.number;
    queue_error(std::move(queued));
  }
  receive_shut_ = send_shut_ = true;
}

Result<> StreamSocket::connect(const Endpoint& remote) {
  sync();
  if (phase_ == Phase::connected || phase_ == Phase::deferred || listening_) return error(EISCONN);
  const bool first = phase_ == Phase::unconnected;
  if (first) {
    if (may_defer(remote)) {
      deferred_to_ = remote;
      phase_ = Phase::deferred;
      return {};
    }
    const auto opened = open(remote, tcp_.fast_open_connect);
    // Nobody can listen at port 0, so nobody is asked; whoever does not wait hears of it later, as if somebody had been.
    const bool refused = !opened && number_of(opened.error()) == ECONNREFUSED;
    if (!opened && (!refused || !must_not_wait(0))) return opened;
    phase_ = Phase::connecting;
    if (refused) {
      error_ = ECONNREFUSED;
      receive_shut_ = send_shut_ = true;
      return error(EINPROGRESS);
    }
  }
  return await_handshake(first, 0);
}

Result<> StreamSocket::open(const Endpoint& remote, bool fast_open) {
  auto& stack = environment().stack();
  if (state() != State::closed) return error(EISCONN);
  if (stack.ipv4().is_group(remote.address)) return error(ENETUNREACH);
  if (remote.port == Port{}) return error(ECONNREFUSED);  // nobody can listen there
  tcp::ConnectOptions options{.local = {}, .source_route = {}, .settings = to_settings(options_, tcp_)};
  options.fast_open = fast_open;
  options.fast_open_without_cookie = tcp_.fast_open_no_cookie;
  if (claim_ != nullptr) options.local = {bound_address_, claim_->local().port};
  Endpoint to = remote;
  if (to.address.is_unspecified()) to.address = Ipv4Address{0x7f00'0001U};  // this host (man 7 ip)
  auto opened = stack.tcp().connect(to, options);
  if (!opened) {
    // The two ends are connected already: no local address is left for it.
    if (opened.error() == Error::address_in_use) return error(EADDRNOTAVAIL);
    return fail(opened.error());
  }
  if (claim_ == nullptr) claim_ = environment().tcp_ports().join(opened->local(), sharing());
  adopt(std::move(*opened));
  return {};
}

/// The second half of connect(), also of a second call while the first is under way.
Result<> StreamSocket::await_handshake(bool first, int flags) {
  if (handshaking()) {
    const int under_way = first ? EINPROGRESS : EALREADY;
    if (must_not_wait(flags)) return error(under_way);
    const auto waited = wait_on_connection([this] { return !handshaking(); }, deadline_after(options_.send_timeout));
    if (!waited) return number_of(waited.error()) == EAGAIN ? error(under_way) : fail(waited.error());
  }
  sync();
  if (state() == State::closed) {
    const int why = std::exchange(error_, 0);
    forget_connection();
    return error(why != 0 ? why : ECONNABORTED);
  }
  phase_ = Phase::connected;
  return {};
}

/// As before connect(): what bind() chose stays.
void StreamSocket::forget_connection() {
  connection_ = {};
  phase_ = Phase::unconnected;
  end_seen_ = receive_shut_ = send_shut_ = false;
  if (!port_bound_ && claim_ != nullptr) {
    former_port_ = claim_->local().port;  // Linux goes on telling it, though it is free again
    claim_.reset();
  }
}

Result<> StreamSocket::wait_on_connection(const std::function<bool()>& done, std::optional<TimePoint> deadline) const {
  const auto before = disconnects_;
  const auto waited = wait([&] { return disconnects_ != before || done(); }, deadline);
  return waited && disconnects_ != before ? error(EPIPE) : waited;
}

Result<> StreamSocket::become_unconnected() {
  sync();
  const State was = state();
  if (listening_) {
    listener_ = {};
    inheritance_.clear();
    claim_->listening = listening_ = false;
  }
  if (was != State::closed) error_ = ECONNRESET;
  connection_.abort();
  forget_connection();
  notify(kEverything);
  return {};
}

Result<> StreamSocket::shutdown(int how) {
  if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) return error(EINVAL);
  sync();
  const bool receive = how != SHUT_WR;
  const bool send = how != SHUT_RD;
  if (listening_) return receive ? become_unconnected() : Result<>{};
  if (state() == State::syn_sent || phase_ == Phase::deferred) return become_unconnected();
  const bool closed = state() == State::closed;
  receive_shut_ = receive_shut_ || receive;
  send_shut_ = send_shut_ || send;
  if (send && !closed) (void)connection_.shutdown();
  notify(kEverything);
  return closed ? error(ENOTCONN) : Result<>{};
}

/// SO_LINGER: no time at all resets the connection; otherwise close() waits until the peer has got everything. Whether it has to.
bool StreamSocket::begin_close() {
  listener_ = {};
  listening_ = false;
  if (!connection_ || connection_.unread() > 0 || options_.lingering.l_onoff == 0) return false;
  if (options_.lingering.l_linger == 0) {
    connection_.abort();
    return false;
  }
  connection_.close();
  return lingers();
}

bool StreamSocket::lingers() const noexcept {
  const State now = state();
  return now == State::fin_wait_1 || now == State::closing || now == State::last_ack;
}

void StreamSocket::on_progress_of_close(const std::function<void()>& handler) {
  connection_.handle({.acknowledged = handler, .closed = [handler](std::error_code) { handler(); }});
}

void StreamSocket::finish_close() {
  const Endpoint here = connection_.local();
  const Endpoint there = connection_.remote();
  const bool gone = state() == State::closed && connection_.state() != State::time_wait;
  connection_ = {};
  if (!gone && !sharing().any()) environment().orphans().add(here, there, environment().stack().tcp());
  claim_.reset();
}

void StreamSocket::close() {
  const auto self = std::static_pointer_cast<StreamSocket>(shared_from_this());
  if (begin_close()) {
    if (environment().waits_deeply()) return environment().lingering().add(self, *end_of_lingering(), [] {});
    (void)wait_though_closed([this] { return !lingers(); }, end_of_lingering());
  }
  finish_close();
}

bool StreamSocket::close_without_waiting(const std::function<void()>& closed) {
  if (!begin_close()) {
    finish_close();
    return false;
  }
  const auto self = std::static_pointer_cast<StreamSocket>(shared_from_this());
  environment().lingering().add(self, *end_of_lingering(), closed);
  return true;
}

}  // namespace tapir::posix::detail
