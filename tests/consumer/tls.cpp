// A TLS configuration that trusts what the system trusts.

#include <cstdio>

#include <tapir/tls/client_context.hpp>

int main() {
  const auto context = tapir::tls::ClientContext::create({.server_name = "broker.example"});
  std::puts(context ? "consumer_tls: ready" : context.error().text.c_str());
  return context ? 0 : 1;
}
