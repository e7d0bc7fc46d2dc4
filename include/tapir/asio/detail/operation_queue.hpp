#pragma once

#include <boost/asio/error.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/intrusive/list.hpp>
#include <boost/system/error_code.hpp>

namespace tapir::asio::detail {

template <class Tag>
using Hook = boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>, boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
struct InQueue;
struct InService;

/// An asynchronous operation that waits for an event. Each of its functions that ends it destroys it.
class OperationBase : public Hook<InQueue>, public Hook<InService> {
 public:
  OperationBase() = default;
  OperationBase(const OperationBase&) = delete;
  OperationBase& operator=(const OperationBase&) = delete;

  /// Tries once more. Whether that was the end of it.
  virtual bool attempt() = 0;
  /// Ends it with `error`.
  virtual void fail(boost::system::error_code error) = 0;
  /// Ends it without calling the handler.
  virtual void destroy() = 0;

 protected:
  ~OperationBase() = default;
};

template <class Tag>
using OperationList =
    boost::intrusive::list<OperationBase, boost::intrusive::base_hook<Hook<Tag>>, boost::intrusive::constant_time_size<false>>;

/// The operations that wait for the same event, in the order in which they were begun.
class OperationQueue {
 public:
  OperationQueue() = default;
  OperationQueue(const OperationQueue&) = delete;
  OperationQueue& operator=(const OperationQueue&) = delete;
  /// Those that still wait end as aborted.
  ~OperationQueue() { abort_all(); }

  void push(OperationBase& operation) { list_.push_back(operation); }
  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  void attempt_first() {
    if (!list_.empty()) list_.front().attempt();
  }
  void attempt_each() {
    for (auto next = list_.begin(); next != list_.end();) (next++)->attempt();
  }
  void abort_all() {
    while (!list_.empty()) list_.front().fail(boost::asio::error::operation_aborted);
  }

 private:
  OperationList<InQueue> list_;
};

/// Every operation that waits on behalf of one io_context. When that goes, so do they, and with their handlers the coroutines and streams
/// that only the handlers kept alive.
class OperationService final : public boost::asio::execution_context::service {
 public:
  static inline boost::asio::execution_context::id id;

  explicit OperationService(boost::asio::execution_context& context) : service{context} {}
  void add(OperationBase& operation) { list_.push_back(operation); }
  [[nodiscard]] bool shut_down() const noexcept { return shut_down_; }

 private:
  void shutdown() override {
    shut_down_ = true;
    while (!list_.empty()) list_.front().destroy();
  }

  OperationList<InService> list_;
  bool shut_down_ = false;
};

}  // namespace tapir::asio::detail
