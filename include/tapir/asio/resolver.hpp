#pragma once

#include <charconv>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <tapir/asio/detail/operation.hpp>
#include <tapir/asio/endpoint.hpp>

namespace tapir::asio {

/// What a name lookup tells: addresses, or why there are none.
using LookupAnswer = std::function<void(boost::system::error_code, std::vector<IpAddress>)>;
/// Looks up a host's name, and gives `answer` now or later, once, on the stack's thread.
using Lookup = std::function<void(const std::string& host, LookupAnswer answer)>;

/// A lookup in a table.
[[nodiscard]] inline Lookup lookup_in(std::map<std::string, std::vector<IpAddress>> table) {
  return [table = std::move(table)](const std::string& host, const LookupAnswer& answer) {
    if (const auto found = table.find(host); found != table.end()) return answer({}, found->second);
    answer(boost::asio::error::host_not_found, {});
  };
}

namespace detail {

/// One question, shared by the operation that asks and the answer that comes.
struct Question {
  std::optional<std::tuple<boost::system::error_code, std::vector<IpAddress>>> answer;
};

struct ResolverState {
  boost::asio::any_io_executor executor;
  Lookup lookup;
  OperationQueue questions;
};

struct Resolving {
  using Results = boost::asio::ip::tcp::resolver::results_type;
  using Outcome = std::tuple<boost::system::error_code, Results>;
  std::shared_ptr<Question> question;
  std::string host;
  std::string service;

  [[nodiscard]] std::optional<Outcome> attempt() const {
    if (!question->answer) return std::nullopt;
    const auto& [error, addresses] = *question->answer;
    if (error) return failed(error);
    std::uint16_t port = 0;
    const char* const end = service.data() + service.size();
    const auto [rest, problem] = std::from_chars(service.data(), end, port);
    if (problem != std::errc{} || rest != end) return failed(boost::asio::error::service_not_found);
    std::vector<boost::asio::ip::tcp::endpoint> endpoints;
    for (const auto& address : addresses) endpoints.push_back(to_asio<boost::asio::ip::tcp>({address, Port{port}}));
    return Outcome{boost::system::error_code{}, Results::create(endpoints.begin(), endpoints.end(), host, service)};
  }
  [[nodiscard]] static Outcome failed(boost::system::error_code error) { return {error, Results{}}; }
};

}  // namespace detail

/// Turns a host and a port number into endpoints, as boost::asio::ip::tcp::resolver does. Literal addresses it knows itself; names are the business
/// of the Lookup that it is given, and unknown without one (boost::asio::error::host_not_found).
class resolver {
 public:
  using executor_type = boost::asio::any_io_executor;
  using results_type = detail::Resolving::Results;

  explicit resolver(executor_type executor, Lookup lookup = {})
      : state_{std::make_shared<detail::ResolverState>(std::move(executor), lookup ? std::move(lookup) : lookup_in({}))} {}
  explicit resolver(boost::asio::io_context& context, Lookup lookup = {}) : resolver{context.get_executor(), std::move(lookup)} {}

  [[nodiscard]] executor_type get_executor() const noexcept { return state_->executor; }

  /// void(error_code, results_type). `service` is a port number; boost::asio::error::service_not_found otherwise.
  template <boost::asio::completion_token_for<void(boost::system::error_code, results_type)> Token>
  auto async_resolve(std::string_view host, std::string_view service, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, results_type)>(
        [state = state_](auto handler, const std::string& name, const std::string& port) {
          auto question = std::make_shared<detail::Question>();
          ask(state, name, question);
          detail::start(state->questions, state->executor, detail::Resolving{question, name, port}, std::move(handler));
        },
        token, std::string{host}, std::string{service});
  }
  /// What waits ends with boost::asio::error::operation_aborted.
  void cancel() { state_->questions.abort_all(); }

 private:
  static void ask(const std::shared_ptr<detail::ResolverState>& state, const std::string& host,
                  const std::shared_ptr<detail::Question>& question) {
    if (const auto literal = Ipv4Address::parse(host)) {
      question->answer = {boost::system::error_code{}, {*literal}};
      return;
    }
    state->lookup(host, [weak = std::weak_ptr{state}, question](boost::system::error_code error, std::vector<IpAddress> addresses) {
      question->answer = {error, std::move(addresses)};
      if (const auto alive = weak.lock()) alive->questions.attempt_each();
    });
  }

  std::shared_ptr<detail::ResolverState> state_;
};

}  // namespace tapir::asio
