#pragma once

// Boost.Asio over tapir: streams, acceptors, datagram sockets and timers for coroutines, asio::ssl and Boost.Beast, and MQTT. Needs Boost 1.81 or later;
// in CMake it is the target tapir::asio (find_package(tapir COMPONENTS asio)).

#include <tapir/asio/connect.hpp>
#include <tapir/asio/mqtt_client.hpp>
#include <tapir/asio/resolver.hpp>
#include <tapir/asio/run.hpp>
#include <tapir/asio/steady_timer.hpp>
#include <tapir/asio/tcp_acceptor.hpp>
#include <tapir/asio/tcp_stream.hpp>
#include <tapir/asio/udp_socket.hpp>
