#include <catch2/catch.hpp>

#include <string>

#include <tapir/mqtt/topic.hpp>

using namespace tapir::mqtt;
using namespace std::string_literals;

TEST_CASE("well-formed UTF-8 without U+0000 is a string", "[mqtt][MQTT311-1.5.3-1][MQTT311-1.5.3-2]") {
  for (const auto& text : {""s, "plain"s, "\x7f"s, "\xc2\x80"s, "\xdf\xbf"s, "\xe0\xa0\x80"s, "\xed\x9f\xbf"s, "\xee\x80\x80"s,
                           "\xef\xbf\xbf"s, "\xf0\x90\x80\x80"s, "\xf4\x8f\xbf\xbf"s}) {
    CHECK(is_valid_string(text));
  }
  for (const auto& text : {"\0"s, "a\0b"s, "\x80"s, "\xbf"s, "\xc0\xaf"s, "\xc1\xbf"s, "\xc2"s, "\xc2\x7f"s, "\xe0\x9f\xbf"s, "\xe1\x80"s,
                           "\xed\xa0\x80"s, "\xed\xbf\xbf"s, "\xf0\x8f\xbf\xbf"s, "\xf0\x90\x80"s, "\xf4\x90\x80\x80"s, "\xf5\x80\x80\x80"s,
                           "\xff"s, "\xc0\x00\x80\x80\x80"s}) {
    CHECK_FALSE(is_valid_string(text));
  }
}

TEST_CASE("topic names", "[mqtt][MQTT311-4.7.1-1][MQTT311-4.7.3-1][MQTT311-4.7.3-2][MQTT311-4.7.3-3][MQTT311-3.3.2-2]") {
  for (const auto& topic : {"a"s, "/"s, "a/b/"s, "with space/\xc3\xa4"s, "$SYS/x"s, std::string(65535, 'a')})
    CHECK(is_valid_topic_name(topic));
  for (const auto& topic : {""s, "a/+"s, "a/#"s, "x+y"s, "a\0"s, std::string(65536, 'a'), "\xed\xa0\x80"s})
    CHECK_FALSE(is_valid_topic_name(topic));
}

TEST_CASE("topic filters", "[mqtt][MQTT311-4.7.1-2][MQTT311-4.7.1-3][MQTT311-4.7.3-1][MQTT311-4.7.3-2][MQTT311-4.7.3-3]") {
  for (const auto& filter : {"#"s, "a/#"s, "+"s, "a/+/b"s, "+/+"s, "/+"s, "+/#"s, "a"s, "/"s, "a//b"s, std::string(65535, 'a')}) {
    CHECK(is_valid_topic_filter(filter));
  }
  for (const auto& filter : {""s, "a#"s, "a/#/b"s, "#/a"s, "##"s, "a+"s, "+a"s, "a/b+/c"s, "+#"s, "a\0"s, std::string(65536, 'a')}) {
    CHECK_FALSE(is_valid_topic_filter(filter));
  }
}

TEST_CASE("filters select topics as in section 4.7.1", "[mqtt]") {
  for (const auto* topic : {"sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"}) {
    CHECK(matches("sport/tennis/player1/#", topic));
    CHECK(matches("#", topic));
  }
  CHECK(matches("sport/#", "sport"));
  CHECK_FALSE(matches("sport/#", "sports"));
  CHECK(matches("sport/tennis/+", "sport/tennis/player1"));
  CHECK_FALSE(matches("sport/tennis/+", "sport/tennis/player1/ranking"));
  CHECK_FALSE(matches("sport/+", "sport"));
  CHECK(matches("sport/+", "sport/"));
  CHECK(matches("+/+", "/finance"));
  CHECK(matches("/+", "/finance"));
  CHECK_FALSE(matches("+", "/finance"));
  CHECK(matches("+/tennis/#", "sport/tennis"));
  CHECK(matches("a/b", "a/b"));
  CHECK_FALSE(matches("a/b", "a/B"));
  CHECK_FALSE(matches("a/b", "a/b/"));
  CHECK_FALSE(matches("a/b/c", "a/b"));
}

TEST_CASE("a leading wildcard does not select topics that start with $", "[mqtt][MQTT311-4.7.2-1][MQTT5-4.7.2-1]") {
  CHECK_FALSE(matches("#", "$SYS/x"));
  CHECK_FALSE(matches("+/monitor/Clients", "$SYS/monitor/Clients"));
  CHECK(matches("$SYS/#", "$SYS/x"));
  CHECK(matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
}

TEST_CASE("characters are compared as they are encoded", "[mqtt][MQTT311-4.7.3-4][MQTT5-4.7.3-4]") {
  CHECK(matches("caf\xc3\xa9", "caf\xc3\xa9"));
  CHECK_FALSE(matches("caf\xc3\xa9", "cafe\xcc\x81"));  // e with a combining accent
}
