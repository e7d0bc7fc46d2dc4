#pragma once

namespace tapir {

/// Somebody with a descriptor that a Runtime waits on.
class DescriptorUser {
 public:
  virtual ~DescriptorUser() = default;
  /// The descriptor can be read (or has ended), written, or has failed or hung up. Called from the loop, as long as it is so and wanted; a
  /// failure is always told.
  virtual void on_ready(bool input, bool output, bool failed) = 0;
};

}  // namespace tapir
