// The tuned kernels for x86 with AVX-512 F, BW, VL, DQ and the dot products of BF16 and VNNI.
#include "../kernel.h"

#if defined(SFT_X86)
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(                                                               \
    __attribute__((                                                                         \
        target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx512vnni"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx512vnni")
#endif
#define SFT_SUFFIX avx512bf16
#define SFT_TILE_ROWS 8
#define SFT_TILE_VECTORS 2
#define SFT_AVX512_DOT
#include "kernels.inc"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
