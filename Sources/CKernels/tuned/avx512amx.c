// The tuned kernels for x86 with AMX beside AVX-512 and its dot products: products of bf16 pairs
// and of bytes run on the matrix unit.
#include "../kernel.h"

#if defined(SFT_X86)
#include <immintrin.h>
#if defined(__clang__)
#pragma clang attribute push(                                                            \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16," \
                          "avx512vnni,amx-tile,amx-bf16,amx-int8"))),                    \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target( \
    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx512vnni,amx-tile,amx-bf16,amx-int8")
#endif
#define SFT_SUFFIX avx512amx
#define SFT_TILE_ROWS 8
#define SFT_TILE_VECTORS 2
#define SFT_AVX512_DOT
// gcc's intrinsics of the unit do not say what memory they read and write.
#if defined(__clang__)
#define SFT_AMX
#endif
#include "kernels.inc"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif
