// The plain functions need no memory; OpenSSL 3 calls them deprecated in favour of ones that do.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
