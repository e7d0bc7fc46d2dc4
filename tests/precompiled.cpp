// A source of its own for the precompiled header: main.cpp cannot use it, because Catch2 means something else there.
