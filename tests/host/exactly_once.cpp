// A device that publishes two messages and receives two, all of QoS 2, over the kernel's sockets, with its session in a file, and that dies
// by SIGKILL where it is told to: the device's end of tests/host/exactly_once_test.py.
//   exactly_once FOLDER NAME subscribe     subscribes to down/NAME, so that the broker keeps what is published there; ends with 0
//   exactly_once FOLDER NAME never         receives from down/NAME, publishes to up/NAME, ends with 0 when all is complete
//   exactly_once FOLDER NAME KIND:N        the same, but dies: sent:N, received:N after so many bytes; saving:N, saved:N before and after the
//                                          Nth save; handed:N, noted:N when a message has come, before and after it is written down
// What the device makes of a message is a line in FOLDER/received, and with its number it knows a message that it has written down already.
// FOLDER/handed has all that came.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <set>
#include <string>

#include <unistd.h>

#include <fmt/format.h>

#include <tapir/mqtt/host_transport.hpp>
#include <tapir/runtime/file_store.hpp>
#include <tapir/tapir.hpp>

namespace {

using namespace tapir;

/// Where the process dies.
class Death {
 public:
  explicit Death(const std::string& text) : kind_{text.substr(0, text.find(':'))} {
    if (const auto colon = text.find(':'); colon != std::string::npos) at_ = std::strtoull(text.c_str() + colon + 1, nullptr, 10);
  }
  /// How many more of these may happen.
  [[nodiscard]] std::size_t left(std::string_view kind) const { return kind == kind_ ? at_ - count_ : SIZE_MAX; }
  void count(std::string_view kind, std::size_t many = 1) {
    if (kind == kind_) count_ += many;
  }
  void die_if_due(std::string_view kind) const {
    if (left(kind) == 0) ::kill(::getpid(), SIGKILL);
  }

 private:
  std::string kind_;
  std::size_t at_ = SIZE_MAX;
  std::size_t count_ = 0;
};

class DyingStore final : public ByteStore {
 public:
  DyingStore(std::string path, Death& death) : file_{std::move(path)}, death_{death} {}
  [[nodiscard]] Result<> save(std::span<const std::byte> bytes) override {
    death_.count("saving");
    death_.die_if_due("saving");
    auto saved = file_.save(bytes);
    death_.count("saved");
    death_.die_if_due("saved");
    return saved;
  }
  [[nodiscard]] Result<std::optional<std::vector<std::byte>>> load() override { return file_.load(); }
  [[nodiscard]] Duration age() override { return file_.age(); }

 private:
  FileStore file_;
  Death& death_;
};

class DyingTransport final : public mqtt::Transport {
 public:
  DyingTransport(Runtime& runtime, Death& death) : below_{runtime, "192.0.2.1", Port{1883}}, death_{death} {}
  void attach(mqtt::TransportUser* user) noexcept override { below_.attach(user); }
  [[nodiscard]] Result<> open() override { return below_.open(); }
  [[nodiscard]] Result<std::size_t> send(std::span<const std::byte> bytes) override {
    auto taken = below_.send(bytes.first(std::min(bytes.size(), death_.left("sent"))));
    if (taken) death_.count("sent", *taken);
    death_.die_if_due("sent");
    return taken;
  }
  [[nodiscard]] Result<std::size_t> receive(std::span<std::byte> into) override {
    death_.die_if_due("received");
    auto got = below_.receive(into.first(std::min(into.size(), death_.left("received"))));
    if (got) death_.count("received", *got);
    return got;
  }
  void close() override { below_.close(); }
  void abort() override { below_.abort(); }
  [[nodiscard]] std::size_t unacknowledged() const override { return below_.unacknowledged(); }
  [[nodiscard]] std::string peer() const override { return below_.peer(); }

 private:
  mqtt::HostTransport below_;
  Death& death_;
};

/// Lines in a file that outlive the process from when they are written: what the kernel has, SIGKILL does not take away.
class Notes {
 public:
  explicit Notes(std::string path) : path_{std::move(path)} {
    std::ifstream file{path_};
    for (std::string line; std::getline(file, line);) lines_.insert(line);
  }
  [[nodiscard]] bool has(const std::string& line) const { return lines_.contains(line); }
  void add(const std::string& line) {
    std::ofstream{path_, std::ios::app} << line + "\n" << std::flush;
    lines_.insert(line);
  }

 private:
  std::string path_;
  std::set<std::string> lines_;
};

class Device {
 public:
  Device(const std::string& folder, const std::string& name, const std::string& order)
      : death_{order},
        name_{name},
        only_subscribes_{order == "subscribe"},
        store_{folder + "/session", death_},
        handed_{folder + "/handed"},
        received_{folder + "/received"},
        published_{folder + "/published"},
        client_{runtime_context_, std::make_unique<DyingTransport>(runtime_, death_), config()} {
    client_.on_unmatched([this](const mqtt::Message& message) { arrived(message); });
    client_.on_restored([this](const mqtt::Restored& restored) { finished(restored.outcome); });
    client_.on_disconnected([](const mqtt::Disconnection& why) { fmt::print(stderr, "disconnected: {}\n", why.text); });
    if (only_subscribes_) {
      client_.subscribe("down/" + name_, mqtt::QoS::exactly_once, {}, [this](Result<mqtt::QoS> granted) {
        client_.disconnect([this, granted](Result<>) { runtime_.stop(granted ? 0 : 1); });
      });
    } else {
      publish();
    }
  }
  int run() {
    return runtime_.run_until([this] { return is_complete(); }, std::chrono::seconds{20}) ? leave() : runtime_.run();
  }

 private:
  [[nodiscard]] mqtt::ClientConfig config() {
    return {.client_id = name_,
            .clean_session = false,
            .reconnect = {.enabled = false},
            .version = mqtt::ProtocolVersion::v5_0,
            .properties = {{mqtt::property::session_expiry_interval, 3600}},
            .accept_unknown_session = true,
            .store = &store_};
  }
  void publish() {
    std::set<std::string> outstanding;
    for (const auto& [token, message] : client_.session().outstanding()) {
      ++under_way_;
      if (message != nullptr) outstanding.emplace(message->payload.text());
    }
    for (const std::string payload : {"one", "two"}) {
      if (published_.has(payload)) continue;
      if (!outstanding.contains(payload)) {
        ++under_way_;
        client_.publish("up/" + name_, mqtt::Payload{payload}, mqtt::QoS::exactly_once, [this](Result<> outcome) { finished(outcome); });
      }
      published_.add(payload);
    }
  }
  void finished(const Result<>& outcome) {
    if (!outcome) std::exit(report("exactly_once", outcome.error()));
    --under_way_;
  }
  void arrived(const mqtt::Message& message) {
    const auto line = fmt::format("{} {}", message.delivery, message.payload.text());
    handed_.add(line);
    death_.count("handed");
    death_.die_if_due("handed");
    if (!received_.has(line)) received_.add(line);
    death_.count("noted");
    death_.die_if_due("noted");
    if (message.payload.text() == "last") last_ = true;
  }
  [[nodiscard]] bool is_complete() const {
    return !only_subscribes_ && client_.is_connected() && under_way_ == 0 && client_.session().in_flight() == 0 &&
           client_.session().unreleased() == 0 && (last_ || received_.has("2 last"));
  }
  int leave() {
    client_.disconnect([this](Result<>) { runtime_.stop(0); });
    return runtime_.run();
  }

  Runtime runtime_;
  Context runtime_context_{runtime_.scheduler(), runtime_.pool(), runtime_.random()};
  Death death_;
  std::string name_;
  bool only_subscribes_;
  DyingStore store_;
  Notes handed_;
  Notes received_;
  Notes published_;
  int under_way_ = 0;
  bool last_ = false;
  mqtt::Client client_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: exactly_once FOLDER NAME subscribe|never|KIND:N\n", stderr);
    return 2;
  }
  Device device{argv[1], argv[2], argv[3]};
  return device.run();
}
