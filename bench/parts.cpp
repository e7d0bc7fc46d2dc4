// The parts of which a packet's way is made, each by itself.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include <benchmark/benchmark.h>

#include <tapir/core/checksum.hpp>
#include <tapir/core/context.hpp>
#include <tapir/core/packet.hpp>
#include <tapir/core/scheduler.hpp>
#include <tapir/ipv4/header.hpp>
#include <tapir/ipv4/reassembly.hpp>
#include <tapir/sim/seeded_random.hpp>

#include <tcp/connection_table.hpp>
#include <tcp/four_tuple.hpp>
#include <tcp/header.hpp>
#include <tcp/options.hpp>
#include <tcp/reassembly.hpp>

namespace {

using namespace tapir;

void checksum(benchmark::State& state) {
  const std::vector<std::byte> bytes(static_cast<std::size_t>(state.range(0)), std::byte{0x5a});
  for (auto _ : state) {
    InternetChecksum sum;
    sum.add(bytes);
    benchmark::DoNotOptimize(sum.value());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(checksum)->Arg(20)->Arg(64)->Arg(1460)->Arg(65160);

/// `count` numbers below it, in random order.
std::vector<std::uint32_t> shuffled(std::size_t count) {
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::shuffle(order, std::minstd_rand{1});
  return order;
}

/// The table by which a segment finds its connection, as tcp::detail::Engine has it.
void connection_lookup(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto tuple = [](std::uint32_t which) {
    return tcp::FourTuple{.local = {Ipv4Address{0xc0000202}, Port{5001}},
                          .remote = {Ipv4Address{0xc6336401 + which / 62'500}, Port{static_cast<std::uint16_t>(1024 + which % 62'500)}}};
  };
  class Connection {
   public:
    explicit Connection(const tcp::FourTuple& tuple) : tuple_{tuple} {}
    [[nodiscard]] const tcp::FourTuple& tuple() const noexcept { return tuple_; }

   private:
    tcp::FourTuple tuple_;
  };
  tcp::ConnectionTable<Connection> table{tcp::FourTupleHash{{.k0 = 1, .k1 = 2}}};
  const auto order = shuffled(count);
  for (const std::uint32_t which : order) table.insert(std::make_shared<Connection>(tuple(which)));
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.find(tuple(order[next])));
    if (++next == count) next = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(connection_lookup)->Arg(100)->Arg(10'000)->Arg(1'000'000);

// --- the timer wheel ---

/// Many timers, armed for moments in the next minute.
class Timers {
 public:
  explicit Timers(std::size_t count) : order_{shuffled(count)} {
    timers_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) timers_.push_back(std::make_unique<One>(*this));
    for (const auto& one : timers_) one->timer.arm_after(somewhen());
  }
  /// Some other one each time.
  [[nodiscard]] Timer& any() {
    next_ = next_ + 1 == order_.size() ? 0 : next_ + 1;
    return timers_[order_[next_]]->timer;
  }
  [[nodiscard]] Duration somewhen() { return std::chrono::microseconds{static_cast<std::int64_t>(numbers_() % 60'000'000)}; }
  [[nodiscard]] Scheduler& scheduler() noexcept { return scheduler_; }
  [[nodiscard]] std::uint64_t expired() const noexcept { return expired_; }

 private:
  struct One {
    explicit One(Timers& all) : owner{&all}, timer{Timer::calling<&One::expire>(all.scheduler_, *this)} {}
    void expire() {
      ++owner->expired_;
      timer.arm_after(std::chrono::minutes{1});
    }
    Timers* owner;
    Timer timer;
  };
  std::minstd_rand numbers_{2};
  std::vector<std::uint32_t> order_;
  std::size_t next_ = 0;
  std::uint64_t expired_ = 0;
  Scheduler scheduler_;
  std::vector<std::unique_ptr<One>> timers_;
};

void timer_cancel_and_arm(benchmark::State& state) {
  Timers timers{static_cast<std::size_t>(state.range(0))};
  for (auto _ : state) {
    Timer& timer = timers.any();
    timer.cancel();
    timer.arm_after(timers.somewhen());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(timer_cancel_and_arm)->Arg(100)->Arg(1'000'000);

/// What an acknowledgment does to the retransmission timer.
void timer_move_later(benchmark::State& state) {
  Timers timers{static_cast<std::size_t>(state.range(0))};
  for (auto _ : state) timers.any().arm_after(std::chrono::minutes{2});
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(timer_move_later)->Arg(100)->Arg(1'000'000);

void timer_expire(benchmark::State& state) {
  Timers timers{static_cast<std::size_t>(state.range(0))};
  Scheduler& scheduler = timers.scheduler();
  for (auto _ : state) scheduler.advance(scheduler.now() + std::chrono::milliseconds{1});
  state.SetItemsProcessed(static_cast<std::int64_t>(timers.expired()));
}
BENCHMARK(timer_expire)->Arg(1'000'000)->Unit(benchmark::kMicrosecond);

// --- headers ---

void parse_tcp_header(benchmark::State& state) {
  PacketPool pool;
  Packet packet{pool, 64};
  packet.append_zeros(64);
  // NOP, NOP, timestamps: what most segments carry.
  constexpr std::array<std::byte, 12> kOptions{std::byte{1}, std::byte{1}, std::byte{8}, std::byte{10}};
  packet.prepend_bytes(kOptions);
  tcp::Header header;
  header.source_port = Port{1024};
  header.destination_port = Port{5001};
  header.set_header_size(sizeof(header) + kOptions.size());
  header.flags = tcp::Flags::ack;
  packet.prepend(header);
  for (auto _ : state) {
    const auto read = packet.peek<tcp::Header>();
    tcp::Segment segment;
    (void)tcp::parse(*read, packet.size(), segment);
    std::array<std::byte, tcp::kMaxOptionsSize> bytes;
    const auto option_bytes = std::span{bytes}.first(read->header_size() - sizeof(tcp::Header));
    (void)packet.copy_out(sizeof(tcp::Header), option_bytes);
    auto options = tcp::parse_options(option_bytes);
    benchmark::DoNotOptimize(segment);
    benchmark::DoNotOptimize(options);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(parse_tcp_header);

void build_ipv4_header(benchmark::State& state) {
  PacketPool pool;
  Packet packet{pool, 64};
  packet.append_zeros(64);
  for (auto _ : state) {
    ipv4::Header& header = ipv4::prepend_header(packet, {});
    header.ttl = 64;
    header.protocol = network::Protocol::tcp;
    header.checksum = ipv4::header_checksum(header, {});
    benchmark::DoNotOptimize(header);
    packet.trim_front(sizeof(header));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(build_ipv4_header);

// --- reassembly ---

Packet piece(PacketPool& pool, std::size_t size) { return Packet{pool, pool.slab(PacketPool::frame_capacity), Packet::headroom, size}; }

/// Segments behind a gap, in random order; then the gap closes. An item is a segment.
void tcp_reassembly(benchmark::State& state) {
  constexpr std::size_t kSize = 1460;
  const auto order = shuffled(static_cast<std::size_t>(state.range(0)));
  PacketPool pool;
  tcp::Reassembly reassembly{pool};
  for (auto _ : state) {
    const tcp::SeqNum start{1000};
    for (const std::uint32_t which : order) {
      benchmark::DoNotOptimize(reassembly.insert(start, start + static_cast<std::uint32_t>(kSize * (which + 1)), piece(pool, kSize)).bytes);
    }
    tcp::SeqNum next = start + static_cast<std::uint32_t>(kSize);
    while (const auto slice = reassembly.take(next)) next = next + static_cast<std::uint32_t>(slice->size());
    if (reassembly.size() != 0) state.SkipWithError("octets were left behind");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(tcp_reassembly)->Arg(8)->Arg(64)->Arg(1024);

/// The fragments of one datagram, in random order. An item is a fragment.
void ipv4_reassembly(benchmark::State& state) {
  constexpr std::size_t kSize = 1480;
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto order = shuffled(count);
  PacketPool pool;
  Scheduler scheduler;
  sim::SeededRandom random{1};
  Context context{scheduler, pool, random};
  ipv4::Reassembly reassembly{context, {}, {}};
  std::uint16_t identification = 0;
  for (auto _ : state) {
    ++identification;
    bool whole = false;
    for (const std::uint32_t which : order) {
      Packet fragment = piece(pool, kSize);
      ipv4::Header header{};
      header.ttl = 64;
      header.protocol = network::Protocol::udp;
      header.source = Ipv4Address{0xc0000201};
      header.destination = Ipv4Address{0xc0000202};
      header.identification = identification;
      header.fragmentation = static_cast<std::uint16_t>(kSize / 8 * which | (which + 1 < count ? ipv4::Header::more_fragments_bit : 0U));
      const ipv4::Header put = ipv4::put_header(fragment, header, {});
      const auto datagram = reassembly.add(std::move(fragment), put, LinkCast::unicast);
      whole = datagram && *datagram;
    }
    if (!whole) state.SkipWithError("the datagram is not whole");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(ipv4_reassembly)->Arg(2)->Arg(44);

}  // namespace

BENCHMARK_MAIN();
