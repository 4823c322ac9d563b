// What every kernel file shares: how a kernel is declared, and the tables of the instruction sets.
#ifndef SFT_KERNEL_H
#define SFT_KERNEL_H

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "compiler.h"
#include "sft_kernels.h"

// The function of kernel `name` for an instruction set: sft_rmsnorm_avx2.
#define SFT_JOIN(name, isa) sft_##name##_##isa
#define SFT_FUNCTION(name, isa) SFT_JOIN(name, isa)
#define SFT_UNUSED __attribute__((unused))
#define SFT_SIGNATURE(name, isa)                                                          \
  void SFT_FUNCTION(name, isa)(SFT_UNUSED const sft_call *call, SFT_UNUSED int64_t begin, \
                               SFT_UNUSED int64_t end, SFT_UNUSED void *scratch)

// The architectures with kernels of their own; SFT_BASELINE_ONLY leaves these out.
#if defined(__x86_64__) && !defined(SFT_BASELINE_ONLY)
#define SFT_X86
#elif defined(__aarch64__) && !defined(SFT_BASELINE_ONLY)
#define SFT_ARM
#elif defined(__arm__) && defined(__ARM_NEON) && defined(__ARM_FEATURE_FMA) && \
    !defined(SFT_BASELINE_ONLY)
#define SFT_ARM32
#elif defined(__riscv_vector) && __riscv_xlen == 64 && !defined(SFT_BASELINE_ONLY)
#define SFT_RISCV
#endif

enum {
#define SFT_KERNEL(name) SFT_INDEX_##name,
#include "sft_kernels.def"
  SFT_KERNEL_COUNT
};

// The kernels in the tables, a file like sft_kernels.def: a build for one step has no others in it,
// and their rows are empty.
#if defined(SFT_CALLED_KERNELS)
#pragma GCC diagnostic ignored "-Wunused-function"
#else
#define SFT_CALLED_KERNELS "sft_kernels.def"
#endif

extern const sft_kernel_row sft_table_reference[SFT_KERNEL_COUNT];
extern const sft_kernel_row sft_table_portable[SFT_KERNEL_COUNT];
#if defined(SFT_X86)
extern const sft_kernel_row sft_table_avx2[SFT_KERNEL_COUNT];
extern const sft_kernel_row sft_table_avx512[SFT_KERNEL_COUNT];
extern const sft_kernel_row sft_table_avx512bf16[SFT_KERNEL_COUNT];
extern const sft_kernel_row sft_table_avx512amx[SFT_KERNEL_COUNT];
#elif defined(SFT_ARM)
extern const sft_kernel_row sft_table_neon[SFT_KERNEL_COUNT];
extern const sft_kernel_row sft_table_neonbf16[SFT_KERNEL_COUNT];
#elif defined(SFT_ARM32)
extern const sft_kernel_row sft_table_neon[SFT_KERNEL_COUNT];
#elif defined(SFT_RISCV)
extern const sft_kernel_row sft_table_rvv[SFT_KERNEL_COUNT];
#endif

// Each instruction set's own sft_sgemm_function.
#define SFT_OWN_SGEMM(isa)                                                                    \
  void sft_sgemm_##isa(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,   \
                       float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, \
                       float beta, float *c, int64_t ldc)
SFT_OWN_SGEMM(portable);
#if defined(SFT_X86)
SFT_OWN_SGEMM(avx2);
SFT_OWN_SGEMM(avx512);
SFT_OWN_SGEMM(avx512bf16);
SFT_OWN_SGEMM(avx512amx);
#elif defined(SFT_ARM)
SFT_OWN_SGEMM(neon);
SFT_OWN_SGEMM(neonbf16);
#elif defined(SFT_ARM32)
SFT_OWN_SGEMM(neon);
#elif defined(SFT_RISCV)
SFT_OWN_SGEMM(rvv);
#endif

static inline int64_t sft_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t sft_max(int64_t a, int64_t b) { return a > b ? a : b; }

// How a matrix is stored: f32, bf16 (uint16_t), or int8 with a scale per row.
typedef enum sft_type { SFT_F32, SFT_BF16, SFT_INT8 } sft_type;

// The float that a bfloat16 bit pattern stands for; exact.
static inline float sft_widen_bf16(uint16_t bits) {
  uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

// The bfloat16 nearest to a float, ties to even; NaN stays NaN.
static inline uint16_t sft_narrow_bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t rounded = bits + 0x7FFF + ((bits >> 16) & 1);
  bool is_nan = (bits & 0x7FFFFFFF) > 0x7F800000;
  return (uint16_t)((is_nan ? bits | 0x400000 : rounded) >> 16);
}

// Thirty-two bits that look random: a hash of two numbers (the finaliser of MurmurHash3).
static inline uint32_t sft_random_bits(uint32_t index, uint32_t salt) {
  uint32_t h = index * 0xCC9E2D51u ^ salt;
  h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
  h = (h ^ (h >> 13)) * 0xC2B2AE35u;
  return h ^ (h >> 16);
}

// One of the two bfloat16 next to a float: up if what is cut off, plus 16 random bits, overflows.
static inline uint16_t sft_narrow_randomly(float value, uint32_t random) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  bool is_finite = (bits & 0x7F800000) != 0x7F800000;
  bool is_nan = (bits & 0x7FFFFFFF) > 0x7F800000;
  return (uint16_t)((is_finite ? bits + random : is_nan ? bits | 0x400000 : bits) >> 16);
}

// The same bits serve what is rounded of one element: the low ones its first moment, the high ones
// its second, and 16 of the middle the parameter.
static inline uint32_t sft_middle_bits(uint32_t bits) { return (bits >> 8) & 0xFFFF; }

// What the random bits of a parameter's step depend on beside the element: the parameter's number,
// and the step's in hyper[6].
static inline uint32_t sft_salt(int64_t number, const float *hyper) {
  return (uint32_t)number * 0x9E3779B1u + (uint32_t)hyper[6] * 0x85EBCA77u;
}

// Integers of a step are rounded by other bits than the moments of the same element.
#define SFT_STEP_SALT 0x5BD1E995u
#define SFT_ERROR_SALT 0x27D4EB2Fu

// How a step rounds integers.
enum { SFT_ROUND_RANDOMLY, SFT_ROUND_NEAREST, SFT_ROUND_TO_ZERO };

// Elements of the moments in bytes that share a scale.
enum { SFT_MOMENT_BLOCK = 256 };

// The half-open block of an output matrix that items [begin, end) stand for: whole rows when the
// split axis is 0, whole columns when it is 1.
typedef struct sft_block {
  int64_t row_begin, row_end, column_begin, column_end;
} sft_block;

static inline sft_block sft_split(int64_t axis, int64_t rows, int64_t columns, int64_t begin,
                                  int64_t end) {
  if (axis == 0) return (sft_block){begin, end, 0, columns};
  return (sft_block){0, rows, begin, end};
}

// The first token that token t sees: where its document begins, or, with a window above 0, the
// earliest of the last `window` tokens. Never after t, so that a token sees at least itself.
static inline int64_t sft_first_key(const int32_t *starts, int64_t t, int64_t window) {
  int64_t first = sft_max(0, sft_min(starts[t], t));
  return window > 0 ? sft_max(first, t - window + 1) : first;
}

#endif
