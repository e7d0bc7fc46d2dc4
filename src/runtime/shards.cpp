#include <tapir/runtime/shards.hpp>

#include <algorithm>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <tapir/core/random_mac.hpp>
#include <tapir/runtime/system_random.hpp>

#include "inboxes.hpp"
#include "steered_link.hpp"

namespace tapir {

// --- what one shard hands over to another ---

Shards::Inboxes::Inboxes(const std::vector<std::unique_ptr<Shard>>& shards) {
  for (const auto& shard : shards) boxes_.emplace_back(shard->runtime());
}

bool Shards::Inboxes::put(std::size_t shard, std::vector<HandedFrame> frames) {
  Box& box = boxes_[shard];
  const std::size_t count = frames.size();
  if (box.waiting.fetch_add(count) + count > most_waiting) {
    box.waiting -= count;
    return false;
  }
  box.runtime.post([&box, frames = std::move(frames)] { deliver(box, frames); });
  return true;
}

void Shards::Inboxes::deliver(Box& box, const std::vector<HandedFrame>& frames) {
  box.waiting -= frames.size();
  if (box.link != nullptr) box.link->take(frames);
}

// --- the shards ---

MacAddress Shard::mac() const noexcept { return shards_.mac(); }

link::Steering::Ports Shard::ports() const noexcept { return shards_.steering().ports(index_); }

/// Who returned first, and what.
struct Shards::Outcome {
  std::mutex mutex;
  std::optional<int> code;
};

namespace {
std::uint32_t random_key() {
  SystemRandom random;
  return static_cast<std::uint32_t>(random.next());
}
MacAddress any_mac() {
  SystemRandom random;
  return random_mac(random);
}

std::vector<std::unique_ptr<link::Link>> as_links(std::vector<link::Tap> queues) {
  std::vector<std::unique_ptr<link::Link>> links;
  links.reserve(queues.size());
  for (auto& queue : queues) links.push_back(std::make_unique<link::Tap>(std::move(queue)));
  return links;
}
}  // namespace

Result<std::unique_ptr<Shards>> Shards::open(const std::string& tap, const ShardsOptions& options) {
  const link::Steering steering{options.count, random_key()};
  if (steering.shards() == 1) {
    auto one = link::Tap::open(tap, options.tap);
    if (one) {
      std::vector<link::Tap> queue;
      queue.push_back(std::move(*one));
      return std::unique_ptr<Shards>{new Shards{steering, as_links(std::move(queue)), options}};
    }
    if (one.error() != link::TapError::not_tap) return fail(one.error());  // a device made for several queues will do as well
  }
  auto opened = link::Tap::open_queues(tap, steering, options.tap);
  if (!opened) return fail(opened.error());
  std::unique_ptr<Shards> shards{new Shards{steering, as_links(std::move(opened->queues)), options}};
  shards->unsteered_ = opened->unsteered;
  return shards;
}

Shards::Shards(std::vector<std::unique_ptr<link::Link>> links, const ShardsOptions& options)
    : Shards{link::Steering{links.size(), random_key()}, std::move(links), options} {}

Shards::Shards(const link::Steering& steering, std::vector<std::unique_ptr<link::Link>> links, const ShardsOptions& options)
    : steering_{steering}, mac_{options.mac ? *options.mac : any_mac()}, outcome_{std::make_unique<Outcome>()} {
  links.resize(steering_.shards());
  for (std::size_t i = 0; i < links.size(); ++i) shards_.push_back(std::unique_ptr<Shard>{new Shard{*this, i, options.runtime}});
  inboxes_ = std::make_unique<Inboxes>(shards_);
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (links[i] == nullptr) continue;  // the shard's stack says so
    if (links.size() > 1) links[i] = std::make_unique<SteeredLink>(i, steering_, std::move(links[i]), *inboxes_);
    shards_[i]->link_ = std::move(links[i]);
  }
}

Shards::~Shards() = default;

int Shards::run(const std::function<int(Shard&)>& main) {
  std::vector<std::thread> threads;
  const auto ended = [this](int code) {
    {
      const std::lock_guard lock{outcome_->mutex};
      if (!outcome_->code) outcome_->code = code;
    }
    stop(code);
  };
  try {
    for (std::size_t i = 1; i < shards_.size(); ++i) threads.emplace_back([&, i] { ended(main(*shards_[i])); });
    ended(main(*shards_.front()));
  } catch (const std::system_error&) {  // a thread that could not be started
    ended(1);
  }
  for (auto& thread : threads) thread.join();
  return outcome_->code.value_or(1);
}

void Shards::stop(int code) {
  for (const auto& shard : shards_) {
    Runtime& runtime = shard->runtime();
    runtime.post([&runtime, code] { runtime.stop(code); });
  }
}

Result<> Shards::stop_on_signals(std::initializer_list<int> signals, int code) {
  return shards_.front()->runtime().stop_on_signals(signals, code);
}

}  // namespace tapir
