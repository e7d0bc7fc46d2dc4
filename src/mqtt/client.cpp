#include <tapir/mqtt/client.hpp>

#include <utility>

#include "client_core.hpp"

namespace tapir::mqtt {

Client::Client(Context& context, std::unique_ptr<Transport> transport, ClientConfig config)
    : core_{std::make_shared<Core>(context, std::move(transport), std::move(config))} {
  core_->start();
}

Client& Client::operator=(Client&& other) noexcept {
  if (this != &other) {
    if (core_ != nullptr) core_->shut_down();
    core_ = std::move(other.core_);
  }
  return *this;
}

Client::~Client() {
  if (core_ != nullptr) core_->shut_down();
}

Result<> Client::connect() { return core_ != nullptr ? core_->connect() : fail(tapir::Error::not_connected); }

void Client::disconnect(Completion done) { disconnect(ReasonCode::normal_disconnection, {}, std::move(done)); }

void Client::disconnect(ReasonCode reason, Properties properties, Completion done) {
  if (core_ != nullptr) return core_->disconnect(reason, std::move(properties), std::move(done));
  if (done) done(fail(tapir::Error::not_connected));
}

void Client::drain(ReasonCode reason, Properties properties, Completion done) {
  if (core_ != nullptr) return core_->drain(reason, std::move(properties), std::move(done));
  if (done) done(fail(tapir::Error::not_connected));
}

bool Client::hold_acknowledgment() { return core_ != nullptr && core_->hold_acknowledgment(); }

void Client::acknowledge() {
  if (core_ != nullptr) core_->acknowledge();
}

void Client::pause_reading() {
  if (core_ != nullptr) core_->pause_reading();
}

void Client::resume_reading() {
  if (core_ != nullptr) core_->resume_reading();
}

Client::Operation Client::publish(std::string topic, Payload payload, QoS qos, Completion done) {
  return publish({.topic = std::move(topic), .payload = std::move(payload), .qos = qos}, std::move(done));
}

Client::Operation Client::publish(Message message, Completion done) {
  if (core_ != nullptr) return core_->publish(std::move(message), std::move(done));
  if (done) done(fail(tapir::Error::not_connected));
  return {};
}

Client::Operation Client::subscribe(std::string filter, QoS qos, Handler handler, Granted done) {
  return subscribe(Subscription{.filter = std::move(filter), .qos = qos}, std::move(handler), std::move(done));
}

Client::Operation Client::subscribe(Subscription subscription, Handler handler, Granted done) {
  return subscribe(std::move(subscription), {}, std::move(handler), std::move(done));
}

Client::Operation Client::subscribe(Subscription subscription, Properties properties, Handler handler, Granted done) {
  if (core_ != nullptr) return core_->subscribe(std::move(subscription), std::move(properties), std::move(handler), std::move(done));
  if (done) done(fail(tapir::Error::not_connected));
  return {};
}

Client::Operation Client::unsubscribe(const std::string& filter, Completion done) { return unsubscribe(filter, {}, std::move(done)); }

Client::Operation Client::unsubscribe(const std::string& filter, Properties properties, Completion done) {
  if (core_ != nullptr) return core_->unsubscribe(filter, std::move(properties), std::move(done));
  if (done) done(fail(tapir::Error::not_connected));
  return {};
}

bool Client::Operation::end(bool only_unsent) {
  const auto core = core_.lock();
  return core != nullptr && core->cancel(*this, only_unsent);
}

void Client::reauthenticate(std::string data, Completion done) {
  if (core_ != nullptr) return core_->reauthenticate(std::move(data), std::move(done));
  if (done) done(fail(tapir::Error::not_connected));
}

void Client::on_connected(std::function<void(const event::Connected&)> handler) {
  if (core_ != nullptr) core_->connected_handler = std::move(handler);
}

void Client::on_disconnected(std::function<void(const Disconnection&)> handler) {
  if (core_ != nullptr) core_->disconnected_handler = std::move(handler);
}

void Client::on_subscription_lost(std::function<void(const SubscriptionLost&)> handler) {
  if (core_ != nullptr) core_->subscription_lost_handler = std::move(handler);
}

void Client::on_unmatched(Handler handler) {
  if (core_ != nullptr) core_->unmatched_handler = std::move(handler);
}

void Client::on_restored(std::function<void(const Restored&)> handler) {
  if (core_ != nullptr) core_->restored_handler = std::move(handler);
}

void Client::on_stream(std::function<void(const StreamEvent&)> handler) {
  if (core_ != nullptr) core_->stream_handler = std::move(handler);
}

const Properties& Client::answer_properties() const noexcept {
  static const Properties none;
  const auto* const properties = core_ != nullptr ? core_->answer_properties() : nullptr;
  return properties != nullptr ? *properties : none;
}

bool Client::is_connected() const noexcept { return core_ != nullptr && core_->session().is_connected(); }

const Session& Client::session() const noexcept {
  static const Session none;  // of clients that were moved from
  return core_ != nullptr ? core_->session() : none;
}

const DropCounters& Client::drops() const noexcept {
  static const DropCounters none;
  return core_ != nullptr ? core_->drops() : none;
}

}  // namespace tapir::mqtt
