#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include <tapir/core/error.hpp>

/// Numbers that stand for topics during one connection (MQTT 5.0 section 3.3.2.3.4).
namespace tapir::mqtt {

/// The aliases of what is sent: each new topic gets one; when all are given away, the one unused for longest changes its topic.
class OutgoingAliases {
 public:
  struct Choice {
    std::uint16_t alias = 0;  ///< 0: none
    bool known = false;       ///< the server knows it: the topic need not be sent
  };
  OutgoingAliases() = default;
  OutgoingAliases(OutgoingAliases&&) = default;
  OutgoingAliases& operator=(OutgoingAliases&&) = default;
  OutgoingAliases(const OutgoingAliases&) = delete;  // the table points into the list
  OutgoingAliases& operator=(const OutgoingAliases&) = delete;
  ~OutgoingAliases() = default;

  /// A new connection begins, on which 1 to `maximum` may be used.
  void reset(std::uint16_t maximum);
  [[nodiscard]] Choice choose(std::string_view topic);
  /// The packet that would have told the server of this topic was not sent.
  void forget(std::string_view topic);

 private:
  struct Entry {
    std::string topic;
    std::uint16_t alias;
  };
  std::uint16_t maximum_ = 0;
  std::list<Entry> recent_;  ///< the last used first
  std::unordered_map<std::string_view, std::list<Entry>::iterator> by_topic_;
};

/// The aliases of what is received.
class IncomingAliases {
 public:
  void reset(std::uint16_t maximum);
  /// The topic of a PUBLISH with this alias; a topic that is not empty is remembered. topic_alias_invalid above the maximum,
  /// protocol_violation for one that was never given a topic.
  [[nodiscard]] Result<std::string> resolve(std::uint16_t alias, std::string topic);

 private:
  std::uint16_t maximum_ = 0;
  std::unordered_map<std::uint16_t, std::string> topics_;
};

}  // namespace tapir::mqtt
