#pragma once

#include <functional>
#include <optional>
#include <string>

#include <tapir/runtime/runtime.hpp>

namespace tool {

/// Standard input, line by line, as it comes: from a terminal or a pipe when the loop has found something there, from a file at once.
class LineReader final : tapir::DescriptorUser {
 public:
  LineReader(tapir::Runtime& runtime, std::function<void()> ready) : runtime_{runtime}, ready_{std::move(ready)} {}
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader() override;

  /// The next line without its end; nullopt: `ready` is called when there is one, or at the end.
  [[nodiscard]] std::optional<std::string> next();
  [[nodiscard]] bool at_end() const { return ended_ && buffer_.empty(); }
  /// Why it is at its end, if that is not the input's; errno's.
  [[nodiscard]] int error() const { return error_; }

 private:
  void on_ready(bool input, bool output, bool failed) override;
  [[nodiscard]] bool wait();
  void read();

  tapir::Runtime& runtime_;
  std::function<void()> ready_;
  std::string buffer_;
  std::size_t searched_ = 0;
  bool watching_ = false;
  bool is_file_ = false;
  bool ended_ = false;
  int error_ = 0;
};

}  // namespace tool
