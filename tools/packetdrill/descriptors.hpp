#pragma once

#include <unordered_map>

namespace tapir::packetdrill {

/// The numbers that packetdrill knows our sockets by. Each is a real descriptor of its own, of /dev/null: packetdrill compares them with those of
/// files that it opens itself, and at the end of a script closes what is left with the system's own close().
class Descriptors {
 public:
  Descriptors() = default;
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  /// A new number for `socket`; `socket` itself when that is negative; -1 with errno when there is none.
  [[nodiscard]] int add(int socket);
  /// The socket behind a number; -1, which no socket has, for a number that is not ours.
  [[nodiscard]] int socket(int number) const;
  [[nodiscard]] bool contains(int number) const { return sockets_.contains(number); }
  /// Closes the number.
  void remove(int number);

 private:
  std::unordered_map<int, int> sockets_;
};

}  // namespace tapir::packetdrill
