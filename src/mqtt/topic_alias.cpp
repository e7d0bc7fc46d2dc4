#include <tapir/mqtt/topic_alias.hpp>

#include <utility>

#include <tapir/mqtt/error.hpp>

namespace tapir::mqtt {

void OutgoingAliases::reset(std::uint16_t maximum) {
  maximum_ = maximum;
  by_topic_.clear();
  recent_.clear();
}

OutgoingAliases::Choice OutgoingAliases::choose(std::string_view topic) {
  if (maximum_ == 0) return {};
  if (const auto place = by_topic_.find(topic); place != by_topic_.end()) {
    recent_.splice(recent_.begin(), recent_, place->second);
    return {.alias = place->second->alias, .known = true};
  }
  auto alias = static_cast<std::uint16_t>(recent_.size() + 1);
  if (recent_.size() >= maximum_ || (!recent_.empty() && recent_.back().topic.empty())) {
    alias = recent_.back().alias;
    by_topic_.erase(recent_.back().topic);
    recent_.pop_back();
  }
  recent_.push_front({std::string{topic}, alias});
  by_topic_.emplace(recent_.front().topic, recent_.begin());
  return {.alias = alias, .known = false};
}

void OutgoingAliases::forget(std::string_view topic) {
  const auto place = by_topic_.find(topic);
  if (place == by_topic_.end()) return;
  // The number stays taken, without a topic: numbers are given away in order.
  const auto entry = place->second;
  by_topic_.erase(place);
  entry->topic.clear();
  recent_.splice(recent_.end(), recent_, entry);
}

void IncomingAliases::reset(std::uint16_t maximum) {
  maximum_ = maximum;
  topics_.clear();
}

Result<std::string> IncomingAliases::resolve(std::uint16_t alias, std::string topic) {
  if (alias > maximum_) return fail(Error::topic_alias_invalid);
  if (!topic.empty()) {
    topics_[alias] = topic;
    return topic;
  }
  const auto place = topics_.find(alias);
  if (place == topics_.end()) return fail(Error::protocol_violation);
  return place->second;
}

}  // namespace tapir::mqtt
