// Letting go of parts of a mapped checkpoint.
#ifndef SFT_RELEASE_H
#define SFT_RELEASE_H

#include "sft_runtime.h"

// Bytes that are read before they are released. Systems map as much around a byte that is touched:
// what is released is as much wider on both sides, or parts that were released would come back.
#define SFT_READ_BYTES ((int64_t)1 << 16)

// Releases a part of a checkpoint that has been read; nothing where `release` is NULL.
static inline void sft_release_around(sft_release *release, const void *checkpoint, int64_t size,
                                      int64_t first, int64_t end) {
  if (!release) return;
  first = first > SFT_READ_BYTES ? first - SFT_READ_BYTES : 0;
  end = size - end > SFT_READ_BYTES ? end + SFT_READ_BYTES : size;
  release((const char *)checkpoint + first, end - first);
}

#endif
