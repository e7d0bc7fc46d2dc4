#include "steering_program.hpp"

#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include <tapir/link/descriptor.hpp>
#include <tapir/link/system_error.hpp>

#include "frame_view.hpp"

namespace tapir::link {

namespace {

// --- instructions (Documentation/bpf/standardization/instruction-set.rst) ---

constexpr std::uint8_t r0 = 0, r1 = 1, kContext = 6, kHeaderSize = 7, kPeers = 8, kOurs = 9;

constexpr bpf_insn instruction(unsigned code, std::uint8_t destination, std::uint8_t source, std::int16_t offset,
                               std::uint32_t immediate) noexcept {
  bpf_insn made{};
  made.code = static_cast<std::uint8_t>(code);
  made.dst_reg = destination & 0xfU;
  made.src_reg = source & 0xfU;
  made.off = offset;
  made.imm = static_cast<std::int32_t>(immediate);
  return made;
}
/// r0 = the frame's bytes at `offset`, in host order. A frame that ends before them ends the program with 0.
constexpr bpf_insn load(unsigned size, std::uint32_t offset) noexcept { return instruction(BPF_LD | BPF_ABS | size, r0, 0, 0, offset); }
/// The same at `base` + `offset`.
constexpr bpf_insn load_from(unsigned size, std::uint8_t base, std::uint32_t offset) noexcept {
  return instruction(BPF_LD | BPF_IND | size, r0, base, 0, offset);
}
/// On 32 bits; the upper half of the register becomes zero.
constexpr bpf_insn alu(unsigned operation, std::uint8_t destination, std::uint32_t value) noexcept {
  return instruction(BPF_ALU | BPF_K | operation, destination, 0, 0, value);
}
constexpr bpf_insn alu_with(unsigned operation, std::uint8_t destination, std::uint8_t source) noexcept {
  return instruction(BPF_ALU | BPF_X | operation, destination, source, 0, 0);
}
constexpr bpf_insn alu64(unsigned operation, std::uint8_t destination, std::uint32_t value) noexcept {
  return instruction(BPF_ALU64 | BPF_K | operation, destination, 0, 0, value);
}
/// Over the next `skip` instructions, if the condition holds.
constexpr bpf_insn jump(unsigned condition, std::uint8_t compared, std::uint32_t value, std::int16_t skip) noexcept {
  return instruction(BPF_JMP | BPF_K | condition, compared, 0, skip, value);
}
constexpr bpf_insn leave() noexcept { return instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

/// Steering::target() for one owner, instruction by instruction. What that leaves to fragments' owners, to everybody and to shard 0 goes to queue 0.
auto program_for(const Steering& steering) noexcept {
  constexpr std::uint32_t kType = 12, kVersion = 14, kFragment = 20, kProtocol = 23, kSource = 26, kTransport = 14;
  const auto shards = static_cast<std::uint32_t>(steering.shards());
  const std::uint32_t first_dynamic = Steering::first_dynamic.value();
  return std::array{
      instruction(BPF_ALU64 | BPF_MOV | BPF_X, kContext, r1, 0, 0),
      load(BPF_H, kType),
      jump(BPF_JEQ, r0, 0x0800, 2),
      alu(BPF_MOV, r0, 0),
      leave(),
      load(BPF_B, kVersion),
      alu_with(BPF_MOV, kHeaderSize, r0),
      alu(BPF_RSH, r0, 4),
      jump(BPF_JNE, r0, 4, 5),
      alu(BPF_AND, kHeaderSize, 0x0f),
      alu(BPF_LSH, kHeaderSize, 2),
      load(BPF_H, kFragment),
      alu(BPF_AND, r0, 0x3fff),
      jump(BPF_JEQ, r0, 0, 2),
      alu(BPF_MOV, r0, 0),
      leave(),
      load(BPF_B, kProtocol),
      jump(BPF_JEQ, r0, 6, 3),
      jump(BPF_JEQ, r0, 17, 2),
      alu(BPF_MOV, r0, 0),
      leave(),
      load_from(BPF_H, kHeaderSize, kTransport),
      alu_with(BPF_MOV, kPeers, r0),
      load_from(BPF_H, kHeaderSize, kTransport + 2),
      alu_with(BPF_MOV, kOurs, r0),
      jump(BPF_JLT, kOurs, first_dynamic, 4),
      alu(BPF_SUB, r0, first_dynamic),
      alu(BPF_MUL, r0, shards),
      alu(BPF_RSH, r0, 15),
      leave(),
      load(BPF_W, kSource),
      alu(BPF_LSH, kPeers, 16),
      alu_with(BPF_OR, kPeers, kOurs),
      alu_with(BPF_XOR, r0, kPeers),
      alu(BPF_XOR, r0, steering.key()),
      alu(BPF_MUL, r0, kSteeringMultiplier1),
      alu_with(BPF_MOV, kOurs, r0),
      alu(BPF_RSH, kOurs, 13),
      alu_with(BPF_XOR, r0, kOurs),
      alu(BPF_MUL, r0, kSteeringMultiplier2),
      alu_with(BPF_MOV, kOurs, r0),
      alu(BPF_RSH, kOurs, 16),
      alu_with(BPF_XOR, r0, kOurs),
      alu64(BPF_MUL, r0, shards),
      alu64(BPF_RSH, r0, 32),
      leave(),
  };
}

}  // namespace

Result<> steer_queues(int queue, const Steering& steering) noexcept {
  const auto program = program_for(steering);
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attributes.insns = reinterpret_cast<std::uint64_t>(program.data());
  attributes.insn_cnt = static_cast<std::uint32_t>(program.size());
  attributes.license = reinterpret_cast<std::uint64_t>("MIT");
  const Descriptor loaded{static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes)))};
  if (!loaded) return fail(system_error());
  int fd = loaded.get();
  if (::ioctl(queue, TUNSETSTEERINGEBPF, &fd) < 0) return fail(system_error());
  return {};
}

}  // namespace tapir::link
