#include "host_lookup.hpp"

#include <netdb.h>

#include <cstring>
#include <thread>
#include <utility>

#include <tapir/link/system_error.hpp>

namespace tapir {

namespace {

class ResolverCategory final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "resolver"; }
  [[nodiscard]] std::string message(int value) const override { return ::gai_strerror(value); }
  [[nodiscard]] std::error_condition default_error_condition(int) const noexcept override { return std::errc::host_unreachable; }
};

}  // namespace

const std::error_category& resolver_category() noexcept {
  static const ResolverCategory category;
  return category;
}

std::error_code HostSocket::Lookup::ask(const std::string& host, Port port, int flags, std::vector<Address>& addresses) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port.value()).c_str(), &hints, &found);
  if (error == EAI_SYSTEM) return link::system_error();
  if (error != 0) return {error, resolver_category()};
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    Address& address = addresses.emplace_back(Address{.size = entry->ai_addrlen});
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
  }
  ::freeaddrinfo(found);
  return {};
}

std::vector<HostSocket::Address> HostSocket::Lookup::numeric(const std::string& host, Port port) {
  std::vector<Address> addresses;
  (void)ask(host, port, AI_NUMERICHOST, addresses);
  return addresses;
}

Result<std::shared_ptr<HostSocket::Lookup>> HostSocket::Lookup::start(Runtime& runtime, HostSocket& socket, std::string host, Port port) {
  auto lookup = std::make_shared<Lookup>(runtime, socket);
  const auto work = [lookup, host = std::move(host), port] {
    std::vector<Address> addresses;
    const auto error = ask(host, port, 0, addresses);
    const std::lock_guard lock{lookup->mutex};
    if (lookup->runtime == nullptr) return;
    lookup->runtime->post([lookup, error, addresses = std::move(addresses)]() mutable {
      if (lookup->socket != nullptr) lookup->socket->on_resolved(error, std::move(addresses));
    });
  };
  try {
    std::thread{work}.detach();
  } catch (const std::system_error& error) {
    return fail(error.code());
  }
  return lookup;
}

}  // namespace tapir
