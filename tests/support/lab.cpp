#include <support/lab.hpp>

#include <stdexcept>
#include <utility>

namespace tapir::test {

Bytes hex(std::string_view digits) {
  Bytes bytes;
  bool high = true;
  for (const char c : digits) {
    if (c == ' ' || c == '\n') continue;
    const auto digit = detail::hex_digit(c);
    if (!digit) throw std::invalid_argument{"not a hexadecimal digit"};
    if (high) {
      bytes.push_back(static_cast<std::byte>(*digit << 4U));
    } else {
      bytes.back() |= static_cast<std::byte>(*digit);
    }
    high = !high;
  }
  return bytes;
}

void Lab::advance(Duration time) {
  const TimePoint end = scheduler.now() + time;
  scheduler.run_ready();
  while (const auto next = scheduler.next_wakeup()) {
    if (*next > end) break;
    scheduler.advance(*next);
    scheduler.run_ready();
  }
  scheduler.advance(end);
  scheduler.run_ready();
}

Packet Lab::packet(std::span<const std::byte> bytes) {
  Packet packet{pool, bytes.size()};
  packet.append_copy(bytes);
  return packet;
}

Result<> RecordingLink::transmit(Packet&& frame) {
  if (full) return fail(Error::would_block);
  if (broken) return fail(broken);
  if (room && sent.size() >= *room) return fail(Error::would_block);
  sent.push_back(frame.bytes());
  metas.push_back(frame.meta());
  return {};
}

Accepted RecordingLink::inject(std::span<const std::byte> frame) {
  Packet packet{pool_, frame.size()};
  packet.append_copy(frame);
  return inject(std::move(packet));
}

Accepted RecordingLink::inject(Packet frame) {
  if (receiver_ == nullptr) return std::unexpected{Drop::not_handled};
  return receiver_->demultiplex(std::move(frame), {});
}

std::vector<Bytes> RecordingLink::take() { return std::exchange(sent, {}); }

}  // namespace tapir::test
