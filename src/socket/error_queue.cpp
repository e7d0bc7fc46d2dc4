#include "error_queue.hpp"

#include <netinet/in.h>

#include <utility>

#include "address.hpp"

namespace tapir::posix::detail {

namespace {
constexpr std::size_t kMostErrors = 256;

bool is_icmp(const QueuedError& error) noexcept { return error.origin == SO_EE_ORIGIN_ICMP; }

/// Whether two reports of sends with MSG_ZEROCOPY follow each other: then they are one.
bool joins(const QueuedError& former, const QueuedError& next) noexcept {
  return former.origin == SO_EE_ORIGIN_ZEROCOPY && next.origin == SO_EE_ORIGIN_ZEROCOPY && former.data + 1 == next.info;
}
}  // namespace

void ErrorQueue::add(QueuedError error) {
  if (!errors_.empty() && joins(errors_.back(), error)) {
    errors_.back().data = error.data;
    return;
  }
  if (errors_.size() < kMostErrors) errors_.push_back(std::move(error));
}

QueuedError ErrorQueue::take(int& pending) {
  QueuedError oldest = std::move(errors_.front());
  errors_.pop_front();
  const bool another = !errors_.empty() && is_icmp(errors_.front());
  if (another) {
    pending = errors_.front().why.number;
  } else if (is_icmp(oldest)) {
    pending = 0;
  }
  return oldest;
}

std::size_t tell(const QueuedError& error, Incoming& message) {
  const std::size_t copied = scatter(error.payload, message.parts);
  message.out_flags |= MSG_ERRQUEUE;
  if (copied < error.payload.size() || error.cut_off) message.out_flags |= MSG_TRUNC;
  if (is_icmp(error) || error.local()) message.from = error.destination;
  struct {
    sock_extended_err error;
    sockaddr_in offender;
  } told{};
  told.error.ee_errno = static_cast<std::uint32_t>(error.why.number);
  told.error.ee_origin = error.origin;
  told.error.ee_type = error.type;
  told.error.ee_code = error.code;
  told.error.ee_info = error.info;
  told.error.ee_data = error.data;
  if (is_icmp(error)) told.offender = to_sockaddr({error.reporter, Port{}});
  message.control.add(IPPROTO_IP, IP_RECVERR, told);
  return copied;
}

}  // namespace tapir::posix::detail
