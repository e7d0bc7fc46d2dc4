// Publishes with Paho's asynchronous C client, which has threads of its own; see publishing.hpp. Its synchronous client waits 100 ms whenever
// its window is full, so that it is not the one to compare with.

#include <semaphore>
#include <string>

#include <MQTTAsync.h>

#include "publishing.hpp"

namespace {

using namespace tapir::bench;

// At QoS 0 this only bounds what the client has queued in itself.
constexpr int kQueued = 1000;
std::binary_semaphore connected{0};
std::counting_semaphore<kQueued> room{0};

void failed(void* /*context*/, MQTTAsync_failureData* /*why*/) { check(false, "Paho"); }

}  // namespace

int main(int argc, char** argv) {
  const Order order = order_of(argc, argv);
  const int window = order.qos == 0 ? kQueued : kInFlight;
  room.release(window);
  MQTTAsync client = nullptr;
  const std::string address = "tcp://127.0.0.1:" + std::to_string(order.port);
  check(MQTTAsync_create(&client, address.c_str(), "paho", MQTTCLIENT_PERSISTENCE_NONE, nullptr) == MQTTASYNC_SUCCESS, "MQTTAsync_create");
  MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
  options.cleansession = 1;
  options.maxInflight = kInFlight;
  options.onSuccess = [](void*, MQTTAsync_successData*) { connected.release(); };
  options.onFailure = &failed;
  check(MQTTAsync_connect(client, &options) == MQTTASYNC_SUCCESS, "MQTTAsync_connect");
  connected.acquire();
  const Stopwatch watch;
  const auto publish = [&](int qos) {
    room.acquire();
    MQTTAsync_responseOptions answer = MQTTAsync_responseOptions_initializer;
    answer.onSuccess = [](void*, MQTTAsync_successData*) { room.release(); };
    answer.onFailure = &failed;
    check(MQTTAsync_send(client, kTopic, kPayloadSize, kPayload, qos, 0, &answer) == MQTTASYNC_SUCCESS, "MQTTAsync_send");
  };
  for (long i = 0; i < order.count; ++i) publish(order.qos);
  if (order.qos == 0) publish(1);
  for (int i = 0; i < window; ++i) room.acquire();  // all are acknowledged
  watch.stop(order.count);
  return 0;
}
