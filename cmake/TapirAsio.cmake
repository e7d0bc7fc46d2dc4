# tapir::asio: Boost.Asio over the stack (include/tapir/asio). Headers alone, and nothing in the library knows of it.
find_package(Threads REQUIRED)

add_library(tapir_asio INTERFACE)
add_library(tapir::asio ALIAS tapir_asio)
set_target_properties(tapir_asio PROPERTIES EXPORT_NAME asio)
target_link_libraries(tapir_asio INTERFACE tapir::tapir Boost::headers Threads::Threads)
