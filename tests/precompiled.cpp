// A library has a source: the precompiled header of this one is that of all tests.
