#include "property_words.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include <tapir/mqtt/property_table.hpp>

namespace tool {

namespace {

constexpr std::size_t kCommandAndIdentifier = 2;

/// A command line, word by word.
class Reader {
 public:
  Reader(const CLI::App& app, std::vector<std::string> line) : app_{app}, line_{std::move(line)} {
    if (commands().empty()) command_ = &app_;
  }

  void run() {
    while (at_ < line_.size() && line_[at_] != "--") read();
    other.insert(other.end(), line_.begin() + static_cast<std::ptrdiff_t>(at_), line_.end());
  }

  std::vector<std::string> properties;
  std::vector<std::string> other;

 private:
  void read() {
    std::string word = line_[at_++];
    if (word.starts_with("--")) return read_long(std::move(word));
    if (word.size() > 1 && word[0] == '-') return read_short(std::move(word));
    if (command_ == nullptr) command_ = command_named(word);
    other.push_back(std::move(word));
  }
  [[nodiscard]] std::vector<const CLI::App*> commands() const {
    return app_.get_subcommands([](const CLI::App*) { return true; });
  }
  [[nodiscard]] const CLI::App* command_named(const std::string& name) const {
    const auto all = commands();
    const auto place = std::ranges::find(all, name, [](const CLI::App* each) { return each->get_name(); });
    return place != all.end() ? *place : nullptr;
  }
  void read_long(std::string word) {
    const std::string name = word.substr(0, word.find('='));
    const bool is_whole = name.size() == word.size();
    if (name == "--property" && command_ != nullptr) return take(is_whole ? "" : word.substr(name.size() + 1));
    other.push_back(std::move(word));
    if (is_whole && has_value(name)) pass_value();
  }
  /// One letter, or several of which all but the last are flags; behind the last may stand its value.
  void read_short(std::string word) {
    for (std::size_t letter = 1; letter < word.size(); ++letter) {
      if (word[letter] == 'D' && command_ != nullptr) {
        if (letter > 1) other.push_back(word.substr(0, letter));
        return take(word.substr(letter + 1));
      }
      if (!has_value({'-', word[letter]})) continue;
      const bool is_last = letter + 1 == word.size();
      other.push_back(std::move(word));
      if (is_last) pass_value();
      return;
    }
    other.push_back(std::move(word));
  }
  [[nodiscard]] bool has_value(const std::string& name) const {
    const auto* option = command_ != nullptr ? command_->get_option_no_throw(name) : nullptr;
    if (option == nullptr) option = app_.get_option_no_throw(name);
    return option != nullptr && option->get_items_expected_min() > 0;
  }
  void pass_value() {
    if (at_ < line_.size()) other.push_back(line_[at_++]);
  }
  /// The words of one property, of which the first may have stood behind the option's name without a blank.
  void take(const std::string& joined) {
    const auto begin = static_cast<std::ptrdiff_t>(properties.size());
    if (!joined.empty()) properties.push_back(joined);
    if (joined.empty() && at_ == line_.size()) properties.emplace_back();  // no words at all are wrong use, too
    std::size_t wanted = kCommandAndIdentifier + 1;
    while (at_ < line_.size() && properties.size() - static_cast<std::size_t>(begin) < wanted) {
      properties.push_back(line_[at_++]);
      if (properties.end() - (properties.begin() + begin) == kCommandAndIdentifier) wanted += is_pair(properties.back()) ? 1 : 0;
    }
  }
  static bool is_pair(std::string identifier) {
    std::ranges::transform(identifier, identifier.begin(), [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    std::ranges::replace(identifier, '-', '_');  // the table's names
    const auto* const rule = tapir::mqtt::rule_named(identifier);
    return rule != nullptr && rule->type == tapir::mqtt::PropertyType::utf8_pair;
  }

  const CLI::App& app_;
  std::vector<std::string> line_;
  const CLI::App* command_ = nullptr;
  std::size_t at_ = 0;
};

}  // namespace

std::vector<std::string> take_property_words(const CLI::App& app, std::vector<std::string>& line) {
  Reader reader{app, std::move(line)};
  reader.run();
  line = std::move(reader.other);
  return std::move(reader.properties);
}

}  // namespace tool
