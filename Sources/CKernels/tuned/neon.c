// The tuned kernels for Arm with NEON. A vector of 16 lanes takes 4 registers. In 64 bits there are
// 32: a tile's sums take 16, and 8 hold the right operand's values taken out of their words. In 32
// bits there are 16, and the sums take 8.
#include "../kernel.h"

#if defined(SFT_ARM) || defined(SFT_ARM32)
#include <arm_neon.h>
#define SFT_SUFFIX neon
#define SFT_TILE_VECTORS 1
#if defined(SFT_ARM)
#define SFT_NEON
#define SFT_TILE_ROWS 4
#else
#define SFT_TILE_ROWS 2
#endif
#include "kernels.inc"
#endif
