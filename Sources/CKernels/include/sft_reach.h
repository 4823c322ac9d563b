// How far a kernel call reaches into its buffers, as sft_kernels.def describes it: whoever is
// handed a call checks it against the sizes of its buffers once, before it runs.
#ifndef SFT_REACH_H
#define SFT_REACH_H

#include "sft_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sft_reach {
  // Bytes of each buffer that the call may touch, INT64_MAX where its sizes make no sense, 0 for
  // slots that the kernel does not have.
  int64_t bytes[SFT_MAX_BUFFERS];
  // Bit i: buffer i may be NULL.
  uint32_t optional;
  // Bit i: the call writes to buffer i.
  uint32_t written;
  // The most items that the sizes allow.
  int64_t items;
  // Bytes of scratch of each thread.
  int64_t scratch;
  // Bit i: the values of buffer i say where the call reads or writes, and are not checked here: the
  // position of cached tokens, and the numbers of targets and of columns.
  uint32_t indices;
} sft_reach;

// The reach of a call of `items` items of the kernel in that row of the tables. False if there is
// no such row.
bool sft_kernel_reach(int64_t row, const int64_t *_Nonnull sizes, int64_t items,
                      sft_reach *_Nonnull reach);

// The row of a kernel by name in the tables; -1 if there is none.
int64_t sft_kernel_row_named(const char *_Nonnull name);

#ifdef __cplusplus
}
#endif

#endif
