#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <tapir/core/context.hpp>
#include <tapir/network/network.hpp>
#include <tapir/tcp/tcp.hpp>

#include "block_pool.hpp"
#include "challenge_budget.hpp"
#include "connection_record.hpp"
#include "connection_table.hpp"
#include "ephemeral_ports.hpp"
#include "event_queue.hpp"
#include "fast_open.hpp"
#include "four_tuple.hpp"
#include "half_open.hpp"
#include "header.hpp"
#include "idle_kinds.hpp"
#include "isn.hpp"
#include "memory_budget.hpp"
#include "options.hpp"
#include "part_configs.hpp"
#include "reset_queue.hpp"
#include "shared_settings.hpp"
#include "syn_cookies.hpp"
#include "time_wait.hpp"

namespace tapir::tcp::detail {

class ConnectionCore;
class ListenerCore;
struct Arrival;

/// Whether every option is inside its documented range.
[[nodiscard]] bool in_range(const ListenOptions& options);
[[nodiscard]] bool in_range(const Keepalive& keepalive);

/// Everything behind class Tcp: the tables of connections and listeners, and what connections share.
class Engine final {
 public:
  Engine(Context& context, network::Network& network, Config config);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  // What Tcp offers.
  [[nodiscard]] Result<std::shared_ptr<ListenerCore>> listen(const Endpoint& local, AcceptHandler handler, const ListenOptions& options);
  [[nodiscard]] Result<std::shared_ptr<ConnectionRecord>> connect(const Endpoint& remote, const ConnectOptions& options);
  [[nodiscard]] Result<> send(Packet&& packet, const Send& to);
  /// A segment without payload, with these options.
  [[nodiscard]] Result<> send(Send to, const Options& options);
  [[nodiscard]] Accepted demultiplex(Packet&& packet, const network::Received& from);
  [[nodiscard]] bool believes(const network::ErrorReport& report) const;
  void receive_error(const network::ErrorReport& report);
  [[nodiscard]] std::size_t connection_count() const noexcept { return open_connections() + time_wait_.size(); }
  [[nodiscard]] std::vector<Info> connections();
  [[nodiscard]] bool is_taken(const FourTuple& tuple) const {
    return connections_.contains(tuple) || half_open_.find(tuple) != nullptr || time_wait_.find(tuple) != nullptr;
  }
  /// Of every connection, as connections() has them.
  template <class Visitor>
  void for_each_tuple(const Visitor& visit) const {
    connections_.for_each([&visit](const ConnectionRecord& record) { visit(record.tuple()); });
    half_open_.for_each([&visit](const HalfOpen& kept) { visit(kept.tuple); });
    time_wait_.for_each([&visit](const TimeWaitRecord& record) { visit(record.tuple); });
  }

  // What connections and listeners need.
  [[nodiscard]] Context& context() noexcept { return context_; }
  [[nodiscard]] network::Network& network() noexcept { return network_; }
  [[nodiscard]] const Config& config() const noexcept { return config_; }
  void set_config(Config config);
  [[nodiscard]] const PartConfigs& part_configs() const noexcept { return part_configs_; }
  [[nodiscard]] MemoryBudget& memory() noexcept { return memory_; }
  /// Every connection gives up what it holds beyond a gap.
  void drop_out_of_order() noexcept;
  [[nodiscard]] Stats& stats() noexcept { return stats_; }
  [[nodiscard]] const DropCounters& drops() const noexcept { return drops_; }
  [[nodiscard]] const Held<EventQueue>& events() const noexcept { return events_; }
  [[nodiscard]] FastOpenCache& fast_open_cache() noexcept { return fast_open_cache_; }
  [[nodiscard]] bool fast_open_ready(IpAddress server);
  [[nodiscard]] const SynCookies& cookies() const noexcept { return cookies_; }
  [[nodiscard]] ResetQueue& resets() noexcept { return resets_; }
  [[nodiscard]] TimeWaitTable& time_wait() noexcept { return time_wait_; }
  [[nodiscard, gnu::cold, gnu::noinline]] std::unexpected<Drop> drop(Drop reason) { return reject(context_, drops_, LayerId::tcp, reason); }
  /// Where the timestamp clock of a connection starts (RFC 7323 section 7.1).
  [[nodiscard]] std::uint32_t timestamp_offset(const FourTuple& tuple) const noexcept {
    return static_cast<std::uint32_t>(timestamp_offsets_(tuple));
  }
  /// Whether the stack may send one more challenge ACK (RFC 5961 section 7).
  [[nodiscard]] bool may_challenge() { return challenges_.allow(context_.now(), config_.all_challenge_acks, config_.challenge_period); }
  /// Answers a segment that belongs to nothing (RFC 9293 section 3.5.2 group 1).
  void reset_stranger(const Segment& segment, const FourTuple& tuple, std::uint8_t tos);
  void forget(const FourTuple& tuple) { connections_.erase(tuple); }
  /// That of a connection that is not over.
  [[nodiscard]] std::shared_ptr<ConnectionRecord> record_of(const FourTuple& tuple) const { return connections_.find(tuple); }
  /// Whether connections may have them.
  [[nodiscard]] bool may_use(const Settings& settings) const;
  [[nodiscard]] BlockPool& core_memory() noexcept { return core_memory_; }
  /// With what is left to the stack.
  [[nodiscard]] SharedSettings share(Settings settings);
  [[nodiscard]] IdleKinds& idle_kinds() noexcept { return idle_kinds_; }
  /// What is left of a handshake takes the connection's place.
  void put_away(ConnectionCore& connection, ListenerCore& listener);
  /// Those that were put away are connections again: of this listener, or, with nullptr, all.
  void make_handshakes_whole(const ListenerCore* of_listener);
  void forget(const ListenerCore& listener);
  /// The connections that it counts as handshakes under way.
  [[nodiscard]] std::vector<Held<ConnectionCore>> handshakes_of(const ListenerCore& listener) const;

 private:
  [[nodiscard]] Accepted dispatch(Arrival&& arrival);
  [[nodiscard, gnu::noinline]] Accepted stranger_arrives(Arrival& arrival);
  [[nodiscard, gnu::cold, gnu::noinline]] std::unexpected<Drop> malformed(Drop reason);
  [[nodiscard]] bool is_listening(Port port) const;
  [[nodiscard]] Accepted read(Arrival& arrival, const network::Received& from);
  [[gnu::cold, gnu::noinline]] void acknowledge_damaged(const FourTuple& tuple);
  [[nodiscard]] bool checksum_ok(const Packet& packet, const network::Received& from) const;
  [[nodiscard]] Accepted time_wait_arrives(Arrival& arrival, const TimeWaitRecord& record);
  [[nodiscard]] Accepted listen_arrives(Arrival& arrival, ListenerCore& listener, std::optional<TimeWaitRecord> former);
  [[nodiscard]] FastOpenAnswer answer_fast_open(const Arrival& syn, ListenerCore& listener);
  [[nodiscard]] Accepted open(Arrival& syn, ListenerCore& listener, std::optional<TimeWaitRecord> former);
  [[nodiscard]] Accepted answer_with_cookie(const Arrival& syn, ListenerCore& listener);
  [[nodiscard]] Accepted cookie_arrives(Arrival& arrival, ListenerCore& listener);
  [[nodiscard]] std::uint16_t pseudo_header_sum(IpAddress local, IpAddress remote, std::size_t size) noexcept;
  void acknowledge_from_time_wait(const TimeWaitRecord& record);
  [[nodiscard]] std::shared_ptr<ListenerCore> find_listener(const FourTuple& tuple) const;
  [[nodiscard]] Result<FourTuple> choose_ends(const Endpoint& remote, const Endpoint& local);
  [[nodiscard]] std::shared_ptr<ConnectionRecord> add(const FourTuple& tuple, const SharedSettings& settings, SeqNum iss);
  /// TIME-WAIT not counted.
  [[nodiscard]] std::size_t open_connections() const noexcept { return connections_.size() + half_open_.size(); }
  [[nodiscard]] ConnectionRecord* find(const FourTuple& tuple);
  [[nodiscard, gnu::noinline]] ConnectionRecord* find_half_open(const FourTuple& tuple);
  [[nodiscard]] std::shared_ptr<ConnectionRecord> make_whole(const HalfOpen& kept);
  void handshake_due(const HalfOpen& kept);
  [[nodiscard]] std::string in_words(Direction direction, const Header& header, const FourTuple& tuple) const;
  [[gnu::cold, gnu::noinline]] void observe(Direction direction, const Packet& packet, const Header& header, const FourTuple& tuple) const;
  void observe(const Endpoint& listener, State from, State to) const;

  Context& context_;
  network::Network& network_;
  Config config_;
  PartConfigs part_configs_;
  SipKey hash_key_;
  IsnGenerator isn_;
  EphemeralPorts ports_;
  FourTupleHash timestamp_offsets_;
  Stats stats_;
  DropCounters drops_;
  SynCookies cookies_;
  ChallengeBudget challenges_;
  Held<EventQueue> events_;  ///< connections that are over hold it, too: their handles may still ask for news
  MemoryBudget memory_;
  ResetQueue resets_;
  BlockPool core_memory_;
  TimeWaitTable time_wait_;
  HalfOpenTable half_open_;
  ConnectionTable<ConnectionRecord> connections_;
  struct {
    IpAddress local;
    IpAddress remote;
    std::uint16_t sum = 0;
  } known_pseudo_header_;  ///< of the last segment, its size left out
  SettingsCache settings_;
  IdleKinds idle_kinds_;
  std::map<Endpoint, std::vector<std::shared_ptr<ListenerCore>>> listeners_;  ///< several where all share their port; none is empty
  FastOpenKey fast_open_key_{};                                               ///< where nobody has chosen one
  FastOpenCache fast_open_cache_;
};

}  // namespace tapir::tcp::detail
