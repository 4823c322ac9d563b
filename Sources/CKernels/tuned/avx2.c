// The tuned kernels for x86 with AVX2, FMA and F16C.
#include "../kernel.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define SFT_SUFFIX avx2
#include "kernels.inc"
#pragma clang attribute pop
#endif
