#include "lingering_closes.hpp"

#include <utility>

#include "stream_socket.hpp"

namespace tapir::posix::detail {

struct LingeringCloses::Lingering {
  Lingering(LingeringCloses& others, std::shared_ptr<StreamSocket> closing, std::function<void()> done)
      : all{others},
        socket{std::move(closing)},
        closed{std::move(done)},
        time_over{Timer::calling<&Lingering::finish>(others.scheduler_, *this)} {}

  void look() {
    if (!socket->lingers()) finish();
  }

  void finish() {
    const auto tell = std::move(closed);
    socket->finish_close();
    all.all_.remove_if([this](const Lingering& other) { return &other == this; });
    tell();
  }

  LingeringCloses& all;
  std::shared_ptr<StreamSocket> socket;
  std::function<void()> closed;
  Timer time_over;
};

LingeringCloses::LingeringCloses(Scheduler& scheduler) noexcept : scheduler_{scheduler} {}
LingeringCloses::~LingeringCloses() = default;

void LingeringCloses::add(std::shared_ptr<StreamSocket> socket, TimePoint deadline, std::function<void()> closed) {
  Lingering& added = all_.emplace_back(*this, std::move(socket), std::move(closed));
  added.socket->on_progress_of_close([&added] { added.look(); });
  added.time_over.arm_at(deadline);
}

}  // namespace tapir::posix::detail
