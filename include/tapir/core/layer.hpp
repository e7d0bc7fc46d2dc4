#pragma once

#include <tapir/core/drop.hpp>
#include <tapir/core/error.hpp>
#include <tapir/core/packet.hpp>

namespace tapir {

/// The way down. `Down` is what the layer above must say about the packet.
template <class Down>
class Encapsulator {
 public:
  virtual ~Encapsulator() = default;
  /// Puts this protocol's header in front of `packet` and hands it to the layer below. The packet is of no use to the caller afterwards, whatever came of it.
  [[nodiscard]] virtual Result<> encapsulate(Packet&& packet, const Down& to) = 0;
};

/// The way up. `Up` is what the layer below reports about the packet.
template <class Up>
class Demultiplexer {
 public:
  virtual ~Demultiplexer() = default;
  /// Checks this protocol's header, takes it off, and hands the rest to the protocol that it names. The packet is of no use to the caller afterwards.
  [[nodiscard]] virtual Accepted demultiplex(Packet&& packet, const Up& from) = 0;
};

/// The contract of every protocol: the same two verbs. A layer keeps a table from protocol identifier (EtherType, IP protocol, port)
/// to the Demultiplexer above it, so that a program can plug in a protocol of its own.
template <class Down, class Up>
class Layer : public Encapsulator<Down>, public Demultiplexer<Up> {};

}  // namespace tapir
