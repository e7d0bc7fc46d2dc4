#include "congestion_registry.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "bbr.hpp"
#include "cubic.hpp"
#include "new_reno.hpp"
#include "segment_cubic.hpp"

namespace tapir::tcp {

namespace {
template <class Algorithm>
void make(const CongestionParameters& parameters, CongestionSlot& slot) {
  slot.emplace<Algorithm>(parameters);
}

void make_bbr(const CongestionParameters& parameters, CongestionSlot& slot) { slot = std::make_unique<Bbr>(parameters); }

void make_cubic(const CongestionParameters& parameters, CongestionSlot& slot) {
  parameters.whole_segments ? make<SegmentCubic>(parameters, slot) : make<Cubic>(parameters, slot);
}

struct Entry {
  std::string_view name;
  void (*make)(const CongestionParameters&, CongestionSlot&);
};
constexpr std::array kBuiltIn{
    Entry{"bbr", make_bbr}, Entry{"cubic", make_cubic}, Entry{"newreno", make<NewReno>}, Entry{"reno", make<NewReno>},  // as Linux calls it
};

const Entry* find_built_in(std::string_view name) {
  const auto* found = std::ranges::find(kBuiltIn, name, &Entry::name);
  return found == kBuiltIn.end() ? nullptr : found;
}

const CongestionControlFactory* find(std::string_view name, const CongestionControls& of_user) {
  const auto found = of_user.find(name);
  return found != of_user.end() && found->second ? &found->second : nullptr;
}
}  // namespace

bool make_congestion_control(std::string_view name, const CongestionControls& of_user, const CongestionParameters& parameters,
                             CongestionSlot& slot) {
  if (const CongestionControlFactory* factory = find(name, of_user)) {
    auto made = (*factory)(parameters);
    if (made == nullptr) return false;
    slot = std::move(made);
    return true;
  }
  const Entry* entry = find_built_in(name);
  if (entry != nullptr) entry->make(parameters, slot);
  return entry != nullptr;
}

bool has_congestion_control(std::string_view name, const CongestionControls& of_user) {
  return find(name, of_user) != nullptr || find_built_in(name) != nullptr;
}

}  // namespace tapir::tcp
