#include <tapir/arp/rarp.hpp>

#include <algorithm>
#include <utility>

#include "observe.hpp"

namespace tapir::arp {

Message reverse_reply(const Message& request, MacAddress own, Ipv4Address server, Ipv4Address address) noexcept {
  return {.operation = Operation::reverse_reply,
          .sender_hardware = own,
          .sender_protocol = server,
          .target_hardware = request.target_hardware,
          .target_protocol = address};
}

Rarp::Rarp(Context& context, Encapsulator<ethernet::Send>& below, MacAddress own, RarpConfig config)
    : context_{context},
      below_{below},
      own_{own},
      config_{config},
      timer_{Timer::calling<&Rarp::on_timer>(context.scheduler, *this)},
      interval_{config.first_interval} {}

void Rarp::request(Handler done) {
  cancel();
  done_ = std::move(done);
  interval_ = config_.first_interval;
  give_up_at_ = deadline_after(context_.now(), config_.timeout);
  send_request();
}

void Rarp::cancel() {
  if (pending()) finish(fail(Error::operation_canceled));
}

void Rarp::on_timer() {
  if (context_.observer != nullptr) context_.observer->expired({LayerId::rarp, "request retry", context_.now()});
  if (context_.now() >= give_up_at_) {
    finish(fail(Error::timed_out));
  } else {
    send_request();
  }
}

void Rarp::send_request() {
  timer_.arm_at(std::min(deadline_after(context_.now(), interval_), give_up_at_));
  interval_ = std::min(interval_ * 2, config_.max_interval);
  const Message message{.operation = Operation::reverse_request, .sender_hardware = own_, .target_hardware = own_};
  Packet packet{context_.pool};
  packet.prepend(message);
  observe(context_, LayerId::rarp, Direction::down, packet, message);
  ++stats_.out_requests;
  if (!below_.encapsulate(std::move(packet), {.destination = MacAddress::broadcast(), .type = ethernet::EtherType::rarp}))
    ++stats_.out_failed;
}

/// The handler may ask again at once, so everything is put in order before it is called.
void Rarp::finish(Result<Ipv4Address> outcome) {
  timer_.cancel();
  const Handler done = std::exchange(done_, nullptr);
  if (done) done(outcome);
}

Accepted Rarp::demultiplex(Packet&& packet, const ethernet::Received&) {
  const auto drop = [this](Drop reason) { return reject(context_, drops_, LayerId::rarp, reason); };
  const auto message = parse(packet);
  if (!message) return drop(message.error());
  if (message->operation != Operation::reverse_reply) return drop(Drop::not_handled);  // requests are a server's matter, ARP's are not ours
  if (const auto sender = check_sender(*message); !sender) return drop(sender.error());
  if (message->target_hardware != own_) return drop(Drop::not_for_us);
  if (!pending()) return drop(Drop::unsolicited);
  const Ipv4Address address = message->target_protocol;
  if (address.is_unspecified() || address.is_multicast() || address.is_limited_broadcast() || address.is_loopback() ||
      address.is_reserved()) {
    return drop(Drop::bad_header);
  }
  observe(context_, LayerId::rarp, Direction::up, packet, *message);
  finish(address);
  return {};
}

}  // namespace tapir::arp
