#pragma once

#include <memory>

#include <tapir/sim/cable.hpp>
#include <tapir/sim/world.hpp>

/// README's program as host 192.0.2.2 on the cable's left end; what it returns from main().
int readme_program(tapir::sim::World& runtime, tapir::sim::Cable& cable);
