// Kernels of sparseft: one calling convention, one table, one row per kernel.
//
// A kernel gets a call (buffers, sizes, scalars: the plain data of a `KernelCall` bound to
// addresses) and a half-open range of work items. Ranges of one call may run on several threads;
// a kernel writes only what belongs to its range, so results do not depend on who runs what.
// Kernels never allocate: what they need beside their buffers is `scratch`, private to the thread,
// 64-byte aligned, at least as large as the call's lowering asked for.
//
// Letters: N tokens (batch · T), T tokens of a window, D width, H hidden width, V vocabulary,
// hw head width, Hq query heads, Hkv key/value heads. Matrices are row-major.
#ifndef SFT_KERNELS_H
#define SFT_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

// Whether a pointer may be NULL, for clang and for Swift, which imports this header.
#if !defined(__clang__) && !defined(_Nonnull)
#define _Nonnull
#define _Nullable
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum { SFT_MAX_BUFFERS = 12, SFT_MAX_SIZES = 12, SFT_MAX_SCALARS = 8 };

// C[m,n] = alpha · op(A)·op(B) + beta · C, row-major; lda, ldb, ldc are row strides in elements.
typedef void (*sft_sgemm_function)(bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                                   int64_t k, float alpha, const float *_Nonnull a, int64_t lda,
                                   const float *_Nonnull b, int64_t ldb, float beta,
                                   float *_Nonnull c, int64_t ldc);

typedef struct sft_call {
  void *_Nullable buffers[SFT_MAX_BUFFERS];
  int64_t sizes[SFT_MAX_SIZES];
  float scalars[SFT_MAX_SCALARS];
  // The single-threaded f32 product that kernels build on: OpenBLAS, or the plain loops.
  sft_sgemm_function _Nullable sgemm;
} sft_call;

typedef void (*sft_kernel)(const sft_call *_Nonnull call, int64_t begin, int64_t end,
                           void *_Nullable scratch);

typedef struct sft_kernel_row {
  const char *_Nonnull name;
  sft_kernel _Nonnull function;
} sft_kernel_row;

// Instruction sets, each including what stands before it on its architecture.
typedef enum sft_isa {
  SFT_ISA_REFERENCE = 0,   // plain loops: the definition that the others are checked against
  SFT_ISA_PORTABLE = 1,    // the tuned source compiled for the baseline CPU
  SFT_ISA_AVX2 = 2,        // + FMA, F16C
  SFT_ISA_AVX512 = 3,      // F, BW, VL, DQ
  SFT_ISA_AVX512BF16 = 4,  // + BF16, VNNI: dot products of bf16 pairs and of groups of four bytes
  SFT_ISA_AVX512AMX = 5,   // + AMX: a matrix unit for bf16 pairs and bytes
  SFT_ISA_NEON = 6,      // Arm with NEON and fused multiply-adds: every 64-bit CPU, many of 32 bits
  SFT_ISA_NEONBF16 = 7,  // + BF16, I8MM: the same dot products as AVX512BF16
  SFT_ISA_RVV = 8,       // 64-bit RISC-V with vectors (V 1.0)
  SFT_ISA_COUNT = 9,
} sft_isa;

// The best instruction set of this CPU; of a program with the kernels of one set only, that one.
sft_isa sft_isa_best(void);
bool sft_isa_supported(sft_isa isa);
const char *_Nonnull sft_isa_name(sft_isa isa);  // "reference", "portable", "avx2" …

// The table of an instruction set: `*count` rows sorted as in sft_kernels.def. Names are the same
// in every table. A program with the kernels of one instruction set has no other table, and one
// with some of the kernels has NULL in the rows of the others.
const sft_kernel_row *_Nonnull sft_kernel_table(sft_isa isa, int64_t *_Nonnull count);

// The single-threaded f32 product of an instruction set that is this project's own: for matrices as
// small as those of attention, and where there is no library.
sft_sgemm_function _Nonnull sft_sgemm_of(sft_isa isa);

// Plain-loop product with sft_sgemm_function's meaning (sums in double).
void sft_sgemm_reference(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                         float alpha, const float *_Nonnull a, int64_t lda, const float *_Nonnull b,
                         int64_t ldb, float beta, float *_Nonnull c, int64_t ldc);

#ifdef __cplusplus
}
#endif

#endif
