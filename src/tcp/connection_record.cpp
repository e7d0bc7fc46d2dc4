#include "connection_record.hpp"

#include <utility>

#include "connection_core.hpp"
#include "engine.hpp"

namespace tapir::tcp::detail {

ConnectionRecord::ConnectionRecord(Engine& engine, Held<ConnectionCore> core) noexcept
    : engine_{engine}, tuple_{core->tuple()}, core_{std::move(core)} {}

ConnectionRecord::~ConnectionRecord() = default;

void ConnectionRecord::wake() {
  idle_.announce();
  core_ = ConnectionCore::unpack(engine_, tuple_, idle_);
  idle_.kind.reset();
  ++engine_.stats().wakes;
}

void ConnectionRecord::sleep() {
  core_->pack(idle_);
  core_.reset();
  ++engine_.stats().sleeps;
}

Info ConnectionRecord::info() { return asleep() ? ConnectionCore::look(engine_, tuple_, idle_) : core_->info(); }

}  // namespace tapir::tcp::detail
