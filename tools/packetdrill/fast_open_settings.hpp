#pragma once

#include <filesystem>

#include <tapir/tcp/settings.hpp>

namespace tapir::packetdrill {

/// Linux' settings of TCP Fast Open, below net/ipv4, in terms of ours.
void read_fast_open(const std::filesystem::path& directory, tcp::Config& config);

}  // namespace tapir::packetdrill
