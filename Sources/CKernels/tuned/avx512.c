// The tuned kernels for x86 with AVX-512 F, BW, VL and DQ.
#include "../kernel.h"

#if defined(__x86_64__)
#pragma clang attribute push(                                                    \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq"))), \
    apply_to = function)
#define SFT_SUFFIX avx512
#define SFT_TILE_ROWS 8
#define SFT_TILE_VECTORS 2
#include "kernels.inc"
#pragma clang attribute pop
#endif
