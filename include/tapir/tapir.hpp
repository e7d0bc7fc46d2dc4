#pragma once

// Everything a program needs: the stack, its drivers and links, and the MQTT client.

#include <tapir/link/capture.hpp>
#include <tapir/link/impair.hpp>
#include <tapir/link/tap.hpp>
#include <tapir/mqtt/client.hpp>
#include <tapir/runtime/report.hpp>
#include <tapir/runtime/runtime.hpp>
#include <tapir/runtime/shards.hpp>
#include <tapir/sim/cable.hpp>
#include <tapir/sim/switch.hpp>
#include <tapir/sim/world.hpp>
#include <tapir/stack/journey.hpp>
#include <tapir/stack/of_shard.hpp>
#include <tapir/stack/stack.hpp>
