// Two stacks against each other over a faulty cable: [options: 16][what, a, b, c]*.

#include "conversation.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tapir::fuzz::Conversation;
  std::span<const std::uint8_t> input{data, size};
  if (input.size() < Conversation::kOptions) return 0;
  Conversation conversation{input.first<Conversation::kOptions>()};
  input = input.subspan(Conversation::kOptions);
  for (int events = 0; input.size() >= Conversation::kEvent && events < 64; ++events) {
    conversation.event(input.first<Conversation::kEvent>());
    input = input.subspan(Conversation::kEvent);
  }
  conversation.finish();
  return 0;
}
