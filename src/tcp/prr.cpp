#include "prr.hpp"

#include <algorithm>
#include <limits>

namespace tapir::tcp {

std::uint32_t Prr::on_ack(std::uint32_t delivered, std::uint32_t in_flight, bool safe, std::uint32_t mss) noexcept {
  delivered_ += delivered;
  const std::uint64_t unspent = delivered_ > out_ ? delivered_ - out_ : 0;
  std::uint64_t count = 0;
  if (in_flight > ssthresh_) {
    const std::uint64_t share = (delivered_ * ssthresh_ + recover_fs_ - 1) / recover_fs_;
    count = share > out_ ? share - out_ : 0;
  } else {
    count = std::max<std::uint64_t>(unspent, delivered);  // the conservative bound: what has left may be replaced
    if (safe) count += mss;                               // the slow start bound
    count = std::min<std::uint64_t>(count, ssthresh_ - in_flight);
  }
  if (out_ == 0 && count == 0) count = mss;  // the fast retransmit itself
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(count, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace tapir::tcp
