#include "hosts.hpp"

#include <optional>

using namespace tapir;
using namespace tapir::test;
using namespace std::chrono_literals;

TEST_CASE("the resolver knows literal addresses, and asks its lookup for names", "[asio]") {
  Hosts hosts;
  resolver literal{hosts.io};
  resolver table{hosts.io, tapir::asio::lookup_in({{"broker", {Ipv4Address{0xc0000209}, kRightAddress}}})};
  const auto ask = [&]() -> awaitable<void> {
    const auto [ok, results] = co_await literal.async_resolve("192.0.2.2", "7", with_error);
    CHECK_FALSE(ok);
    REQUIRE(results.size() == 1);
    CHECK(results.begin()->endpoint() == to_asio<net::ip::tcp>({kRightAddress, kEcho}));
    const auto error_of = [](resolver& names, std::string host, std::string service) -> awaitable<ErrorCode> {
      const auto [error, none] = co_await names.async_resolve(host, service, with_error);
      CHECK(none.empty());
      co_return error;
    };
    const auto unknown = co_await error_of(literal, "broker", "7");
    CHECK(unknown == net::error::host_not_found);
    const auto not_in_table = co_await error_of(table, "nobody", "7");
    CHECK(not_in_table == net::error::host_not_found);
    for (const auto* service : {"echo", "65536", "7x", ""}) {
      const auto no_port = co_await error_of(table, "broker", service);
      CHECK(no_port == net::error::service_not_found);
    }
    // Of two addresses the second one answers.
    const auto both = co_await table.async_resolve("broker", "7", use_awaitable);
    CHECK(both.size() == 2);
    tcp_acceptor acceptor{hosts.io, hosts.server()};
    CHECK_FALSE(acceptor.listen({{}, kEcho}));
    tcp_stream stream{hosts.io, hosts.client()};
    const auto endpoint = co_await tapir::asio::async_connect(stream, both, use_awaitable);
    CHECK(endpoint == to_asio<net::ip::tcp>({kRightAddress, kEcho}));
    const auto [none, nowhere] = co_await tapir::asio::async_connect(stream, {}, with_error);
    CHECK(none == net::error::not_found);
    CHECK(nowhere == tcp_stream::endpoint_type{});
  };
  hosts.play(ask());
}

TEST_CASE("a lookup may answer later, or too late", "[asio]") {
  Hosts hosts;
  std::vector<tapir::asio::LookupAnswer> asked;
  std::optional<resolver> names{std::in_place, hosts.io,
                                [&](const std::string&, tapir::asio::LookupAnswer answer) { asked.push_back(std::move(answer)); }};
  std::vector<ErrorCode> outcomes;
  for (int i = 0; i < 3; ++i) names->async_resolve("broker", "7", [&](ErrorCode error, const auto&) { outcomes.push_back(error); });
  hosts.pass(1s);
  CHECK(outcomes.empty());
  asked[1]({}, {kRightAddress});
  asked[0](net::error::host_not_found_try_again, {});
  hosts.pass(1s);
  CHECK(outcomes == std::vector<ErrorCode>{{}, net::error::host_not_found_try_again});
  names->cancel();
  hosts.pass(1s);
  REQUIRE(outcomes.size() == 3);
  CHECK(outcomes[2] == net::error::operation_aborted);
  names.reset();
  asked[2]({}, {kRightAddress});
  hosts.pass(1s);
  CHECK(outcomes.size() == 3);
}
