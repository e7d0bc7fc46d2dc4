// A stored MQTT session with any content: it is refused, or taken up and exported to the same again.

#include <cstdlib>

#include <tapir/mqtt/session.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tapir::mqtt;
  const tapir::TimePoint now{std::chrono::hours{1}};
  Session session;
  if (!session.configure(
          {.clean_session = true, .version = ProtocolVersion::v5_0, .properties = {{property::session_expiry_interval, 0xffff'ffff}}})) {
    std::abort();
  }
  if (!session.import_state(std::as_bytes(std::span{data, size}), now)) return 0;
  const auto state = session.export_state(now);
  Session again;
  if (!again.configure(session.options()) || !again.import_state(state, now) || again.export_state(now) != state) std::abort();
  return 0;
}
