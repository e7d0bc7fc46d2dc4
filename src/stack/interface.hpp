#pragma once

#include <memory>
#include <utility>

#include <tapir/stack/stack.hpp>

namespace tapir {

/// What belongs to one interface, lowest first: each is gone before what it stands on.
struct Stack::Interface {
  Interface(Context& context, std::unique_ptr<link::Link> on, const ethernet::Config& framing, const arp::Config& resolution)
      : link{std::move(on)}, ethernet{context, *link, framing}, arp{context, ethernet, framing.address, resolution} {}

  std::unique_ptr<link::Link> link;
  ethernet::Ethernet ethernet;
  arp::Arp arp;
};

}  // namespace tapir
