#include <catch2/catch.hpp>

#include <cstring>

#include <nlohmann/json.hpp>

#include <command_options.hpp>
#include <format.hpp>

using namespace tapir::mqtt;
using namespace tool;

namespace {

constexpr std::timespec kAt{.tv_sec = 1'600'000'000, .tv_nsec = 12'345'678};

const Message kPlain{.topic = "a/b", .payload = "{\"x\": 1}", .qos = QoS::at_least_once, .retain = true};

const Message kFull{.topic = "t",
                    .payload = "hi",
                    .properties = {{property::payload_format_indicator, true},
                                   {property::message_expiry_interval, 4'000'000'000},
                                   {property::content_type, "text/plain"},
                                   {property::response_topic, "back/here"},
                                   {property::correlation_data, "c1"},
                                   {property::subscription_identifier, 268'435'455},
                                   {property::topic_alias, 65'535},
                                   {property::user_property, {"k", "v w"}},
                                   {property::user_property, {"k", "2"}}}};

std::string shown(std::string_view format, const Message& message) { return formatted(format, message, kAt); }

}  // namespace

TEST_CASE("fields of a message in every version", "[tool]") {
  CHECK(shown("%t %p %l %q %r", kPlain) == "a/b {\"x\": 1} 8 1 1");
  CHECK(shown("%x|%X|%%", Message{.payload = "\x1fz"}) == "1f7a|1F7A|%");
  CHECK(shown("%U @N @@", kPlain) == "1600000000.012345678 012345678 @");
  CHECK(shown(R"(\0\a\e\n\r\t\v\\)", kPlain) == std::string("\0\a\033\n\r\t\v\\", 8));
}

TEST_CASE("JSON that is nested too deep is not printed as such, for that takes a call for each level", "[tool]") {
  PrintOptions options;
  options.format = "%J";
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
  };
  for (const auto& payload : {nested(1000), std::string{R"({"a":"\"[{", "b":[1]})"}, R"(["\\",)" + nested(998) + "]"}) {
    const Message message{.topic = "t", .payload = std::string_view{payload}};
    CHECK(payload_problem(options, message).empty());
    CHECK(nlohmann::json::parse(shown("%J", message)).at("payload") == nlohmann::json::parse(payload));
  }
  for (const int depth : {1001, 1'000'000}) {
    const auto payload = nested(depth);
    const Message message{.topic = "t", .payload = std::string_view{payload}};
    CHECK(payload_problem(options, message) == "a message to t has a payload that is not JSON, or JSON that is nested more than 1000 deep");
    CHECK(shown("%J", message).empty());
    CHECK(nlohmann::json::parse(shown("%j", message)).at("payload") == payload);
  }
}

TEST_CASE("a message without payload is printed as mosquitto does", "[tool]") {
  const Message empty{.topic = "e"};
  PrintOptions verbose;
  verbose.verbose = true;
  PrintOptions bare = verbose;
  bare.no_newline = true;
  PrintOptions format;
  format.format = "%t|%p|";
  CHECK(text_of(PrintOptions{}, empty).empty());
  CHECK(text_of(verbose, empty) == "e (null)\n");
  CHECK(text_of(bare, empty).empty());
  CHECK(text_of(format, empty) == "e||\n");
  CHECK(text_of(verbose, Message{.topic = "e", .payload = "x"}) == "e x\n");
}

TEST_CASE("fields of MQTT 5.0, and nothing without the property", "[tool]") {
  struct Case {
    const char* format;
    const char* text;
  };
  for (const auto& [format, text] : {Case{"%A", "65535"}, Case{"%C", "text/plain"}, Case{"%D", "c1"}, Case{"%E", "4000000000"},
                                     Case{"%F", "1"}, Case{"%P", "k:v w k:2"}, Case{"%R", "back/here"}, Case{"%S", "268435455"}}) {
    CAPTURE(format);
    CHECK(format_problem(format).empty());
    CHECK(shown(format, kFull) == text);
    CHECK(shown(std::string{"<"} + format + ">", kPlain) == "<>");
  }
}

TEST_CASE("fields have widths, as in printf", "[tool]") {
  struct Case {
    const char* format;
    const char* text;
  };
  for (const auto& [format, text] :
       {Case{"<%6t>", "<   a/b>"}, Case{"<%-6t>", "<a/b   >"}, Case{"<%.2t>", "<a/>"}, Case{"<%4.2t>", "<  a/>"},
        Case{"<%-4.2t>", "<a/  >"}, Case{"<%06t>", "<   a/b>"}, Case{"<%2t>", "<a/b>"}, Case{"<%04l>", "<0003>"}, Case{"<%-04l>", "<3   >"},
        Case{"<%8p>", "<     xyz>"}, Case{"<%.1p>", "<xyz>"}, Case{"<%8x>", "<  78797a>"}, Case{"<%08X>", "<0078797A>"},
        Case{"<%.2x>", "<78 79 7a>"}, Case{"<%.2:x>", "<78:79:7a>"}, Case{"<%.4-x>", "<7879-7a>"}, Case{"<%9q>", "<0>"},
        Case{"<%5C>", "<     >"}, Case{"<%03A>", "<000>"}}) {
    CAPTURE(format);
    CHECK(format_problem(format).empty());
    CHECK(shown(format, Message{.topic = "a/b", .payload = "xyz"}) == text);
  }
  CHECK(shown("<%7E|%07S|%-7F>", kFull) == "<4000000000|268435455|1      >");
  CHECK(format_problem("%10000t").empty());
  CHECK(format_problem("%10001t") == "wider than 10000");
  CHECK(format_problem("%.99999999999999999999t") == "wider than 10000");
  CHECK(format_problem("%-") == "a lone % at the end");
  CHECK(format_problem("%5") == "a lone % at the end");
  CHECK(format_problem("%.2:") == "a lone % at the end");
  CHECK(format_problem("%:x") == "no such field: %:");
}

TEST_CASE("a payload as a floating-point number", "[tool]") {
  const auto of = [](auto number) {
    std::string bytes(sizeof(number), '\0');
    std::memcpy(bytes.data(), &number, sizeof(number));
    return Message{.topic = "t", .payload = std::string_view{bytes}};
  };
  CHECK(shown("%f", of(21.5F)) == "21.500000");
  CHECK(shown("%8.2f|%-8.0f|", of(-21.5F)) == "  -21.50|-22     |");
  CHECK(shown("%.3d", of(0.1)) == "0.100");
  CHECK(shown("<%f>", of(0.1)) == "<>");
  CHECK(shown("<%d>", of(0.1F)) == "<>");
}

TEST_CASE("a message as JSON, with its properties by mosquitto's names", "[tool]") {
  const auto plain = nlohmann::json::parse(shown("%j", kPlain));
  CHECK(plain["payload"] == "{\"x\": 1}");
  CHECK_FALSE(plain.contains("properties"));
  CHECK_FALSE(plain.contains("mid"));
  CHECK(nlohmann::json::parse(shown("%J", kPlain))["payload"] == nlohmann::json{{"x", 1}});
  const auto full = nlohmann::json::parse(shown("%j", kFull));
  CHECK(full["properties"] == nlohmann::json::parse(R"({
    "payload-format-indicator": 1, "message-expiry-interval": 4000000000, "content-type": "text/plain", "response-topic": "back/here",
    "correlation-data": "c1", "subscription-identifier": 268435455, "topic-alias": 65535, "user-properties": [{"k": "v w"}, {"k": "2"}]})"));
  CHECK(shown("%j", kFull).find('\n') == std::string::npos);
  const auto pretty = formatted("%j", kFull, kAt, true);
  CHECK(pretty.find("\n\t\"topic\": \"t\",\n") != std::string::npos);
  CHECK(nlohmann::json::parse(pretty) == full);
}

TEST_CASE("the packet identifier is shown, and is 0 without one", "[tool]") {
  auto numbered = kPlain;
  numbered.id = PacketId{7};
  CHECK(shown("%m|%4m|%-4m|%04m|%.3m", numbered) == "7|   7|7   |0007|7");
  CHECK(shown("%m", kPlain) == "0");
  for (const char* format : {"%j", "%J"}) {
    const auto text = shown(format, numbered);
    CHECK(nlohmann::json::parse(text)["mid"] == 7);
    CHECK(text.find("\"payloadlen\":8,\"mid\":7,\"payload\":") != std::string::npos);  // in mosquitto's order
  }
}

TEST_CASE("%J of a payload that is not JSON is empty, and said", "[tool]") {
  for (const auto* payload : {"{bad", "nul", "{} trailing", "\xff"}) {
    CAPTURE(payload);
    const Message message{.topic = "t", .payload = std::string_view{payload}};
    CHECK(shown("<%t|%J>", message) == "<t|>");
    CHECK(payload_problem({.format = "%% %J"}, message) == "a message to t has a payload that is not JSON");
    CHECK_FALSE(payload_problem({.format = "%j %p \\\\%t@%%J"}, message).empty());
    CHECK(payload_problem({.format = "%j %p %%J"}, message).empty());
  }
  for (const auto* payload : {"5", "\"x\"", "[]", "null"}) {
    CHECK(payload_problem({.format = "%J"}, Message{.payload = std::string_view{payload}}).empty());
  }
  const Message empty{.topic = "t"};
  CHECK(payload_problem({.format = "%J"}, empty).empty());
  CHECK(nlohmann::json::parse(shown("%J", empty))["payload"].is_null());
}

TEST_CASE("what is wrong with a format is said", "[tool]") {
  CHECK(format_problem("%t @Y \\n").empty());
  CHECK(format_problem("") == "empty");
  CHECK(format_problem("%y") == "no such field: %y");
  CHECK(format_problem("100%") == "a lone % at the end");
  CHECK(format_problem("\\q") == "no such escape: \\q");
}

TEST_CASE("a printed message has its topic and its end of line as wanted", "[tool]") {
  CHECK(text_of({}, kPlain) == "{\"x\": 1}\n");
  CHECK(text_of({.format = {}, .verbose = true}, kPlain) == "a/b {\"x\": 1}\n");
  CHECK(text_of({.format = {}, .no_newline = true}, kPlain) == "{\"x\": 1}");
  CHECK(text_of({.format = "%R", .no_newline = true}, kFull) == "back/here");
}

TEST_CASE("a payload that comes in parts has the same text around it as a whole one", "[tool]") {
  const Message without{.topic = kPlain.topic, .qos = kPlain.qos, .retain = kPlain.retain};
  for (const auto* format : {"", "%p", "%t %l|%p|%q%%", "<%-p>", "\\t%p@@", "@@%p\\\\"}) {
    for (const bool no_newline : {false, true}) {
      CAPTURE(format);
      const PrintOptions options{.format = format, .no_newline = no_newline, .verbose = true};
      REQUIRE(prints_in_parts(options));
      const auto frame = frame_of(options, without, kPlain.payload.size());
      CHECK(frame.has_payload);
      CHECK(frame.before + std::string{kPlain.payload.text()} + frame.behind == text_of(options, kPlain));
    }
  }
  const PrintOptions none{.format = "%t %l %%p"};
  REQUIRE(prints_in_parts(none));
  const auto frame = frame_of(none, without, kPlain.payload.size());
  CHECK_FALSE(frame.has_payload);
  CHECK(frame.before + frame.behind == text_of(none, kPlain));
}

TEST_CASE("a format that makes something of the payload, or prints it twice, needs the whole", "[tool]") {
  for (const auto* format : {"%p%p", "%10p", "%x", "%.2:X", "%j", "%J", "%d", "%f"}) {
    CAPTURE(format);
    CHECK_FALSE(prints_in_parts({.format = format}));
  }
}
