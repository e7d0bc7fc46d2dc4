#include "conversation_options.hpp"

namespace tapir::fuzz {

namespace {

tcp::Config config(std::uint8_t a, std::uint8_t b, std::uint8_t c) {
  tcp::Config config;
  config.timestamps = !bit(a, 0);
  config.require_timestamps = !bit(a, 1);
  config.sack = !bit(a, 2);
  config.dsack = !bit(a, 3);
  config.window_scaling = !bit(a, 4);
  config.recovery.rack = !bit(a, 5);
  config.recovery.tail_loss_probe = !bit(a, 6);
  config.recovery.frto = !bit(a, 7);
  config.congestion_control = std::array{"cubic", "newreno", "bbr", "cubic"}[b & 3U];
  config.split_below = bit(b, 2);
  config.pacing = bit(b, 3);
  config.ecn = static_cast<tcp::EcnMode>((b >> 4U & 3U) % 3);
  config.recovery.limited_transmit = !bit(b, 6);
  config.hystart = !bit(b, 7);
  config.receive_buffer = std::array{std::size_t{131'072}, std::size_t{20'000}, std::size_t{3'000}, std::size_t{600}}[c & 3U];
  config.send_buffer = std::array{std::size_t{262'144}, std::size_t{20'000}, std::size_t{2'000}, std::size_t{1}}[c >> 2U & 3U];
  config.min_rto =
      std::array{std::chrono::milliseconds{1'000}, std::chrono::milliseconds{200}, std::chrono::milliseconds{1}}[(c >> 4U & 3U) % 3];
  config.sleep_after = (c >> 4U & 3U) == 3 ? Duration::zero() : std::chrono::milliseconds{1};
  if (bit(c, 6)) config.ack_delay = Duration{};
  if (bit(c, 7)) config.memory_limit = 60'000;
  config.user_timeout = config.connect_timeout = config.fin_wait_2_timeout = kPatience;
  return config;
}

void choose_more(std::uint8_t d, std::uint8_t e, std::uint8_t f, tcp::Config& config, tcp::Settings& settings) {
  settings.minshall = bit(d, 0);
  settings.gradual_window = bit(d, 1);
  settings.chunked_writes = bit(d, 2);
  config.cubic_whole_segments = bit(d, 3);
  config.user_timeout_option.enabled = bit(d, 4);
  if (bit(d, 5)) settings.keepalive = kKeepalive;
  config.gradual_ecn = bit(d, 6);
  settings.keep_unread = bit(d, 7);
  config.mtu_probing.mode = kMtuModes[(e & 3U) % 3];
  config.reduce_from_cwnd = bit(e, 2);
  if (bit(e, 3)) config.window_validation = bit(f, 1) ? tcp::WindowValidation::rfc7661 : tcp::WindowValidation::off;
  config.probe_with_data = !bit(e, 4);
  config.pacing_burst = bit(e, 5) ? 15'140 : 0;
  config.path_mtu_discovery = !bit(e, 6);
  settings.nagle = !bit(e, 7);
  config.user_timeout = kUserTimeouts[(f & 3U) % 3];
  config.initial_window_segments = bit(f, 2) ? 1 : 10;
  config.quick_acks = bit(f, 3) ? 0 : 16;
  config.min_burst_segments = bit(f, 4) ? 1 : 2;
  if (bit(f, 5)) config.slow_start_limit = 1;
  if (bit(f, 6)) config.not_sent_low = 4'000;
  if (bit(f, 7)) config.recovery.reordering = 1;
}

sim::CableConfig cable(std::uint8_t a, std::uint8_t b) {
  return {.delay = std::chrono::microseconds{1U << (a & 0x0fU)} * 10,  // 10 us to 0.3 s
          .rate_bits_per_second =
              std::array{std::uint64_t{0}, std::uint64_t{100'000'000}, std::uint64_t{1'000'000}, std::uint64_t{64'000}}[b & 3U],
          .queue_bytes = std::array{std::size_t{262'144}, std::size_t{30'000}, std::size_t{4'000}, std::size_t{1'600}}[b >> 2U & 3U],
          .mtu = std::array{std::size_t{1500}, std::size_t{576}, std::size_t{1280}, std::size_t{9000}}[b >> 4U & 3U]};
}

}  // namespace

ConversationOptions::ConversationOptions(std::span<const std::uint8_t, kSize> bytes)
    : tcp{config(bytes[0], bytes[1], bytes[2]), config(bytes[3], bytes[4], bytes[5])}, cable{fuzz::cable(bytes[6], bytes[7])} {
  choose_more(bytes[8], bytes[9], bytes[10], tcp[0], connect.settings);
  choose_more(bytes[11], bytes[12], bytes[13], tcp[1], listen.settings);
  const std::uint8_t opening = bytes[14];
  const unsigned fast_open = opening & 3U;
  connect.fast_open = fast_open != 0;
  first_for_cookie = fast_open == 1;
  if (fast_open == 2) {
    tcp[0].fast_open |= tcp::FastOpenUse::client_without_cookie;
    tcp[1].fast_open |= tcp::FastOpenUse::server_without_cookie;
  }
  if (fast_open != 3) tcp[1].fast_open |= tcp::FastOpenUse::server;  // otherwise it knows nothing of it
  listen.fast_open_backlog = fast_open == 0 ? 0 : 2;
  tcp[1].syn_cookies =
      std::array{tcp::SynCookiePolicy::when_full, tcp::SynCookiePolicy::always, tcp::SynCookiePolicy::never}[(opening >> 2U & 3U) % 3];
  listen.defer_accept =
      std::array{std::chrono::seconds{0}, std::chrono::seconds{1}, std::chrono::seconds{3}, std::chrono::seconds{30}}[opening >> 4U & 3U];
  connect.fast_open_without_cookie = bit(opening, 6);
  black_hole = std::array{std::size_t{0}, std::size_t{1'400}, std::size_t{1'000}, std::size_t{400}}[bytes[15] & 3U];
}

}  // namespace tapir::fuzz
