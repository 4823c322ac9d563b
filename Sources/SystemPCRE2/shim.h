// CPCRE2 includes the library's own header. This module only carries the compiler and linker flags
// that pkg-config knows.
