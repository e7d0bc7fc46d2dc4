#pragma once

#include <memory>
#include <utility>

#include <tapir/link/link.hpp>

namespace tapir::link {

/// Stands in for the link that a wrapper was not given: carries nothing. Its MTU of 0 makes a stack refuse it.
class AbsentLink final : public Link {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "none"; }
  [[nodiscard]] const Capabilities& capabilities() const noexcept override { return capabilities_; }
  [[nodiscard]] Result<> transmit(Packet&& /*frame*/) override { return fail(Error::no_such_device); }
  [[nodiscard]] bool writable() const noexcept override { return false; }
  void attach(Demultiplexer<Received>* /*receiver*/) noexcept override {}
  std::size_t drain(std::size_t /*budget*/) override { return 0; }

 private:
  Capabilities capabilities_{.mtu = 0};
};

/// `link`, or an AbsentLink for nullptr.
[[nodiscard]] inline std::unique_ptr<Link> or_absent(std::unique_ptr<Link> link) {
  if (link == nullptr) return std::make_unique<AbsentLink>();
  return link;
}

}  // namespace tapir::link
