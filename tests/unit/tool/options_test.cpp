#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>

#include <tapir/mqtt/property_table.hpp>
#include <tapir/sim/seeded_random.hpp>

#include <command_options.hpp>
#include <manual.hpp>
#include <property_words.hpp>

using namespace tapir::mqtt;
using namespace tool;

namespace {

/// A command line, parsed as the program does it.
template <class Options>
struct Parsed {
  explicit Parsed(std::vector<std::string> words) {
    app.set_help_flag("--help");
    broker.add_to(app);
    options.add_to(app);
    broker.properties.words = take_property_words(app, words);
    std::ranges::reverse(words);
    try {
      app.parse(words);
    } catch (const CLI::ParseError& error) {
      wrong = error.what();
      return;
    }
    wrong = broker.complete(options.topics, Options::kPackets);
    if (wrong.empty()) wrong = options.problem(broker);
  }
  CLI::App app;
  BrokerOptions broker;
  Options options;
  std::string wrong;  ///< empty: nothing
};

std::vector<std::string> with(std::vector<std::string> words, const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}
Parsed<PublishOptions> pub(const std::vector<std::string>& more) {
  return Parsed<PublishOptions>{with({"-t", "x", "-m", "y", "--will-topic", "w"}, more)};
}
Parsed<SubscribeOptions> sub(const std::vector<std::string>& more) {
  return Parsed<SubscribeOptions>{with({"-t", "x", "--will-topic", "w"}, more)};
}
Parsed<RequestOptions> rr(const std::vector<std::string>& more) {
  return Parsed<RequestOptions>{with({"-t", "x", "-m", "y", "--will-topic", "w"}, more)};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("-D gives properties to each packet, between other options", "[tool]") {
  const auto p = pub({"-D",  "publish", "content-type", "text/plain",    "-q", "1", "--property", "PUBLISH", "user-property",       "k",
                      "v w", "-D",      "publish",      "user-property", "k",  "2", "-D",         "connect", "receive-maximum",     "7",
                      "-r",  "-D",      "disconnect",   "user-property", "a",  "b", "-D",         "will",    "will-delay-interval", "5"});
  REQUIRE(p.wrong.empty());
  CHECK(p.broker.properties.publish ==
        Properties{{property::content_type, "text/plain"}, {property::user_property, {"k", "v w"}}, {property::user_property, {"k", "2"}}});
  CHECK(p.broker.properties.connect == Properties{{property::receive_maximum, 7}});
  CHECK(p.broker.properties.disconnect == Properties{{property::user_property, {"a", "b"}}});
  CHECK(p.broker.properties.will == Properties{{property::will_delay_interval, 5}});
  CHECK(p.options.qos == 1);
  CHECK(p.options.retain);
  const auto s = sub({"-D", "subscribe", "subscription-identifier", "9", "-D", "unsubscribe", "user-property", "u", "n"});
  REQUIRE(s.wrong.empty());
  CHECK(s.broker.properties.subscribe == Properties{{property::subscription_identifier, 9}});
  CHECK(s.broker.properties.unsubscribe == Properties{{property::user_property, {"u", "n"}}});
}

TEST_CASE("-D takes any text as a value, whatever it looks like", "[tool]") {
  const std::vector<std::string> values{"[x]", "[a,b]", "[]",  "-x",    "-text", "--",  "--retain", "-D",
                                        "{}",  "",      "'q'", "\"q\"", "%%",    "a=b", "--host=x"};
  for (const auto& value : values) {
    CAPTURE(value);
    const auto p = pub({"-D", "publish", "user-property", value, value, "-D", "publish", "content-type", value, "-r", "-D", "will",
                        "reason-string", value});
    CHECK(contains(p.wrong, "reason-string is not for a will"));  // so far all has its place
    const auto q = pub({"-D", "publish", "user-property", value, value, "--property", "publish", "content-type", value, "-r"});
    REQUIRE(q.wrong.empty());
    CHECK(q.broker.properties.publish == Properties{{property::user_property, {value, value}}, {property::content_type, value}});
    CHECK(q.options.retain);
  }
}

TEST_CASE("what looks like -D and is another option's value stays there", "[tool]") {
  const auto value = Parsed<PublishOptions>{{"-t", "x", "-m", "-D", "-q", "1"}};
  REQUIRE(value.wrong.empty());
  CHECK(value.options.payload.message == "-D");
  CHECK(value.options.qos == 1);
  const auto joined =
      Parsed<PublishOptions>{{"-t", "x", "-m-D", "-rdDpublish", "content-type", "-y", "--property=publish", "response-topic", "z"}};
  REQUIRE(joined.wrong.empty());
  CHECK(joined.options.payload.message == "-D");
  CHECK((joined.options.retain && joined.broker.debug));
  CHECK(joined.broker.properties.publish == Properties{{property::content_type, "-y"}, {property::response_topic, "z"}});

  CLI::App root;
  auto* const command = root.add_subcommand("pub");
  std::string of_root, of_command;
  root.add_option("--tap", of_root);
  command->add_option("-u", of_command);
  std::vector<std::string> line{"--tap", "pub", "-D", "pub", "-u", "-D", "-D", "publish", "user-property", "k", "v", "--", "-D", "x"};
  CHECK(take_property_words(root, line) == std::vector<std::string>{"publish", "user-property", "k", "v"});
  CHECK(line == std::vector<std::string>{"--tap", "pub", "-D", "pub", "-u", "-D", "--", "-D", "x"});
}

TEST_CASE("-D takes every property where the standard lets a client send it, and nowhere else", "[tool]") {
  struct Place {
    std::string command;
    PropertyPlace place;
  };
  const std::vector<Place> places{{"connect", place_of(PacketType::connect)},       {"publish", place_of(PacketType::publish)},
                                  {"subscribe", place_of(PacketType::subscribe)},   {"unsubscribe", place_of(PacketType::unsubscribe)},
                                  {"disconnect", place_of(PacketType::disconnect)}, {"will", kWillProperties}};
  int taken = 0;
  for (const auto& rule : property_rules()) {
    std::string name{rule.name};
    std::ranges::replace(name, '_', '-');
    for (const auto& [command, place] : places) {
      CAPTURE(name, command);
      std::vector<std::string> words{"-i", "c", "-c", "-D", command, name, "1"};  // 1 is a number, a text, a topic, and bytes
      if (rule.type == PropertyType::utf8_pair) words.emplace_back("2");
      const bool publishes = command == "publish";
      const auto wrong = publishes ? pub(words).wrong : sub(words).wrong;
      const bool only_servers_do = (publishes && rule.id == PropertyId::subscription_identifier) || rule.id == PropertyId::server_reference;
      const bool expected = rule.may_stand_in(place) && !only_servers_do;
      CHECK(wrong.empty() == expected);
      taken += expected ? 1 : 0;
      CHECK(contains(", " + properties_of(command), ", " + name + " (") == expected);
    }
  }
  CHECK(taken == 9 + 7 + 2 + 1 + 3 + 7);  // as the standard's table 2-4 has them for clients
}

TEST_CASE("-D that says nothing sensible is refused with the reason", "[tool]") {
  struct Case {
    std::vector<std::string> words;
    const char* why;
  };
  const std::vector<Case> cases{
      {{"-D", "publish", "content-type"}, "-D"},
      {{"-D", "publish", "user-property", "only a name"}, "a name and a value are needed"},
      {{"-D", "publish", "content-type", "a", "b"}, "not expected: b"},
      {{"-D", "puback", "reason-string", "a"}, "puback is none of the packets"},
      {{"-D", "subscribe", "user-property", "k", "v"}, "subscribe is none of the packets"},  // pub subscribes to nothing
      {{"-D", "publish", "colour", "red"}, "MQTT 5.0 has no property colour"},
      {{"-D", "publish", "receive-maximum", "1"}, "receive-maximum is not for a publish"},
      {{"-D", "publish", "message-expiry-interval", "soon"}, "soon is not a whole number"},
      {{"-D", "publish", "message-expiry-interval", "-1"}, "-1 is not a whole number"},
      {{"-D", "publish", "message-expiry-interval", "4294967296"}, "4294967296 is not a whole number that fits"},
      {{"-D", "publish", "payload-format-indicator", "2"}, "invalid value"},
      {{"-D", "publish", "topic-alias", "0"}, "invalid topic alias"},
      {{"-D", "publish", "response-topic", "a/#"}, "invalid value"},
      {{"-D", "publish", "content-type", "\xff"}, "malformed"},
      {{"-D", "publish", "content-type", "a", "-D", "publish", "content-type", "b"}, "repeated"},
      {{"-V", "311", "-D", "publish", "content-type", "a"}, "needs MQTT 5.0"},
      {{"-x", "5", "-D", "connect", "session-expiry-interval", "6"}, "-x says it too"},
      {{"-D", "disconnect", "session-expiry-interval", "6"}, "there must be a session"},
  };
  for (const auto& [words, why] : cases) {
    const auto wrong = pub(words).wrong;
    CAPTURE(words.back(), wrong);
    CHECK(contains(wrong, why));
  }
  CHECK(Parsed<PublishOptions>{{"-t", "x", "-n", "-D", "will", "content-type", "a"}}.wrong == "-D will: a will needs --will-topic");
  CHECK(pub({"-x", "5", "-D", "disconnect", "session-expiry-interval", "6"}).wrong.empty());
}

TEST_CASE("how long a session is kept comes from -x, -c and -D", "[tool]") {
  const auto seconds = [](const std::vector<std::string>& words) {
    const auto p = pub(words);
    REQUIRE(p.wrong.empty());
    return p.broker.connect_properties().get(property::session_expiry_interval);
  };
  CHECK(seconds({}) == std::nullopt);
  CHECK(seconds({"-x", "60"}) == 60U);
  CHECK(seconds({"-i", "me", "-x", "-1"}) == 0xffff'ffffU);
  CHECK(seconds({"-i", "me", "-x", "∞"}) == 0xffff'ffffU);
  CHECK(seconds({"-c", "-i", "me"}) == 0xffff'ffffU);
  CHECK(seconds({"-c", "-i", "me", "-x", "5"}) == 5U);
  CHECK(seconds({"-c", "-i", "me", "-D", "connect", "session-expiry-interval", "8"}) == 8U);
  CHECK(seconds({"-c", "-i", "me", "-V", "311"}) == std::nullopt);
  CHECK_FALSE(pub({"-x", "-2"}).wrong.empty());
}

TEST_CASE("who has no client identifier gets one from the broker, in 3.1 from the random source", "[tool]") {
  tapir::sim::SeededRandom random{1};
  const auto id = [&](const std::vector<std::string>& words) {
    const auto p = pub(words);
    REQUIRE(p.wrong.empty());
    return p.broker.client_id("pub", random);
  };
  CHECK(id({}).empty());
  CHECK(id({"-V", "311"}).empty());
  CHECK(id({"-x", "5"}).empty());
  CHECK(id({"-i", "me"}) == "me");
  CHECK(id({"-I", "me-"}).starts_with("me-"));
  const auto first = id({"-V", "31"});
  CHECK(first.size() == 22);
  CHECK(first != id({"-V", "31"}));
  for (const auto& words : {std::vector<std::string>{"-c"}, {"-c", "-I", "me"}, {"-x", "-1"}, {"-x", "-1", "-I", "me"}}) {
    CHECK(contains(pub(words).wrong, "client identifier"));  // as mosquitto's clients have it
  }
}

TEST_CASE("TLS options without TLS are refused, not passed over", "[tool]") {
  const std::vector<std::vector<std::string>> idle{{"--cert", "a", "--key", "b"}, {"--ciphers", "HIGH"}, {"--tls-version", "tlsv1.3"},
                                                   {"--tls-alpn", "mqtt"},        {"--tls-keylog", "k"}, {"--insecure"}};
  for (const auto& words : idle) {
    CAPTURE(words[0]);
    CHECK(contains(pub(words).wrong, words[0] + ": there is no TLS"));
    for (const std::vector<std::string>& tls : {std::vector<std::string>{"--cafile", "c"},
                                                {"--capath", "c"},
                                                {"--tls-use-os-certs"},
                                                {"-p", "8883"},
                                                {"--psk", "00", "--psk-identity", "i"}}) {
      CHECK(pub(with(words, tls)).wrong.empty());
    }
    CHECK(Parsed<PublishOptions>{with({"-L", "mqtts://h/x", "-n"}, words)}.wrong.empty());
    CHECK(contains(Parsed<PublishOptions>{with({"-L", "mqtt://h/x", "-n"}, words)}.wrong, "there is no TLS"));
    CHECK(Parsed<PublishOptions>{with({"-L", "wss://h/p", "-t", "x", "-n"}, words)}.wrong.empty());
  }
}

TEST_CASE("a request needs its topics and one message", "[tool]") {
  const auto p = rr({"-e", "back", "-q", "2", "-W", "5", "--latency"});
  REQUIRE(p.wrong.empty());
  CHECK(p.options.response_topic == "back");
  CHECK(p.options.qos == 2);
  CHECK(p.options.wait == 5);
  CHECK(p.options.latency);
  CHECK(rr({}).wrong == "no topic for the response: give -e");
  CHECK(contains(rr({"-e", "a/+"}).wrong, "not a topic to publish to"));
  CHECK(contains(rr({"-e", "back", "-n"}).wrong, "only one of"));
  CHECK(contains(Parsed<RequestOptions>{{"-t", "x", "-e", "back"}}.wrong, "no message"));
  CHECK(contains(Parsed<RequestOptions>{{"-m", "x", "-e", "back"}}.wrong, "no topic"));
  CHECK(contains(rr({"-e", "back", "-D", "publish", "response-topic", "other"}).wrong, "what -e says"));
  CHECK(rr({"-e", "back", "-D", "publish", "correlation-data", "7", "-D", "subscribe", "subscription-identifier", "7"}).wrong.empty());
  CHECK(rr({"-e", "back", "-V", "311"}).wrong.empty());
}

TEST_CASE("subscriptions have the options of 5.0", "[tool]") {
  const auto of = [](const std::vector<std::string>& words) {
    const auto p = sub(words);
    REQUIRE(p.wrong.empty());
    return p.options.subscription.to("x", 1);
  };
  CHECK(of({}) == Subscription{.filter = "x", .qos = QoS::at_least_once});
  CHECK(of({"--retain-as-published"}).retain_as_published);
  CHECK(of({"--retain-handling", "new"}).retain_handling == RetainHandling::at_new_subscription);
  CHECK(of({"--retain-handling", "never"}).retain_handling == RetainHandling::never);
  CHECK_FALSE(sub({"--retain-handling", "sometimes"}).wrong.empty());
  CHECK(contains(sub({"-V", "311", "--retain-as-published"}).wrong, "needs MQTT 5.0"));
  CHECK(contains(sub({"-V", "311", "--retain-handling", "never"}).wrong, "needs MQTT 5.0"));
}

TEST_CASE("what CONNECT cannot carry is refused with the option's name", "[tool]") {
  CHECK(contains(pub({"-V", "31", "-i", std::string(24, 'i')}).wrong, "-i: MQTT 3.1 has client identifiers of at most 23 bytes"));
  CHECK(contains(pub({"-V", "31", "-I", std::string(23, 'i')}).wrong, "-I: MQTT 3.1 has client identifiers of at most 23 bytes"));
  CHECK(pub({"-V", "31", "-i", std::string(23, 'i')}).wrong.empty());
  CHECK(pub({"-V", "31"}).wrong.empty());
  CHECK(pub({"-V", "311", "-i", std::string(24, 'i')}).wrong.empty());
  CHECK(contains(pub({"-i", ""}).wrong, "empty"));
  CHECK(contains(pub({"-u", "\xff"}).wrong, "not UTF-8"));
  CHECK(contains(pub({"-u", std::string(65536, 'u')}).wrong, "longer than 65535 bytes"));
  CHECK(contains(pub({"-L", "mqtt://%ff@h/x", "-t", "x"}).wrong, "not UTF-8"));
  CHECK(contains(pub({"-u", "u", "-P", std::string(65536, 'p')}).wrong, "longer than 65535 bytes"));
  CHECK(contains(pub({"--will-payload", std::string(65536, 'w')}).wrong, "longer than 65535 bytes"));
  CHECK(pub({"-u", "u", "-P", std::string(65535, '\xff'), "--will-payload", std::string(65535, '\xff')}).wrong.empty());
}

TEST_CASE("a user name and a password may be empty, and a password does not come alone", "[tool]") {
  CHECK(pub({"-u", "", "-P", ""}).broker.user_name == "");
  CHECK(pub({"-u", ""}).broker.password == std::nullopt);
  CHECK(pub({}).broker.user_name == std::nullopt);
  CHECK(contains(pub({"-P", ""}).wrong, "-P: a password needs a user name"));
}

TEST_CASE("options that would not count are refused, not passed over", "[tool]") {
  CHECK(contains(pub({"--ws-path", "/mqtt"}).wrong, "--ws-path: there is no WebSocket"));
  CHECK(pub({"--ws", "--ws-path", "/mqtt"}).wrong.empty());
  CHECK(contains(pub({"--ws", "--ws-path", "mqtt"}).wrong, "not a path"));
  CHECK(contains(pub({"--ws", "--ws-path", "/a b"}).wrong, "not a path"));
  CHECK(Parsed<PublishOptions>{{"-L", "ws://h/p", "-t", "x", "-n", "--ws-path", "/p"}}.wrong.empty());
  CHECK(contains(Parsed<PublishOptions>{{"-L", "ws://h/a b", "-t", "x", "-n"}}.wrong, "-L: the path has blanks"));
  CHECK(contains(Parsed<PublishOptions>{{"-t", "x", "-l", "--repeat-delay", "0"}}.wrong, "--repeat-delay cannot be used with -l"));
  CHECK(pub({"--repeat-delay", "1"}).wrong.empty());
  CHECK(pub({"--nodelay"}).wrong.empty());

  const auto network = [](std::vector<std::string> words) {
    CLI::App app;
    NetworkOptions options;
    options.add_to(app);
    std::ranges::reverse(words);
    app.parse(words);
    return options.problem();
  };
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--tap", "tap0"},
                                                {"--ip", "192.0.2.2/24"},
                                                {"--gw", "192.0.2.1"},
                                                {"--mac", "02:00:00:00:00:09"},
                                                {"--mtu", "1400"},
                                                {"--pcap", "file"}}) {
    CAPTURE(words[0]);
    CHECK(network(with({"--host-stack"}, words)) == words[0] + ": is for a stack of our own, and cannot be used with --host-stack");
    CHECK(network(with({"--tap", "tap0", "--ip", "192.0.2.2/24"},
                       words[0] == "--tap" || words[0] == "--ip" ? std::vector<std::string>{} : words))
              .empty());
  }
  CHECK(network({"--host-stack", "--seed", "1"}).empty());
  REQUIRE(::setenv("TAPIR_TAP", "tap0", 1) == 0);
  CHECK(network({"--host-stack"}).empty());  // for those programs that do not say --host-stack
  REQUIRE(::unsetenv("TAPIR_TAP") == 0);
}

TEST_CASE("-A is an address", "[tool]") {
  CHECK(pub({"-A", "192.0.2.7"}).broker.bind_address == "192.0.2.7");
  CHECK(pub({"-A", "2001:db8::1"}).wrong.empty());
  CHECK(contains(pub({"-A", "here"}).wrong, "not an IP address"));
}

TEST_CASE("the man page has every option, every identifier of -D, and the fields of -F", "[tool]") {
  CLI::App root{"", "tapir"};
  root.set_help_flag("--help");
  auto* const command = root.add_subcommand("rr", "asks");
  BrokerOptions broker;
  RequestOptions options;
  broker.add_to(*command);
  options.add_to(*command);
  const auto page = man_page(root, *command, RequestOptions::kPackets);
  CHECK(contains(page, ".TH tapir\\-rr 1\n"));
  CHECK(contains(page, "\\fB\\-D, \\-\\-property\\fR \\fICOMMAND IDENTIFIER [NAME] VALUE\\fR"));
  CHECK(contains(page, "\\fB\\-e, \\-\\-response\\-topic\\fR \\fIVALUE\\fR"));
  CHECK(contains(page, "\\fB\\-v, \\-\\-verbose\\fR\n"));  // a flag has no value
  CHECK(contains(page, "publish: payload\\-format\\-indicator (number), "));
  CHECK_FALSE(contains(page, "unsubscribe: "));
  CHECK(contains(page, "%D correlation data"));
  CHECK(contains(page, "mosquitto_rr(1)"));
}
