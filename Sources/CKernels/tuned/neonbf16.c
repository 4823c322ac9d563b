// The tuned kernels for 64-bit Arm with the dot products of BF16 and I8MM. Words are multiplied as
// they are, so that a tile's sums can take 24 of the 32 registers.
#include "../kernel.h"

#if defined(SFT_ARM)
#include <arm_neon.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("bf16,i8mm"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("arch=armv8.2-a+bf16+i8mm")
#endif
#define SFT_SUFFIX neonbf16
#define SFT_TILE_ROWS 6
#define SFT_TILE_VECTORS 1
#define SFT_NEON_DOT
#include "kernels.inc"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
