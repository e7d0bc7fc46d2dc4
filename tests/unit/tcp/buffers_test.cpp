#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>
#include <vector>

#include <support/lab.hpp>

#include "tcp/receive_buffer.hpp"
#include "tcp/ring_queue.hpp"
#include "tcp/send_buffer.hpp"
#include "tcp/slice_queue.hpp"

using namespace tapir;
using tcp::ReceiveBuffer;
using tcp::RingQueue;
using tcp::SendBuffer;
using tcp::SliceQueue;
using test::Bytes;

namespace {
Bytes pattern(std::size_t size, std::size_t from = 0) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((from + i) * 31U >> 2U);
  return bytes;
}
Bytes viewed(const SendBuffer& buffer, PacketPool& pool, std::size_t offset, std::size_t count) {
  Packet packet{pool};
  const std::size_t added = buffer.view(offset, count, packet);
  CHECK(added == packet.size());
  return packet.bytes();
}
/// A slice of a slab as large as a super-segment's.
Slice small_of_big(PacketPool& pool, std::span<const std::byte> bytes) {
  SlabRef slab = pool.slab(PacketPool::super_capacity);
  std::memcpy(slab.bytes().data() + 1000, bytes.data(), bytes.size());
  return Slice{std::move(slab), 1000, bytes.size()};
}
}  // namespace

TEST_CASE("a received packet's bytes are shared with it", "[tcp]") {
  PacketPool pool;
  const Bytes head = pattern(20);
  const Bytes tail = pattern(2000, 20);
  ReceiveBuffer buffer{pool, 10'000};
  {
    Packet packet{pool, 20};
    packet.append_copy(head);
    packet.append(pool.copy(tail));
    buffer.append(packet);
    CHECK(packet.bytes().size() == 2020);
    CHECK(pool.in_use() == 2);
  }
  CHECK(buffer.size() == 2020);
  CHECK(pool.in_use() == 2);
  Bytes read(3000);
  REQUIRE(buffer.read(read) == 2020);
  CHECK(Bytes{read.begin(), read.begin() + 20} == head);
  CHECK(Bytes{read.begin() + 20, read.begin() + 2020} == tail);
  CHECK(pool.in_use() == 0);
}

TEST_CASE("the ring behaves as a deque does", "[tcp]") {
  sim::SeededRandom random{1};
  for (int run = 0; run < 30; ++run) {
    RingQueue<int> ring;
    std::deque<int> model;
    for (int i = 0; i < 400; ++i) {
      const auto n = static_cast<std::ptrdiff_t>(random.below(model.size() + 1));
      switch (random.below(8)) {
        case 0:
        case 1:
          ring.push_back(i);
          model.push_back(i);
          break;
        case 2:
        case 3:
          ring.push_front(i);
          model.push_front(i);
          break;
        case 4:
          ring.insert(static_cast<std::size_t>(n), i);
          model.insert(model.begin() + n, i);
          break;
        case 5: {
          const auto to = n + static_cast<std::ptrdiff_t>(random.below(model.size() - static_cast<std::size_t>(n) + 1)) / 4;
          ring.erase(static_cast<std::size_t>(n), static_cast<std::size_t>(to));
          model.erase(model.begin() + n, model.begin() + to);
          break;
        }
        case 6:
          if (model.empty()) break;
          ring.pop_front();
          model.pop_front();
          break;
        default:
          if (model.empty()) break;
          ring.pop_back();
          model.pop_back();
          break;
      }
      REQUIRE(ring.size() == model.size());
      for (std::size_t k = 0; k < model.size(); ++k) REQUIRE(ring[k] == model[k]);
    }
    const RingQueue<int> moved = std::move(ring);
    CHECK(moved.size() == model.size());
  }
}

namespace {

/// The same random thing is done to a queue and to the string of its bytes.
void change(SliceQueue& queue, Bytes& model, PacketPool& pool, sim::SeededRandom& random, const Bytes& fresh) {
  const auto slice = [&] { return random.below(2) == 0 ? pool.copy(fresh) : small_of_big(pool, fresh); };
  const auto append_to_model = [&] { model.insert(model.end(), fresh.begin(), fresh.end()); };
  switch (random.below(8)) {
    case 0:
    case 1:
      queue.append_copy(fresh);
      append_to_model();
      break;
    case 2:
      queue.append(slice());
      append_to_model();
      break;
    case 3:
      queue.prepend(slice());
      model.insert(model.begin(), fresh.begin(), fresh.end());
      break;
    case 4: {
      SliceQueue other{pool};
      for (std::size_t n = random.below(6); n > 0; --n) {
        other.append(pool.copy(fresh));
        append_to_model();
      }
      queue.append(std::move(other));
      break;
    }
    case 5: {
      const std::size_t count = random.below(model.size() + 100) / 3;
      queue.trim_front(count);
      model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(std::min(count, model.size())));
      break;
    }
    case 6: {
      const std::size_t size = model.size() - random.below(model.size() + 1) / 8;
      queue.truncate(size);
      model.resize(size);
      break;
    }
    default:
      if (model.empty()) break;
      const std::size_t max = 1 + random.below(3000);
      const Slice popped = queue.pop_slice(max);
      REQUIRE(popped.size() >= 1);
      REQUIRE(popped.size() <= max);
      REQUIRE(std::ranges::equal(popped.bytes(), std::span{model}.first(popped.size())));
      model.erase(model.begin(), model.begin() + static_cast<std::ptrdiff_t>(popped.size()));
      break;
  }
  REQUIRE(queue.size() == model.size());
  REQUIRE(queue.empty() == model.empty());
}

/// A random part of the queue, by view() and by copy_out(); the packet that views it, and its bytes.
std::pair<Packet, Bytes> look(const SliceQueue& queue, const Bytes& model, PacketPool& pool, sim::SeededRandom& random) {
  const std::size_t offset = random.below(model.size() + 2);
  const std::size_t count = random.below(4000);
  Packet packet{pool};
  const std::size_t seen = queue.view(offset, count, packet);
  const std::size_t expected = offset < model.size() ? std::min(count, model.size() - offset) : 0;
  REQUIRE(seen == expected);
  const auto begin = model.begin() + static_cast<std::ptrdiff_t>(std::min(offset, model.size()));
  Bytes part(begin, begin + static_cast<std::ptrdiff_t>(expected));
  REQUIRE(packet.bytes() == part);
  Bytes copied(count);
  REQUIRE(queue.copy_out(offset, copied) == expected);
  copied.resize(expected);
  REQUIRE(copied == part);
  return {std::move(packet), std::move(part)};
}

}  // namespace

TEST_CASE("a slice queue is the string of its bytes, whatever is done to it", "[tcp]") {
  sim::SeededRandom random{9};
  PacketPool pool;
  for (int run = 0; run < 40; ++run) {
    SliceQueue queue{pool};
    Bytes model;
    std::vector<std::pair<Packet, Bytes>> kept;  // packets on their way must keep their bytes
    for (int i = 0; i < 120; ++i) {
      change(queue, model, pool, random, pattern(1 + random.below(random.below(4) == 0 ? 6000 : 90), static_cast<std::size_t>(i) * 977));
      auto seen = look(queue, model, pool, random);
      if (kept.size() < 20) kept.push_back(std::move(seen));
    }
    for (const auto& [packet, bytes] : kept) CHECK(packet.bytes() == bytes);
    queue.clear();
    kept.clear();
    CHECK(pool.in_use() == 0);
  }
}

TEST_CASE("many small writes share slabs", "[tcp]") {
  PacketPool pool;
  SendBuffer buffer{pool, 100'000};
  Bytes all;
  for (std::size_t i = 0; i < 2000; ++i) {
    const Bytes write = pattern(10, i * 10);
    CHECK(buffer.append(write) == 10);
    all.insert(all.end(), write.begin(), write.end());
  }
  CHECK(pool.in_use() <= 20000 / PacketPool::frame_capacity + 2);
  CHECK(viewed(buffer, pool, 0, 20000) == all);
}

TEST_CASE("a large write is shared with its packets, not copied again", "[tcp]") {
  PacketPool pool;
  SendBuffer buffer{pool, 1'000'000};
  const Bytes data = pattern(200'000);
  CHECK(buffer.append(data) == data.size());
  Packet packet{pool};
  CHECK(buffer.view(1460, 1460, packet) == 1460);
  const std::size_t slabs = pool.in_use();
  Packet again{pool};
  CHECK(buffer.view(1460, 65000, again) == 65000);
  CHECK(pool.in_use() == slabs + 1);  // the head of the second packet
  CHECK(again.bytes() == Bytes(data.begin() + 1460, data.begin() + 66460));
}

TEST_CASE("the send buffer takes no more than its limit", "[tcp]") {
  PacketPool pool;
  SendBuffer buffer{pool, 100};
  CHECK(buffer.room() == 100);
  CHECK(buffer.append(pattern(60)) == 60);
  CHECK(buffer.append(pattern(60, 60)) == 40);
  CHECK(buffer.append(pattern(1)) == 0);
  CHECK(buffer.append(pool.copy(pattern(1))) == 0);
  CHECK(viewed(buffer, pool, 0, 1000) == pattern(100));
  buffer.acknowledge(30);
  CHECK(buffer.room() == 30);
  CHECK(buffer.append(pool.copy(pattern(50, 100))) == 30);
  CHECK(viewed(buffer, pool, 0, 1000) == pattern(100, 30));
  buffer.set_limit(10);
  CHECK(buffer.room() == 0);
  CHECK(buffer.size() == 100);
  buffer.acknowledge(95);
  CHECK(buffer.room() == 5);
  buffer.acknowledge(1000);
  CHECK(buffer.empty());
  CHECK(pool.in_use() == 0);
}

TEST_CASE("the end of the latest pushed write is known", "[tcp]") {
  PacketPool pool;
  SendBuffer buffer{pool, 10'000};
  CHECK_FALSE(buffer.ends_push(0, 100));
  (void)buffer.append(pattern(100));
  buffer.push();
  CHECK(buffer.ends_push(0, 100));
  CHECK(buffer.ends_push(99, 1));
  CHECK(buffer.ends_push(0, 200));
  CHECK_FALSE(buffer.ends_push(0, 99));
  CHECK_FALSE(buffer.ends_push(100, 50));
  (void)buffer.append(pattern(100));
  CHECK(buffer.ends_push(0, 100));
  buffer.push();
  CHECK_FALSE(buffer.ends_push(0, 100));  // successive marks are one
  CHECK(buffer.ends_push(100, 100));
  buffer.acknowledge(150);
  CHECK(buffer.push_end() == 50);
  CHECK(buffer.ends_push(0, 50));
  (void)buffer.append(pattern(100));
  buffer.discard_from(20);
  CHECK(buffer.push_end() == 20);
  buffer.acknowledge(20);
  CHECK(buffer.push_end() == 0);
  CHECK_FALSE(buffer.ends_push(0, 100));
}

TEST_CASE("the receive buffer gives back what it was given", "[tcp]") {
  PacketPool pool;
  ReceiveBuffer buffer{pool, 1000};
  CHECK(buffer.room() == 1000);
  CHECK_FALSE(buffer.read_slice());
  buffer.append(pool.copy(pattern(300)));
  Packet packet{pool, 400};
  packet.append_copy(pattern(400, 300));
  packet.append(pool.copy(pattern(100, 700)));
  buffer.append(std::move(packet));
  CHECK(buffer.size() == 800);
  CHECK(buffer.room() == 200);
  Bytes out(10);
  CHECK(buffer.peek(out) == 10);
  CHECK(out == pattern(10));
  CHECK(buffer.size() == 800);
  out.resize(350);
  CHECK(buffer.read(out) == 350);
  CHECK(out == pattern(350));
  const auto slice = buffer.read_slice(20);
  REQUIRE(slice);
  CHECK(test::bytes_of(slice->bytes()) == pattern(20, 350));
  CHECK(buffer.discard(30) == 30);
  Bytes rest(1000);
  const auto count = buffer.read(rest);
  rest.resize(count);
  CHECK(rest == pattern(400, 400));
  CHECK(buffer.empty());
  CHECK(buffer.read(out) == 0);
  CHECK(buffer.discard(5) == 0);
}

TEST_CASE("ten bytes do not keep a big slab alive", "[tcp]") {
  PacketPool pool;
  ReceiveBuffer buffer{pool, 100'000};
  Bytes all;
  for (std::size_t i = 0; i < 1000; ++i) {
    const Bytes part = pattern(10, i * 10);
    buffer.append(small_of_big(pool, part));
    all.insert(all.end(), part.begin(), part.end());
  }
  CHECK(pool.in_use() <= 10000 / PacketPool::frame_capacity + 2);
  Bytes out(10000);
  CHECK(buffer.read(out) == 10000);
  CHECK(out == all);
  CHECK(pool.in_use() == 0);
  // A slice that fills its slab is kept as it is.
  const Slice full = pool.copy(pattern(2000));
  const auto* where = full.bytes().data();
  buffer.append(full);
  CHECK(buffer.read_slice()->bytes().data() == where);
}

TEST_CASE("a few small pieces that nobody reads pin little", "[tcp]") {
  PacketPool pool;
  SliceQueue queue{pool};
  std::string text;
  for (int i = 0; i < 20; ++i) {
    const std::string piece(10, static_cast<char>('a' + i));
    text += piece;
    SlabRef slab = pool.slab(PacketPool::header_capacity);  // as a short frame lies in
    std::memcpy(slab.bytes().data(), piece.data(), piece.size());
    queue.append(Slice{std::move(slab), 0, piece.size()});
  }
  std::string out(text.size(), '?');
  CHECK(queue.copy_out(0, std::as_writable_bytes(std::span{out})) == text.size());
  CHECK(out == text);
  std::size_t pinned = 0;
  while (!queue.empty()) pinned += queue.pop_slice().pinned();
  CHECK(pinned <= 2 * PacketPool::header_capacity);
}

TEST_CASE("the send buffer never outgrows sequence space", "[tcp]") {
  PacketPool pool;
  SendBuffer buffer{pool, ~std::size_t{0}};
  CHECK(buffer.limit() == std::size_t{1} << 30U);
  buffer.set_limit(std::size_t{1} << 40U);
  CHECK(buffer.room() == std::size_t{1} << 30U);
  buffer.set_limit(5);
  CHECK(buffer.append(pattern(10)) == 5);
}
