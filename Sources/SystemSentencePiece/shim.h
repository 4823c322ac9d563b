// SentencePiece's own headers are C++; the shim in CSentencePiece includes them. This module only
// carries the compiler and linker flags that pkg-config knows.
