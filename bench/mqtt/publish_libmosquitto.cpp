// Publishes with libmosquitto, one thread, its own loop; see publishing.hpp. It writes each message by a call of its own.

#include <optional>

#include <mosquitto.h>

#include "publishing.hpp"

namespace {

using namespace tapir::bench;

struct State {
  Order order;
  std::optional<Stopwatch> watch;
  long published = 0;
  long done = 0;
};

}  // namespace

int main(int argc, char** argv) {
  State state{.order = order_of(argc, argv), .watch = {}};
  mosquitto_lib_init();
  mosquitto* const client = mosquitto_new("libmosquitto", true, &state);
  check(client != nullptr, "mosquitto_new");
  mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_max_inflight_messages_set(client, kInFlight);
  mosquitto_connect_callback_set(client, [](mosquitto*, void* object, int code) {
    check(code == 0, "CONNACK");
    static_cast<State*>(object)->watch.emplace();
  });
  mosquitto_publish_callback_set(client, [](mosquitto*, void* object, int) { ++static_cast<State*>(object)->done; });
  check(mosquitto_connect(client, "127.0.0.1", state.order.port, 60) == MOSQ_ERR_SUCCESS, "mosquitto_connect");
  while (!state.watch) check(mosquitto_loop(client, -1, 1) == MOSQ_ERR_SUCCESS, "mosquitto_loop");
  const auto publish = [&](int qos) {
    check(mosquitto_publish(client, nullptr, kTopic, kPayloadSize, kPayload, qos, false) == MOSQ_ERR_SUCCESS, "mosquitto_publish");
    ++state.published;
  };
  const long all = state.order.count + (state.order.qos == 0 ? 1 : 0);
  while (state.done < all) {
    if (state.order.qos == 0) {
      for (int i = 0; i < 1000 && state.published < state.order.count; ++i) publish(0);
      if (state.published == state.order.count) publish(1);
    } else {
      while (state.published < all && state.published - state.done < kInFlight) publish(state.order.qos);
    }
    const bool waits = state.order.qos != 0 || state.published == all;
    check(mosquitto_loop(client, waits ? -1 : 0, 1) == MOSQ_ERR_SUCCESS, "mosquitto_loop");
  }
  state.watch->stop(state.order.count);
  return 0;
}
