#include "congestion_registry.hpp"

#include <algorithm>
#include <array>

#include "bbr.hpp"
#include "cubic.hpp"
#include "new_reno.hpp"
#include "segment_cubic.hpp"

namespace tapir::tcp {

namespace {
template <class Algorithm>
std::unique_ptr<CongestionControl> make(const CongestionParameters& parameters) {
  return std::make_unique<Algorithm>(parameters);
}

std::unique_ptr<CongestionControl> make_cubic(const CongestionParameters& parameters) {
  return parameters.whole_segments ? make<SegmentCubic>(parameters) : make<Cubic>(parameters);
}

struct Entry {
  std::string_view name;
  std::unique_ptr<CongestionControl> (*make)(const CongestionParameters&);
};
constexpr std::array kBuiltIn{
    Entry{"bbr", make<Bbr>}, Entry{"cubic", make_cubic}, Entry{"newreno", make<NewReno>},
    Entry{"reno", make<NewReno>},  // as Linux calls it
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

std::unique_ptr<CongestionControl> make_congestion_control(std::string_view name, const CongestionControls& of_user,
                                                           const CongestionParameters& parameters) {
  if (const CongestionControlFactory* factory = find(name, of_user)) return (*factory)(parameters);
  const Entry* entry = find_built_in(name);
  return entry == nullptr ? nullptr : entry->make(parameters);
}

bool has_congestion_control(std::string_view name, const CongestionControls& of_user) {
  return find(name, of_user) != nullptr || find_built_in(name) != nullptr;
}

}  // namespace tapir::tcp
