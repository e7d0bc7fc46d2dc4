#pragma once

#include <tapir/core/error.hpp>
#include <tapir/link/steering.hpp>

namespace tapir::link {

/// Has the kernel choose the queue of each frame of a TAP device as `steering` says, by an eBPF program (TUNSETSTEERINGEBPF): conversations go to their
/// owner's queue, all else to the first. `queue`: any queue of the device. Fails with the system's error, for example where bpf(2) is not allowed.
[[nodiscard]] Result<> steer_queues(int queue, const Steering& steering) noexcept;

}  // namespace tapir::link
