// The command-line tool: MQTT by mosquitto's letters, over a TCP/IP stack of its own.

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "commands.hpp"
#include "manual.hpp"

namespace {

using tool::Exit;

/// One line on standard error for what is wrong with the command line.
int misused(std::string why, const std::string& command) {
  std::ranges::replace(why, '\n', ' ');
  std::fputs(fmt::format("tapir: {} (see tapir {}--help)\n", why, command).c_str(), stderr);
  return static_cast<int>(Exit::usage);
}

struct CommandLine {
  CLI::App app{"MQTT over a TCP/IP stack of its own, on a TAP device", "tapir"};
  CLI::App* pub = nullptr;
  CLI::App* sub = nullptr;
  tool::NetworkOptions network;
  tool::BrokerOptions pub_broker;
  tool::BrokerOptions sub_broker;
  tool::PublishOptions publishing;
  tool::SubscribeOptions subscribing;
  std::string manual;

  CommandLine() {
    app.set_help_flag("--help", "show this and end");  // -h is the broker's
    app.require_subcommand(0, 1);
    network.add_to(app);
    app.add_option("--man", manual, "print the man page of a command and end")->group("")->check(CLI::IsMember({"pub", "sub"}));
    pub = command("pub", "publishes messages to an MQTT broker");
    pub_broker.add_to(*pub);
    publishing.add_to(*pub);
    sub = command("sub", "subscribes at an MQTT broker and prints what arrives");
    sub_broker.add_to(*sub);
    subscribing.add_to(*sub);
  }
  CLI::App* command(const char* name, const char* description) {
    auto* const added = app.add_subcommand(name, description);
    added->fallthrough();  // the stack's options may stand behind the command too
    added->footer(tool::notes_of(name) + "\n\nThe options of the network stack (tapir --help) may stand here too.");
    return added;
  }
};

int run(CommandLine& line) {
  if (!line.manual.empty()) {
    const auto page = tool::man_page(line.app, line.manual == "pub" ? *line.pub : *line.sub);
    return std::fputs(page.c_str(), stdout) >= 0 ? 0 : 1;
  }
  const bool is_pub = line.pub->parsed();
  if (!is_pub && !line.sub->parsed()) return misused("a command is missing: pub or sub", "");
  auto& broker = is_pub ? line.pub_broker : line.sub_broker;
  std::string wrong = broker.complete(is_pub ? line.publishing.topics : line.subscribing.topics);
  if (wrong.empty()) wrong = is_pub ? line.publishing.problem() : line.subscribing.problem();
  if (wrong.empty()) wrong = line.network.problem();
  if (!wrong.empty()) return misused(wrong, is_pub ? "pub " : "sub ");
  return is_pub ? tool::publish(line.network, broker, line.publishing) : tool::subscribe(line.network, broker, line.subscribing);
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine line;
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return line.app.exit(error);  // --help
    return misused(error.what(), line.pub->parsed() ? "pub " : line.sub->parsed() ? "sub " : "");
  }
  return run(line);
}
