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

namespace tapir::tcp {

namespace {

using Word = std::uint32_t;

constexpr std::uint8_t kAgain = 0x40;
constexpr std::uint8_t kSmall = 0x80;
constexpr std::uint8_t kBytes = 0xc0;
constexpr std::uint8_t kNear = 0xc4;
constexpr std::size_t kLongestRun = 64;
constexpr Word kSmallest = 64;  // numbers below need no bytes of their own, and are not remembered
constexpr std::size_t kMostRemembered = 64;
constexpr std::size_t kMostWords = kLargestImage / sizeof(Word);
constexpr std::size_t kNearest = (0x100 - kNear) / 2;  // of those remembered, so many can be referred to as near

/// Words as they come: the latest of them count, and come first.
class Remembered {
 public:
  using Room = std::array<Word, kMostWords>;

  /// `room` is not in here, so that where the first is can be in a register.
  explicit Remembered(Room& room) noexcept : first_{room.data() + room.size()}, end_{first_} {}
  Remembered(const Remembered&) = delete;  // both would fill one room
  Remembered& operator=(const Remembered&) = delete;

  /// One that is not among them yet.
  void note(Word word) noexcept {
    if (word >= kSmallest) *--first_ = word;
  }
  [[nodiscard]] Word operator[](std::size_t index) const noexcept { return first_[index]; }
  [[nodiscard]] std::size_t size() const noexcept { return std::min(static_cast<std::size_t>(end_ - first_), kMostRemembered); }
  /// The first of the latest `most` for which `holds` is true. All are looked at, without a branch: so the compiler compares several at a time.
  template <class Holds>
  [[nodiscard]] std::optional<std::size_t> first_of(std::size_t most, const Holds& holds) const noexcept {
    const auto count = static_cast<std::int32_t>(std::min(most, size()));
    std::int32_t first = count;
    for (std::int32_t i = 0; i < count; ++i) first = std::min(first, holds(first_[i]) ? i : count);
    return first < count ? std::optional{static_cast<std::size_t>(first)} : std::nullopt;
  }

 private:
  Word* first_;  // from the end on
  Word* end_;
};

class Packer {
 public:
  void as_in_base(std::size_t words) noexcept {
    for (; words > 0; words -= std::min(words, kLongestRun)) put(std::min(words, kLongestRun) - 1);
  }
  void word(Word word) noexcept {
    if (word < kSmallest) return put(kSmall + word);
    if (const auto again = remembered_.first_of(kMostRemembered, [word](Word other) { return other == word; })) return put(kAgain + *again);
    if (!near(word)) bytes(word);
    remembered_.note(word);
  }
  [[nodiscard]] std::span<const std::byte> packed() const noexcept { return std::span{out_}.first(size_); }

 private:
  void put(std::size_t byte) noexcept { out_[size_++] = static_cast<std::byte>(byte); }
  void bytes(Word word) noexcept {
    const std::size_t size = word > 0xff'ffffU ? 4U : word > 0xffffU ? 3U : word > 0xffU ? 2U : 1U;
    put(kBytes + size - 1);
    for (std::size_t i = 0; i < size; ++i) put(word >> (8 * i) & 0xffU);
  }
  /// Where it saves something.
  [[nodiscard]] bool near(Word word) noexcept {
    const std::size_t most = word > 0xff'ffffU ? 2U : word > 0xffU ? 1U : 0U;  // bytes that are fewer than those of the word itself
    for (std::size_t size = 1; size <= most; ++size) {
      const Word limit = size == 1 ? 0x80 : 0x8000;
      const auto place = remembered_.first_of(kNearest, [word, limit](Word other) { return word - other + limit < 2 * limit; });
      if (!place) continue;
      put(kNear + 2 * *place + size - 1);
      const Word distance = word - remembered_[*place];
      for (std::size_t k = 0; k < size; ++k) put(distance >> (8 * k) & 0xffU);
      return true;
    }
    return false;
  }

  std::array<std::byte, kMostWords * (sizeof(Word) + 1)> out_;  // each word with all its bytes
  std::size_t size_ = 0;
  Remembered::Room room_;
  Remembered remembered_{room_};
};

class Unpacker {
 public:
  Unpacker(std::span<const std::byte> packed, Remembered::Room& room) noexcept : next_{packed.data()}, remembered_{room} {}

  [[nodiscard]] std::uint8_t take() noexcept { return std::to_integer<std::uint8_t>(*next_++); }
  /// The word of `code`, which is none of those for words that are as in the base.
  [[nodiscard]] Word word(std::uint8_t code) noexcept {
    if (code < kSmall) return remembered_[code - kAgain];
    if (code < kBytes) return code - kSmall;
    const Word word = code < kNear ? bytes(code - kBytes + 1U) : near(code - kNear);
    remembered_.note(word);
    return word;
  }

 private:
  [[nodiscard]] Word bytes(unsigned count) noexcept {
    Word word = take();
    if (count > 1) word |= Word{take()} << 8U;
    if (count > 2) word |= Word{take()} << 16U;
    if (count > 3) word |= Word{take()} << 24U;
    return word;
  }
  [[nodiscard]] Word near(unsigned code) noexcept {
    const Word distance =
        code % 2 == 0 ? static_cast<Word>(static_cast<std::int8_t>(take())) : static_cast<Word>(static_cast<std::int16_t>(bytes(2)));
    return remembered_[code / 2] + distance;
  }

  const std::byte* next_;
  Remembered remembered_;
};

Word word_at(std::span<const std::byte> bytes, std::size_t index) noexcept {
  Word word = 0;
  std::memcpy(&word, bytes.data() + index * sizeof(Word), sizeof(Word));
  return word;
}

/// How many words from `at` on are the same in both.
std::size_t same_words(std::span<const std::byte> image, std::span<const std::byte> base, std::size_t at) noexcept {
  constexpr std::size_t kStep = 4;
  const std::size_t end = image.size() / sizeof(Word);
  const std::size_t begin = at;
  while (at + kStep <= end && std::memcmp(&image[at * sizeof(Word)], &base[at * sizeof(Word)], kStep * sizeof(Word)) == 0) at += kStep;
  while (at < end && word_at(image, at) == word_at(base, at)) ++at;
  return at - begin;
}

}  // namespace

void pack_image(std::span<const std::byte> image, std::span<const std::byte> base, PackedImage& packed) {
  Packer packer;
  const std::size_t words = image.size() / sizeof(Word);
  for (std::size_t i = 0; i < words; ++i) {
    const std::size_t same = same_words(image, base, i);
    packer.as_in_base(same);
    i += same;
    if (i < words) packer.word(word_at(image, i));
  }
  packed.assign(packer.packed());
}

void unpack_image(const PackedImage& packed, std::span<std::byte> image) noexcept {
  Remembered::Room room;
  Unpacker unpacker{packed.bytes(), room};
  std::byte* at = image.data();
  const std::byte* const end = at + image.size();
  while (at < end) {
    if (const std::uint8_t code = unpacker.take(); code < kAgain) {
      at += (code + 1U) * sizeof(Word);
    } else {
      const Word word = unpacker.word(code);
      std::memcpy(at, &word, sizeof(Word));
      at += sizeof(Word);
    }
  }
}

}  // namespace tapir::tcp
