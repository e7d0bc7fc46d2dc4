#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <tapir/core/packet.hpp>
#include <tapir/tcp/seq_num.hpp>

#include "options.hpp"
#include "slice_queue.hpp"

namespace tapir::tcp {

/// Octets that arrived beyond a gap (RFC 9293 section 3.10.7.4, SHLD-31). Where segments overlap, what came first stays. Memory is bounded by
/// bytes and by the number of ranges; what does not fit is left out, and the peer sends it again.
class Reassembly {
 public:
  struct Config {
    std::size_t max_bytes =
        std::size_t{1} << 30U;  ///< payload bytes held; of a connection's there are no more than the window that it offers
    /// Separate ranges: bounds what a hostile peer can make us keep and search. A slow start that overshoots loses every second segment of a window, and
    /// what finds no room here is missed until the sender's timeout, since SACK has to report it all the same (RFC 2018 section 8).
    std::size_t max_ranges = 2048;
    std::size_t max_slices = 8192;  ///< pieces of memory, each of 256 bytes at least; beyond them only what extends a range is kept
  };
  /// What insert() did.
  struct Inserted {
    std::size_t bytes = 0;                 ///< new ones kept
    std::optional<SackBlock> duplicate{};  ///< the first octets that were there already (RFC 2883 section 4)
    bool dropped = false;                  ///< some octets found no room
  };

  Reassembly(PacketPool& pool, const Config& config) noexcept : pool_{&pool}, config_{config} {}
  explicit Reassembly(PacketPool& pool) noexcept : Reassembly{pool, Config{}} {}

  /// Keeps the octets of `payload`, the first of which has number `begin`. The caller has cut them to the window: they begin after `rcv_nxt` and
  /// end less than 2^31 beyond it.
  Inserted insert(SeqNum rcv_nxt, SeqNum begin, Packet payload);

  /// The first octets of [begin, end) that are held.
  [[nodiscard]] std::optional<SackBlock> overlap(SeqNum begin, SeqNum end) const noexcept;

  /// Takes the octets that begin at `rcv_nxt`, now that the gap before them is closed, and forgets what lies before it. Empty: the gap is still
  /// there. Call it again with the advanced number until it is empty.
  [[nodiscard]] std::optional<Slice> take(SeqNum rcv_nxt);

  /// Bytes held.
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }
  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }
  [[nodiscard]] std::size_t range_count() const noexcept { return ranges_.size(); }
  /// The ranges as SACK reports them: the one that grew last first, then by how recently they grew (RFC 2018 section 4); at most `max`.
  [[nodiscard]] SackBlocks sack_blocks(std::size_t max = SackBlocks::capacity) const;
  void clear() noexcept;

 private:
  struct Range {
    SeqNum begin{};
    SeqNum end{};
    std::uint64_t touched = 0;  ///< the latest call of insert() whose first octet lies here
    SliceQueue octets;
  };

  [[nodiscard]] std::size_t first_ending_after(SeqNum number) const noexcept;
  [[nodiscard]] bool full() const noexcept;
  std::size_t fill_gap(std::size_t next, SeqNum begin, std::uint32_t size, const Packet& payload, std::size_t offset);
  void merge(std::size_t at);

  PacketPool* pool_;
  Config config_;
  std::vector<Range> ranges_;  ///< by sequence number, none touching another
  std::size_t bytes_ = 0;
  std::uint64_t touches_ = 0;
};

}  // namespace tapir::tcp
