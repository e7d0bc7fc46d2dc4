#include <tapir/sim/switch.hpp>

#include <tuple>
#include <utility>

#include <tapir/ethernet/ether_type.hpp>
#include <tapir/ethernet/fcs.hpp>
#include <tapir/link/segmentation.hpp>

namespace tapir::sim {

namespace {
/// 01-80-C2-00-00-00 to -0F are for the neighbour only (IEEE 802.1D table 7-10).
bool is_for_neighbour(const MacAddress& address) noexcept {
  const auto& o = address.octets();
  return o[0] == 0x01 && o[1] == 0x80 && o[2] == 0xc2 && o[3] == 0 && o[4] == 0 && o[5] <= 0x0f;
}
}  // namespace

class Switch::Port final : public Demultiplexer<link::Received> {
 public:
  Port(Switch& owner, std::size_t number, std::unique_ptr<link::Link> link) : owner_{owner}, number_{number}, link_{std::move(link)} {
    link_->attach(this);
  }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  ~Port() override {
    link_->attach(nullptr);
    owner_.driver_.forget(*link_);
  }

  [[nodiscard]] const link::Link& link() const noexcept { return *link_; }
  [[nodiscard]] Accepted demultiplex(Packet&& frame, const link::Received&) override { return owner_.receive(number_, std::move(frame)); }

  /// Sends a frame without FCS; what the sender's device left to others is done here unless this port's device does it. Whether it was taken.
  bool send(Packet frame) {
    const link::Capabilities& can = link_->capabilities();
    const bool whole = can.largest(frame.meta().gso) > 0 && can.completes_checksums;
    const bool partial = frame.meta().gso == GsoKind::none && can.completes_checksums;
    if (whole || partial) return link_->transmit(std::move(frame)).has_value();
    bool taken = true;
    link::split(std::move(frame), [&](Packet single) {
      if (can.carries_fcs) ethernet::append_fcs(single);
      taken = link_->transmit(std::move(single)).has_value() && taken;
    });
    return taken;
  }

 private:
  Switch& owner_;
  std::size_t number_;
  std::unique_ptr<link::Link> link_;
};

Switch::Switch(Driver& driver, SwitchConfig config) : driver_{driver}, config_{config} {}

Switch::~Switch() = default;

std::unique_ptr<link::Link> Switch::plug_in(const CableConfig& config) {
  Cable& cable = cables_.emplace_back(driver_, config);
  std::ignore = connect(cable.left());  // a cable's end has no descriptor: every driver takes it
  return cable.right();
}

Result<std::size_t> Switch::connect(std::unique_ptr<link::Link> link) {
  if (link == nullptr) return fail(Error::invalid_argument);
  if (auto watched = driver_.watch(*link); !watched) return fail(watched.error());
  const std::size_t number = ports_.size();
  ports_.push_back(std::make_unique<Port>(*this, number, std::move(link)));
  return number;
}

std::optional<std::size_t> Switch::port_of(const MacAddress& address) const {
  const auto heard = table_.find(address);
  if (heard == table_.end() || driver_.scheduler().now() - heard->second.at > config_.ageing) return std::nullopt;
  return heard->second.port;
}

Accepted Switch::receive(std::size_t port, Packet frame) {
  const auto drop = [this](Drop reason) {
    drops_.count(reason);
    return std::unexpected{reason};
  };
  ++stats_.received;
  if (ports_[port]->link().capabilities().carries_fcs) {
    if (!ethernet::fcs_ok(frame)) return drop(Drop::bad_fcs);
    frame.truncate(frame.size() - ethernet::fcs_size);
  }
  const auto header = frame.peek<ethernet::Header>();
  if (!header) return drop(Drop::truncated);
  if (header->source.is_group() || header->source.is_zero()) return drop(Drop::bad_source);
  learn(header->source, port);
  forward(port, header->destination, std::move(frame));
  return {};
}

void Switch::learn(const MacAddress& address, std::size_t port) {
  const TimePoint now = driver_.scheduler().now();
  if (const auto heard = table_.find(address); heard != table_.end()) {
    heard->second = {port, now};
    return;
  }
  if (table_.size() >= config_.table_size) {
    std::erase_if(table_, [&](const auto& entry) { return now - entry.second.at > config_.ageing; });
  }
  if (table_.size() >= config_.table_size) {
    ++stats_.table_full;
    return;
  }
  table_.emplace(address, Heard{port, now});
}

void Switch::forward(std::size_t from, const MacAddress& destination, Packet frame) {
  const auto known = destination.is_group() ? std::nullopt : port_of(destination);
  if (is_for_neighbour(destination) || known == from) {
    ++stats_.filtered;
    return;
  }
  if (known) {
    ++stats_.forwarded;
    if (!ports_[*known]->send(std::move(frame))) ++stats_.unsent;
    return;
  }
  ++stats_.flooded;
  for (std::size_t port = 0; port < ports_.size(); ++port) {
    if (port != from && !ports_[port]->send(frame.share())) ++stats_.unsent;
  }
}

}  // namespace tapir::sim
