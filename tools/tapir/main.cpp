// The command-line tool: MQTT by mosquitto's letters, over a TCP/IP stack of its own.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "commands.hpp"
#include "manual.hpp"
#include "property_words.hpp"

namespace {

using tool::Exit;

/// One line on standard error for what is wrong with the command line.
int misused(std::string why, const std::string& command) {
  std::ranges::replace(why, '\n', ' ');
  std::fputs(fmt::format("tapir: {} (see tapir {}--help)\n", why, command).c_str(), stderr);
  return static_cast<int>(Exit::usage);
}

/// One of the commands: what its options say, and what it does.
template <class Options>
struct Command {
  using Run = int (*)(const tool::NetworkOptions&, const tool::BrokerOptions&, const Options&);

  Command(CLI::App& root, const char* name, const char* description, Run run) : app{root.add_subcommand(name, description)}, run_{run} {
    app->fallthrough();  // the stack's options may stand behind the command too
    app->footer(tool::notes_of(name, Options::kPackets) + "\n\nThe options of the network stack (tapir --help) may stand here too.");
    broker_.add_to(*app);
    options_.add_to(*app);
  }
  [[nodiscard]] int run(const tool::NetworkOptions& network, const std::vector<std::string>& properties) {
    broker_.properties.words = properties;
    std::string wrong = broker_.complete(options_.topics, Options::kPackets);
    if (wrong.empty()) wrong = options_.problem(broker_);
    if (wrong.empty()) wrong = network.problem();
    if (wrong.empty() && !network.host_stack) wrong = broker_.address_problem();
    return wrong.empty() ? run_(network, broker_, options_) : misused(wrong, app->get_name() + " ");
  }
  [[nodiscard]] std::string man_page(const CLI::App& root) const { return tool::man_page(root, *app, Options::kPackets); }

  CLI::App* app;

 private:
  Run run_;
  tool::BrokerOptions broker_;
  Options options_;
};

struct CommandLine {
  CLI::App app{"MQTT over a TCP/IP stack of its own, on a TAP device", "tapir"};
  CLI::Option* help = app.set_help_flag("--help", "show this and end");  // -h is the broker's; commands have it from here
  tool::NetworkOptions network;
  std::string manual;
  std::vector<std::string> properties;  ///< the words of -D
  Command<tool::PublishOptions> pub{app, "pub", "publishes messages to an MQTT broker", &tool::publish};
  Command<tool::SubscribeOptions> sub{app, "sub", "subscribes at an MQTT broker and prints what arrives", &tool::subscribe};
  Command<tool::RequestOptions> rr{app, "rr", "publishes a request to an MQTT broker and prints the response", &tool::request};

  CommandLine() {
    app.require_subcommand(0, 1);
    network.add_to(app);
    app.add_option("--man", manual, "print the man page of a command and end")->group("")->check(CLI::IsMember({"pub", "sub", "rr"}));
  }
};

int run(CommandLine& line) {
  if (!line.manual.empty()) {
    const auto page = line.manual == "pub"   ? line.pub.man_page(line.app)
                      : line.manual == "sub" ? line.sub.man_page(line.app)
                                             : line.rr.man_page(line.app);
    return std::fputs(page.c_str(), stdout) >= 0 ? 0 : 1;
  }
  if (line.pub.app->parsed()) return line.pub.run(line.network, line.properties);
  if (line.sub.app->parsed()) return line.sub.run(line.network, line.properties);
  if (line.rr.app->parsed()) return line.rr.run(line.network, line.properties);
  return misused("a command is missing: pub, sub or rr", "");
}

/// Of the three standard streams those that are closed: their numbers would go to sockets and the like, and what is printed with them. Here it fails.
void occupy_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    const bool is_closed = ::fcntl(stream, F_GETFD) < 0 && errno == EBADF;
    if (is_closed) (void)::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // the lowest number that is free
  }
}

}  // namespace

int main(int argc, char** argv) {
  occupy_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);  // whoever writes hears it, and leaves the broker in order
  CommandLine line;
  try {
    std::vector<std::string> words{argv + std::min(argc, 1), argv + argc};
    line.properties = tool::take_property_words(line.app, words);
    std::ranges::reverse(words);  // as CLI11 wants them
    line.app.parse(words);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return line.app.exit(error);  // --help
    const auto given = line.app.get_subcommands();
    return misused(error.what(), given.empty() ? "" : given[0]->get_name() + " ");
  }
  return run(line);
}
