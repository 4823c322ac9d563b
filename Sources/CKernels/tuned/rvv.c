// The tuned kernels for 64-bit RISC-V with vectors of 128 bits or more. A vector of 16 lanes takes
// a group of 4 registers, of which there are 8: a tile's sums take 4.
#include "../kernel.h"

#if defined(SFT_RISCV)
#define SFT_SUFFIX rvv
#define SFT_TILE_ROWS 4
#define SFT_TILE_VECTORS 1
#include "kernels.inc"
#endif
