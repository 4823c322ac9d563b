// The tuned kernels for x86 with AVX-512 F, BW, VL and DQ.
#include "../kernel.h"

#if defined(SFT_X86)
#if defined(__clang__)
#pragma clang attribute push(                                                    \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")
#endif
#define SFT_SUFFIX avx512
#define SFT_TILE_ROWS 8
#define SFT_TILE_VECTORS 2
#include "kernels.inc"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
