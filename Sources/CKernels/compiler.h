// What clang and gcc spell differently: vectors of sixteen lanes, and what a loop promises.
#ifndef SFT_COMPILER_H
#define SFT_COMPILER_H

#if defined(__clang__)

// A vector type of sixteen lanes of `bytes` bytes each, and of eight.
#define SFT_SIXTEEN(bytes) ext_vector_type(16)
#define SFT_EIGHT(bytes) ext_vector_type(8)
// A vector of which every lane is `value`.
#define SFT_SPLAT(type, value) ((type)(value))
// Lane by lane: a where the comparison holds, else b.
#define SFT_SELECT(holds, a, b) ((holds) ? (a) : (b))
#define SFT_SQUARE_ROOT(vector) __builtin_elementwise_sqrt(vector)
// Asserts that iterations do not depend on each other: in-place use reads and writes one index.
#define SFT_VECTORIZE _Pragma("clang loop vectorize(assume_safety)")
#define SFT_UNROLL _Pragma("clang loop unroll(full)")

#else

// Without a strict dialect gcc fuses multiply-adds of element-wise code, which then has other bits
// on every instruction set.
#if !defined(__STRICT_ANSI__)
#error "build with -std=c11"
#endif
// Multiply-adds that clang may fuse, and sums that it may reorder, stay as they are written.
#pragma GCC diagnostic ignored "-Wunknown-pragmas"

#define SFT_SIXTEEN(bytes) vector_size(16 * (bytes))
#define SFT_EIGHT(bytes) vector_size(8 * (bytes))
// Minus zero: plus zero is an addition, since it makes 0 of −0.
#define SFT_SPLAT(type, value) ((value) - (type){0})
#define SFT_SELECT(holds, a, b)                                                      \
  __extension__({                                                                    \
    const __typeof__(a) sft_a = (a), sft_b = (b);                                    \
    const sft_words sft_mask = (sft_words)(holds);                                   \
    (__typeof__(a))((sft_mask & (sft_words)sft_a) | (~sft_mask & (sft_words)sft_b)); \
  })
#define SFT_SQUARE_ROOT(vector)                         \
  __extension__({                                       \
    __typeof__((vector) + 0) sft_root = (vector);       \
    for (int sft_lane = 0; sft_lane < 16; ++sft_lane) { \
      sft_root[sft_lane] = sqrtf(sft_root[sft_lane]);   \
    }                                                   \
    sft_root;                                           \
  })
#define SFT_VECTORIZE _Pragma("GCC ivdep")
#define SFT_UNROLL _Pragma("GCC unroll 32")

#endif

#endif
