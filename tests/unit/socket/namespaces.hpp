#pragma once

namespace tapir::test {

/// Three hosts that the kernel plays, each in a network namespace of its own: one with nothing but its loopback, and two at the ends of a veth pair, 192.0.2.1 and
/// 192.0.2.2, both with a prefix of 24 bits. Groups and
/// 255.255.255.255 are reached over it. What the near one sends to 192.0.2.78 is lost: a host that is silent. They are made when they are first asked for, which takes root, and end with the process. What a thread does afterwards it
/// does on the host that it chose last.
class Namespaces {
 public:
  enum class Name : unsigned char { alone, near, far };

  /// Throws std::runtime_error, with the reason, where namespaces cannot be had.
  [[nodiscard]] static const Namespaces& instance();
  /// From now on the sockets that this thread opens are that host's.
  void enter(Name name) const;
  /// The hosts forget what they have learned of paths, so that one test leaves nothing to the next.
  void forget_paths() const;

  Namespaces(const Namespaces&) = delete;
  Namespaces& operator=(const Namespaces&) = delete;
  ~Namespaces() = default;

 private:
  Namespaces();

  int alone_;
  int near_;
  int far_;
};

}  // namespace tapir::test
