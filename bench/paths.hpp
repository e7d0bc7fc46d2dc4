#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "two_stacks.hpp"

/// The paths through two stacks that are measured: in time by in_process.cpp, in instructions by instructions.cpp.
namespace tapir::bench {

/// A client that sends as fast as the server, which copies all it gets into the application's buffer, takes it.
class Bulk {
 public:
  explicit Bulk(Frames frames)
      : stacks_{frames, [this](tcp::Connection connection) { serve(std::move(connection)); }}, client_{stacks_.connect()} {
    client_.handle({.connected = [this] { send(); }, .writable = [this] { send(); }});
  }
  /// Moves `bytes` more.
  void move(std::uint64_t bytes) {
    wanted_ = received_ + bytes;
    send();
    stacks_.until([this] { return received_ >= wanted_; });
  }
  [[nodiscard]] TwoStacks& stacks() noexcept { return stacks_; }

 private:
  void serve(tcp::Connection connection) {
    server_ = std::move(connection);
    server_.handle({.readable = [this] { receive(); }});
  }
  void send() {
    while (sent_ < wanted_) {
      const auto most = std::min<std::uint64_t>(chunk_.size(), wanted_ - sent_);
      const auto taken = client_.send(std::span{chunk_}.first(most));
      if (!taken) return;
      sent_ += *taken;
      if (*taken < most) return;
    }
  }
  void receive() {
    while (const auto count = server_.receive(into_)) received_ += *count;
  }

  std::uint64_t wanted_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  std::vector<std::byte> chunk_ = std::vector<std::byte>(1 << 18);
  std::vector<std::byte> into_ = std::vector<std::byte>(1 << 18);
  TwoStacks stacks_;
  tcp::Connection server_;
  tcp::Connection client_;
};

/// One byte there, one byte back.
class RequestResponse {
 public:
  RequestResponse() : stacks_{Frames::super_segments, [this](tcp::Connection connection) { serve(std::move(connection)); }} {
    client_ = stacks_.connect();
    client_.set_nagle(false);
    client_.handle({.connected = [this] { open_ = true; }, .readable = [this] { answered(); }});
    stacks_.until([this] { return open_ && server_; });
  }
  void exchange(std::uint64_t times) {
    left_ = times;
    ask();
    stacks_.until([this] { return left_ == 0; });
  }
  [[nodiscard]] TwoStacks& stacks() noexcept { return stacks_; }

 private:
  void serve(tcp::Connection connection) {
    server_ = std::move(connection);
    server_.set_nagle(false);
    server_.handle({.readable = [this] {
      while (const auto count = server_.receive(byte_)) demand(server_.send(std::span{byte_}.first(*count)).has_value(), "answer");
    }});
  }
  void ask() { demand(client_.send(byte_).has_value(), "ask"); }
  void answered() {
    while (client_.receive(byte_)) {
      if (--left_ > 0) ask();
    }
  }

  std::array<std::byte, 1> byte_{};
  std::uint64_t left_ = 0;
  bool open_ = false;
  TwoStacks stacks_;
  tcp::Connection server_;
  tcp::Connection client_;
};

/// Connect, one byte each way, close in order: the client closes first.
class ShortConnections {
 public:
  ShortConnections() : stacks_{Frames::super_segments, [this](tcp::Connection connection) { serve(std::move(connection)); }, quick()} {}

  void run(std::uint64_t times) {
    left_ = times;
    call();
    stacks_.until([this] { return left_ == 0; });
  }
  [[nodiscard]] TwoStacks& stacks() noexcept { return stacks_; }

 private:
  static StackConfig quick() {
    StackConfig config;
    config.tcp.msl = std::chrono::milliseconds{1};  // or the ports would run out
    return config;
  }
  void serve(tcp::Connection connection) {
    auto& served = served_.emplace_back(std::make_unique<tcp::Connection>(std::move(connection)));
    tcp::Connection* const server = served.get();
    server->handle(
        {.readable =
             [this, server] {
               while (const auto count = server->receive(byte_)) {
                 if (*count == 0) return server->close();
                 demand(server->send(byte_).has_value(), "answer");
               }
             },
         .closed = [this, server](std::error_code) { std::erase_if(served_, [&](const auto& each) { return each.get() == server; }); }});
  }
  void call() {
    client_ = std::make_unique<tcp::Connection>(stacks_.connect());
    client_->handle({.connected = [this] { demand(client_->send(byte_).has_value(), "ask"); },
                     .readable =
                         [this] {
                           if (client_->receive(byte_)) client_->close();
                         },
                     .closed = [this](std::error_code) { stacks_.world().after({}, [this] { next(); }); }});
  }
  void next() {
    client_.reset();
    stacks_.world().after(std::chrono::milliseconds{3}, [this] {
      if (--left_ > 0) call();
    });
  }

  std::array<std::byte, 1> byte_{};
  std::uint64_t left_ = 0;
  TwoStacks stacks_;
  std::deque<std::unique_ptr<tcp::Connection>> served_;
  std::unique_ptr<tcp::Connection> client_;
};

}  // namespace tapir::bench
