#include "line_reader.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace tool {

namespace {
constexpr std::size_t kLongestLine = 268'435'455;  // no MQTT packet holds more (section 2.1.4)
}

LineReader::~LineReader() {
  if (watching_) runtime_.forget(*this);
}

std::optional<std::string> LineReader::next() {
  for (;;) {
    if (const auto end = buffer_.find('\n', searched_); end != std::string::npos) {
      auto line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      searched_ = 0;
      return line;
    }
    searched_ = buffer_.size();
    if (searched_ > kLongestLine) {
      error_ = EMSGSIZE;
      ended_ = true;
      buffer_ = {};
    }
    if (ended_) {
      searched_ = 0;
      return buffer_.empty() ? std::nullopt : std::optional{std::exchange(buffer_, {})};
    }
    if (!wait()) return std::nullopt;
    read();
  }
}

/// Has the loop tell when there is input. True: it need not, for a file always has.
bool LineReader::wait() {
  if (is_file_) return true;
  if (watching_) {
    runtime_.change_interest(*this, {.input = true});
  } else {
    watching_ = runtime_.watch(STDIN_FILENO, *this, {.input = true}).has_value();
    is_file_ = !watching_;  // epoll has no files
  }
  return is_file_;
}

void LineReader::on_ready(bool /*input*/, bool /*output*/, bool /*failed*/) {
  runtime_.change_interest(*this, {});
  read();
  if (ended_ && std::exchange(watching_, false)) runtime_.forget(*this);
  ready_();
}

void LineReader::read() {
  std::array<char, 65536> piece;
  const auto got = ::read(STDIN_FILENO, piece.data(), piece.size());
  if (got > 0) buffer_.append(piece.data(), static_cast<std::size_t>(got));
  if (got < 0 && errno != EINTR && errno != EAGAIN) error_ = errno;
  ended_ = got == 0 || error_ != 0;
}

}  // namespace tool
