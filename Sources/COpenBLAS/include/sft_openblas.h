// OpenBLAS behind one function: its single-threaded sgemm, loaded after its core type is chosen.
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

// "OpenBLAS 0.3.21 … SkylakeX" as the library describes itself; empty before it is loaded.
const char *_Nonnull sft_openblas_description(void);

#ifdef __cplusplus
}
#endif

#endif
