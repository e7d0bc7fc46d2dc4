#pragma once

#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/system/error_code.hpp>

#include <tapir/asio/detail/operation_queue.hpp>

namespace tapir::asio::detail {

/// Has `executor` call `handler` with the elements of `outcome`: never from inside the call that began the operation, nor from inside the stack.
template <class Handler, class Outcome>
void post_outcome(const boost::asio::any_io_executor& executor, Handler handler, Outcome outcome) {
  std::apply(
      [&](auto&&... values) {
        boost::asio::post(executor, boost::asio::append(std::move(handler), std::forward<decltype(values)>(values)...));
      },
      std::move(outcome));
}

/// A handler, and the work that must succeed before it is called. Lives in memory of the handler's allocator until then.
///
/// Work has a type Outcome, a tuple of an error code and the other arguments of the handler; `std::optional<Outcome> attempt()`, empty while there
/// is something to wait for; and `Outcome failed(error_code)`. It may have `bool cancel(cancellation_type)`: whether a cancellation of this kind
/// ends the operation; without it every kind does, for nothing has been done for the caller while an operation waits.
template <class Work, class Handler>
class Operation final : public OperationBase {
 public:
  static Operation& make(const boost::asio::any_io_executor& executor, OperationService& service, Work work, Handler handler) {
    Allocator allocator{boost::asio::get_associated_allocator(handler)};
    Operation* const memory = Traits::allocate(allocator, 1);
    return *std::construct_at(memory, executor, service, std::move(work), std::move(handler));
  }

  Operation(const boost::asio::any_io_executor& executor, OperationService& service, Work work, Handler handler)
      : executor_{executor},
        service_{&service},
        work_{std::move(work)},
        handler_{std::move(handler)},
        guard_{boost::asio::get_associated_executor(handler_, executor)} {
    service.add(*this);
    if (auto slot = boost::asio::get_associated_cancellation_slot(handler_); slot.is_connected()) {
      slot.assign([this](boost::asio::cancellation_type type) {
        if (type == boost::asio::cancellation_type::none) return;
        if constexpr (requires { work_.cancel(type); }) {
          if (!work_.cancel(type)) return;
        }
        fail(boost::asio::error::operation_aborted);
      });
    }
  }

  bool attempt() override {
    auto outcome = work_.attempt();
    if (outcome) finish(std::move(*outcome));
    return outcome.has_value();
  }

  void fail(boost::system::error_code error) override { finish(work_.failed(error)); }

  void destroy() override {
    // The handler may own the queue that this stands in, and the memory goes before what it owns.
    [[maybe_unused]] const Handler handler = release();
  }

 private:
  using Allocator = typename std::allocator_traits<boost::asio::associated_allocator_t<Handler>>::template rebind_alloc<Operation>;
  using Traits = std::allocator_traits<Allocator>;

  /// Frees this object; what is left of it is the handler.
  Handler release() {
    Allocator allocator{boost::asio::get_associated_allocator(handler_)};
    Handler handler = std::move(handler_);
    std::destroy_at(this);
    Traits::deallocate(allocator, this, 1);
    return handler;
  }

  void finish(typename Work::Outcome outcome) {
    if (service_->shut_down()) return destroy();
    if (auto slot = boost::asio::get_associated_cancellation_slot(handler_); slot.is_connected()) slot.clear();
    const auto executor = executor_;
    const auto guard = std::move(guard_);
    post_outcome(executor, release(), std::move(outcome));
  }

  boost::asio::any_io_executor executor_;
  OperationService* service_;
  Work work_;
  Handler handler_;
  boost::asio::executor_work_guard<boost::asio::associated_executor_t<Handler, boost::asio::any_io_executor>> guard_;
};

/// Does `work` at once if that can be, and otherwise lets it wait in `queue`; then `handler` is called. The operation that waits; nullptr: none.
template <class Work, class Handler>
OperationBase* start(OperationQueue& queue, const boost::asio::any_io_executor& executor, Work work, Handler handler) {
  if (auto outcome = work.attempt()) {
    post_outcome(executor, std::move(handler), std::move(*outcome));
    return nullptr;
  }
  auto& service = boost::asio::use_service<OperationService>(boost::asio::query(executor, boost::asio::execution::context));
  auto& operation = Operation<Work, Handler>::make(executor, service, std::move(work), std::move(handler));
  queue.push(operation);
  return &operation;
}

}  // namespace tapir::asio::detail
