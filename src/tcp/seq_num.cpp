#include <tapir/tcp/seq_num.hpp>

#include <ostream>

namespace tapir::tcp {

std::ostream& operator<<(std::ostream& out, SeqNum number) { return out << number.value(); }

}  // namespace tapir::tcp
