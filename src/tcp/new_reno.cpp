#include "new_reno.hpp"

namespace tapir::tcp {

void NewReno::avoid(const AckEvent&, std::uint32_t acked_bytes) {
  acked_ += acked_bytes;
  if (acked_ < cwnd()) return;
  acked_ -= cwnd();
  set_cwnd(std::uint64_t{cwnd()} + mss());
}

}  // namespace tapir::tcp
