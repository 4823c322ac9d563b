// OpenBLAS behind a few functions: its single-threaded sgemm, loaded after its core type is chosen,
// and what of LAPACK comes with it.
#ifndef SFT_OPENBLAS_H
#define SFT_OPENBLAS_H

#include "sft_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

// Loads OpenBLAS once per process: sets OPENBLAS_CORETYPE for CPUs that it does not know (unless
// the user has set it) and one thread, then opens the library. Returns NULL and an explanation in
// `*problem` (static storage) if it can't be had; the explanation is NULL where memory ran out.
// Thread-safe; later calls give the same answer.
sft_sgemm_function _Nullable sft_openblas_sgemm(const char *_Nullable *_Nullable problem);

// What a decomposition ended with.
typedef enum {
  SFT_DECOMPOSED,
  // No OpenBLAS, or one that was built without LAPACK: `*problem` says which.
  SFT_NO_LAPACK,
  // Memory ran out, or the sizes are beyond LAPACK's 32-bit integers.
  SFT_NO_ROOM,
  // The values are not finite, or the iteration did not converge.
  SFT_NOT_CONVERGED,
} sft_decomposition;

// Singular values s[k], k = min(rows, columns), largest first, of a row-major matrix
// a[rows][columns], and its right singular vectors as rows, v[k][columns] (LAPACK's dgesdd).
// Overwrites `a`. Both sizes must be positive.
sft_decomposition sft_openblas_right_singular_vectors(int64_t rows, int64_t columns,
                                                      double *_Nonnull a, double *_Nonnull s,
                                                      double *_Nonnull v,
                                                      const char *_Nullable *_Nullable problem);

// c[m][n] = a[m][k] · b[n][k]ᵀ in double precision, all row-major. False where the library can't be
// had, or a size is not positive or beyond 32 bits.
bool sft_openblas_dgemm_nt(int64_t m, int64_t n, int64_t k, const double *_Nonnull a,
                           const double *_Nonnull b, double *_Nonnull c);

// "OpenBLAS 0.3.21 … SkylakeX" as the library describes itself; empty before it is loaded.
const char *_Nonnull sft_openblas_description(void);

#ifdef __cplusplus
}
#endif

#endif
