// An image is packed word by word. State consists of sequence numbers, times and sizes: many are zero or as they always are, many are equal (SND.UNA, SND.NXT
// and where the send buffer begins), and others differ by little (two times of one round trip).
//
//   first byte   what follows
//   0x00-0x3f    nothing: so many words and one more are as in the base
//   0x40-0x7f    nothing: the word is the nth of those remembered, the latest first. They are such as were not as in the base: of that, what lies
//                between the members of a structure may be anything.
//   0x80-0xbf    nothing: the word is this number
//   0xc0-0xc3    one to four bytes of the word, the lowest first
//   0xc4-0xff    one or two bytes, signed, the lowest first: how far the word lies from the nth of those remembered

#include "packed_image.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

namespace tapir::tcp {

namespace {

using Word = std::uint32_t;

constexpr std::uint8_t kAgain = 0x40;
constexpr std::uint8_t kSmall = 0x80;
constexpr std::uint8_t kBytes = 0xc0;
constexpr std::uint8_t kNear = 0xc4;
constexpr std::size_t kLongestRun = 64;
constexpr Word kSmallest = 64;                         // numbers below need no bytes of their own, and are not remembered
constexpr std::size_t kNearest = (0x100 - kNear) / 2;  // of those remembered, so many can be referred to as near

Word word_at(std::span<const std::byte> bytes, std::size_t index) noexcept {
  Word word = 0;
  std::memcpy(&word, bytes.subspan(index * sizeof(Word), sizeof(Word)).data(), sizeof(Word));
  return word;
}

/// The latest words, none of them twice.
class Remembered {
 public:
  void note(Word word) noexcept {
    if (word < kSmallest || find(word)) return;
    newest_ = (newest_ + words_.size() - 1) % words_.size();
    words_[newest_] = word;
    count_ = std::min(count_ + 1, words_.size());
  }
  [[nodiscard]] Word operator[](std::size_t index) const noexcept { return words_[(newest_ + index) % words_.size()]; }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] std::optional<std::size_t> find(Word word) const noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      if ((*this)[i] == word) return i;
    }
    return std::nullopt;
  }

 private:
  std::array<Word, 64> words_{};
  std::size_t newest_ = 0;
  std::size_t count_ = 0;
};

class Packer {
 public:
  void as_in_base(std::size_t words) {
    for (; words > 0; words -= std::min(words, kLongestRun)) put(std::min(words, kLongestRun) - 1);
  }
  void word(Word word) {
    if (const auto again = remembered_.find(word)) return put(kAgain + *again);
    if (word < kSmallest) return put(kSmall + word);
    if (!near(word)) bytes(word);
    remembered_.note(word);
  }
  [[nodiscard]] std::vector<std::byte> take() noexcept { return std::move(out_); }

 private:
  void put(std::size_t byte) { out_.push_back(static_cast<std::byte>(byte)); }
  void bytes(Word word) {
    const std::size_t size = word > 0xff'ffffU ? 4U : word > 0xffffU ? 3U : word > 0xffU ? 2U : 1U;
    put(kBytes + size - 1);
    for (std::size_t i = 0; i < size; ++i) put(word >> (8 * i) & 0xffU);
  }
  /// Where it saves something.
  [[nodiscard]] bool near(Word word) {
    const std::size_t most = word > 0xff'ffffU ? 2U : word > 0xffU ? 1U : 0U;  // bytes that are fewer than those of the word itself
    for (std::size_t size = 1; size <= most; ++size) {
      for (std::size_t i = 0; i < std::min(remembered_.size(), kNearest); ++i) {
        const auto distance = static_cast<std::int32_t>(word - remembered_[i]);
        const std::int32_t limit = size == 1 ? 0x80 : 0x8000;
        if (distance < -limit || distance >= limit) continue;
        put(kNear + 2 * i + size - 1);
        for (std::size_t k = 0; k < size; ++k) put(static_cast<Word>(distance) >> (8 * k) & 0xffU);
        return true;
      }
    }
    return false;
  }

  std::vector<std::byte> out_;
  Remembered remembered_;
};

class Unpacker {
 public:
  explicit Unpacker(std::span<const std::byte> packed) noexcept : left_{packed} {}

  /// Words that are as in the base, else none: word() has the next.
  [[nodiscard]] std::size_t as_in_base() noexcept {
    code_ = take();
    return code_ < kAgain ? code_ + 1U : 0U;
  }
  [[nodiscard]] Word word() noexcept {
    if (code_ < kSmall) return remembered_[code_ - kAgain];
    if (code_ < kBytes) return code_ - kSmall;
    Word word = 0;
    if (code_ < kNear) {
      for (unsigned i = 0; i <= static_cast<unsigned>(code_ - kBytes); ++i) word |= Word{take()} << (8 * i);
    } else {
      const unsigned code = code_ - kNear;
      const bool wide = code % 2 == 1;
      std::int32_t distance = take();
      if (wide) distance |= static_cast<std::int32_t>(take()) << 8;
      if (const std::int32_t limit = wide ? 0x8000 : 0x80; distance >= limit) distance -= 2 * limit;
      word = remembered_[code / 2] + static_cast<Word>(distance);
    }
    remembered_.note(word);
    return word;
  }

 private:
  [[nodiscard]] std::uint8_t take() noexcept {
    const auto byte = std::to_integer<std::uint8_t>(left_.front());
    left_ = left_.subspan(1);
    return byte;
  }

  std::span<const std::byte> left_;
  Remembered remembered_;
  std::uint8_t code_ = 0;
};

}  // namespace

std::vector<std::byte> pack_image(std::span<const std::byte> image, std::span<const std::byte> base) {
  Packer packer;
  std::size_t run = 0;
  for (std::size_t i = 0; i < image.size() / sizeof(Word); ++i) {
    if (word_at(image, i) == word_at(base, i)) {
      ++run;
      continue;
    }
    packer.as_in_base(std::exchange(run, 0));
    packer.word(word_at(image, i));
  }
  packer.as_in_base(run);
  return packer.take();
}

std::vector<std::byte> unpack_image(std::span<const std::byte> packed, std::span<const std::byte> base) {
  std::vector<std::byte> image{base.begin(), base.end()};
  Unpacker unpacker{packed};
  for (std::size_t i = 0; i < image.size() / sizeof(Word);) {
    if (const std::size_t run = unpacker.as_in_base(); run > 0) {
      i += run;
      continue;
    }
    const Word word = unpacker.word();
    std::memcpy(&image[i * sizeof(Word)], &word, sizeof(Word));
    ++i;
  }
  return image;
}

}  // namespace tapir::tcp
