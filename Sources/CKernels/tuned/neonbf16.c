// The tuned kernels for 64-bit Arm with the dot products of BF16 and I8MM. Words are multiplied as
// they are, so that a tile's sums can take 24 of the 32 registers.
#include "../kernel.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#pragma clang attribute push(__attribute__((target("bf16,i8mm"))), apply_to = function)
#define SFT_SUFFIX neonbf16
#define SFT_TILE_ROWS 6
#define SFT_TILE_VECTORS 1
#define SFT_NEON_DOT
#include "kernels.inc"
#pragma clang attribute pop
#endif
