// The tuned kernels for 64-bit Arm. A vector of 16 lanes takes 4 of its 32 registers: a tile's sums
// take 16, and 8 hold the right operand's values taken out of their words.
#include "../kernel.h"

#if defined(SFT_ARM)
#include <arm_neon.h>
#define SFT_SUFFIX neon
#define SFT_NEON
#define SFT_TILE_ROWS 4
#define SFT_TILE_VECTORS 1
#include "kernels.inc"
#endif
