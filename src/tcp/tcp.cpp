#include <tapir/tcp/tcp.hpp>

#include <utility>

#include "congestion_registry.hpp"
#include "connection_core.hpp"
#include "engine.hpp"
#include "listener_core.hpp"

namespace tapir::tcp {

Tcp::Tcp(Context& context, network::Network& network, Config config)
    : engine_{std::make_unique<detail::Engine>(context, network, std::move(config))} {
  network.attach(network::Protocol::tcp, *this, this);
}

Tcp::~Tcp() = default;

Result<Listener> Tcp::listen(const Endpoint& local, AcceptHandler handler, const ListenOptions& options) {
  auto listener = engine_->listen(local, std::move(handler), options);
  if (!listener) return fail(listener.error());
  return Listener{std::move(*listener)};
}

Result<Listener> Tcp::listen(Port port, AcceptHandler handler, const ListenOptions& options) {
  return listen(Endpoint{IpAddress{}, port}, std::move(handler), options);
}

Result<Connection> Tcp::connect(const Endpoint& remote, const ConnectOptions& options) {
  auto connection = engine_->connect(remote, options);
  if (!connection) return fail(connection.error());
  return Connection{std::move(*connection)};
}

bool Tcp::fast_open_ready(IpAddress server) const { return engine_->fast_open_ready(server); }
void Tcp::forget_fast_open_cookies() noexcept { engine_->fast_open_cache().clear(); }

Result<> Tcp::encapsulate(Packet&& packet, const Send& to) { return engine_->send(std::move(packet), to); }

[[gnu::hot]] Accepted Tcp::demultiplex(Packet&& packet, const network::Received& from) {
  return engine_->demultiplex(std::move(packet), from);
}

bool Tcp::believes(const network::ErrorReport& report) const { return engine_->believes(report); }
void Tcp::receive_error(const network::ErrorReport& report) { engine_->receive_error(report); }

const Config& Tcp::config() const noexcept { return engine_->config(); }
bool Tcp::has_congestion_control(std::string_view name) const {
  return tcp::has_congestion_control(name, engine_->config().congestion_controls);
}
void Tcp::set_config(Config config) { engine_->set_config(std::move(config)); }
std::size_t Tcp::connection_count() const noexcept { return engine_->connection_count(); }
std::vector<Info> Tcp::connections() const { return engine_->connections(); }
void Tcp::for_each_connection(const std::function<void(const Endpoint& local, const Endpoint& remote)>& visit) const {
  engine_->for_each_tuple([&visit](const FourTuple& tuple) { visit(tuple.local, tuple.remote); });
}
bool Tcp::has_connection(const Endpoint& local, const Endpoint& remote) const { return engine_->is_taken({local, remote}); }
const Stats& Tcp::stats() const noexcept { return engine_->stats(); }
const DropCounters& Tcp::drops() const noexcept { return engine_->drops(); }

}  // namespace tapir::tcp
