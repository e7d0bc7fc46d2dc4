#include <tapir/core/observer.hpp>

namespace tapir {

std::string_view name(LayerId layer) noexcept {
  switch (layer) {
    case LayerId::link: return "link";
    case LayerId::ethernet: return "ethernet";
    case LayerId::arp: return "arp";
    case LayerId::rarp: return "rarp";
    case LayerId::ipv4: return "ipv4";
    case LayerId::icmp: return "icmp";
    case LayerId::igmp: return "igmp";
    case LayerId::udp: return "udp";
    case LayerId::tcp: return "tcp";
    case LayerId::dns: return "dns";
    case LayerId::tls: return "tls";
    case LayerId::websocket: return "websocket";
    case LayerId::mqtt: return "mqtt";
    case LayerId::application: return "application";
  }
  return "unknown";
}

}  // namespace tapir
