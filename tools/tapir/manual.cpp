#include "manual.hpp"

#include <fmt/format.h>

#include "properties.hpp"

namespace tool {

namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 done; 1 failed; 2 used wrongly; 3 refused by the broker; 4 the broker cannot be reached, and the layer that failed is "
    "named on standard error.";
constexpr const char* kFormat =
    "Fields of -F: %t topic, %p payload, %x and %X payload in hexadecimal, %l its length in bytes, %m packet identifier (0 with QoS 0), %q "
    "quality of service, %r retained, "
    "%I time (ISO 8601), %U seconds since 1970, %j and %J all of it as JSON (%J: the payload as JSON too; nothing, with a line on standard "
    "error, when it is none or nested more than 1000 deep), %% a percent sign; of MQTT 5.0, "
    "empty when the message has none, %A topic alias, %C content type, %D correlation data, %E seconds to the message's expiry, %F payload "
    "format indicator, %P user properties (name:text, blanks between them), %R response topic, %S subscription identifier; %f and %d the "
    "payload as a float or double of IEEE 754 in this machine's byte order. As in printf(3) '-', '0', a width, '.' and a precision may "
    "stand "
    "behind the '%': the precision shortens %C %I %R %t, and is the number of decimals of %f %d; of %x and %X it is the number of digits "
    "in a "
    "group, and a separator may follow it: %.2:x. "
    "@ and a letter as in strftime(3), @N nanoseconds, @@; \\0 \\a \\e \\n \\r \\t \\v \\\\. Any other field or escape, and a width or "
    "precision beyond 10000, is wrong use.";

/// Text as roff takes it: no backslash, dash or leading dot with a meaning of its own.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char letter : text) {
    if (letter == '\\') {
      out += "\\e";
    } else if (letter == '-') {
      out += "\\-";
    } else if (letter == '\n') {
      out += "\n.br\n";
    } else {
      out += letter;
    }
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::string option_entry(const CLI::Option& option) {
  std::string names;
  for (const auto& name : option.get_snames()) names += (names.empty() ? "-" : ", -") + name;
  for (const auto& name : option.get_lnames()) names += (names.empty() ? "--" : ", --") + name;
  const bool has_value = option.get_items_expected_max() > 0;  // a flag has none
  const auto standard = option.get_default_str();
  const auto words = option.get_option_text();
  const auto value = has_value ? fmt::format(" \\fI{}\\fR", escaped(words.empty() ? "VALUE" : words)) : "";
  return fmt::format(".TP\n\\fB{}\\fR{}\n{}{}\n", escaped(names), value, escaped(option.get_description()),
                     standard.empty() ? "" : " (default: " + escaped(standard) + ")");
}

std::string options_of(const CLI::App& app) {
  std::string text;
  std::vector<std::string> groups;
  for (const auto* option : app.get_options()) {
    if (!option->get_group().empty() && std::ranges::find(groups, option->get_group()) == groups.end())
      groups.push_back(option->get_group());
  }
  for (const auto& group : groups) {
    text += fmt::format(".SS {}\n", escaped(group));
    for (const auto* option : app.get_options([&](const CLI::Option* each) { return each->get_group() == group; }))
      text += option_entry(*option);
  }
  return text;
}

}  // namespace

std::string notes_of(const std::string& command, const std::vector<std::string>& packets) {
  std::string text = command == "pub" ? "" : std::string{kFormat} + "\n\n";
  text += "Identifiers of -D, as the standard names them:";
  for (const auto& packet : packets) text += fmt::format("\n{}: {}", packet, properties_of(packet));
  return text + "\n\n" + kExitCodes;
}

std::string man_page(const CLI::App& root, const CLI::App& command, const std::vector<std::string>& packets) {
  const auto name = root.get_name() + "-" + command.get_name();
  return fmt::format(
      ".TH {} 1\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n\\fB{} {}\\fR [\\fIOPTIONS\\fR]\n.SH OPTIONS\n{}{}.SH NOTES\n{}\n.SH SEE ALSO\n"
      "mosquitto_{}(1), whose letters these are\n",
      escaped(name), escaped(name), escaped(command.get_description()), root.get_name(), command.get_name(), options_of(command),
      options_of(root), escaped(notes_of(command.get_name(), packets)), command.get_name());
}

}  // namespace tool
