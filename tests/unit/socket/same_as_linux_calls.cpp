#include <array>
#include <atomic>
#include <chrono>
#include <memory>

#include <scenario/pair.hpp>
#include <tapir/runtime/runtime.hpp>
#include <tapir/sim/world.hpp>
#include <tapir/socket/service.hpp>
#include <tapir/socket/sockets.hpp>
#include <tapir/stack/stack.hpp>

#include "calls_of.hpp"
#include "same_as_linux.hpp"
#include "unix_link.hpp"

namespace tapir::test {

namespace {

/// As the kernel's hosts are set up.
StackConfig as_furnished() {
  StackConfig config;
  config.tcp.fast_open = tcp::FastOpenUse::client | tcp::FastOpenUse::server;
  config.arp.failure_hold = {};  // the kernel asks again at once
  return config;
}

/// A host with nothing but its loopback, in virtual time.
class OneHost final : public CallsOf<posix::Sockets> {
  posix::Sockets& at(Host) override { return sockets_; }
  void settle() override { world_.run_for(std::chrono::microseconds{1}); }

  sim::World world_{{.seed = 1}};
  Stack stack_{world_, as_furnished()};
  posix::Sockets sockets_{stack_};
};

/// Two hosts on a cable in virtual time.
class TwoHosts final : public CallsOf<posix::Sockets> {
  posix::Sockets& at(Host host) override { return host == Host::near ? near_ : far_; }
  void settle() override { pair_.world.run_for(std::chrono::microseconds{1}); }

  Pair pair_{{.cable = {.delay = {}}, .left = as_furnished(), .right = as_furnished()}};
  posix::Sockets near_{*pair_.left};
  posix::Sockets far_{*pair_.right, {.first_descriptor = kFirstFar}};
};

/// The same host, whose stack runs on a thread of its own in real time.
class ServiceOnOneHost final : public CallsOf<posix::Service> {
  posix::Service& at(Host) override { return sockets_; }
  void settle() override {
    for (int i = 0; i < 3; ++i) (void)sockets_.poll(nullptr, 0, 0);  // a look at nothing lets the stack go on
  }

  Runtime runtime_;
  Stack stack_{runtime_, as_furnished()};
  posix::Service sockets_{runtime_, stack_};
};

/// Two hosts as above, each on a thread of its own.
class ServiceOnTwoHosts final : public CallsOf<posix::Service> {
  posix::Service& at(Host host) override { return host == Host::near ? near_.sockets : far_.sockets; }
  /// Until neither has anything to say to the other. Of two looks at nothing the first may come in the same turn as a frame; behind the second that is answered.
  void settle() override {
    for (int before = -1; before != frames_;) {
      before = frames_;
      for (posix::Service* const sockets : {&near_.sockets, &far_.sockets}) {
        for (int i = 0; i < 2; ++i) (void)sockets->poll(nullptr, 0, 0);
      }
    }
  }

  static StackConfig at_address(std::uint32_t address) {
    StackConfig config = as_furnished();
    config.address = Ipv4Prefix{Ipv4Address{address}, 24};
    return config;
  }

  struct One {
    One(int fd, std::atomic<int>& frames, Ipv4Address address, int first_descriptor)
        : stack{runtime, std::make_unique<UnixLink>(fd, runtime.pool(), frames), at_address(address.value())},
          sockets{runtime, stack, {.first_descriptor = first_descriptor}} {}
    Runtime runtime;
    Stack stack;
    posix::Service sockets;
  };

  std::atomic<int> frames_{0};
  std::array<int, 2> ends_ = UnixLink::pair();
  One near_{ends_[0], frames_, kLeftAddress, 3};
  One far_{ends_[1], frames_, kRightAddress, kFirstFar};
};

}  // namespace

std::unique_ptr<Calls> own_calls(Setting setting) {
  if (setting == Setting::one_host) return std::make_unique<OneHost>();
  return std::make_unique<TwoHosts>();
}
std::unique_ptr<Calls> service_calls(Setting setting) {
  if (setting == Setting::one_host) return std::make_unique<ServiceOnOneHost>();
  return std::make_unique<ServiceOnTwoHosts>();
}

}  // namespace tapir::test
