// The frozen blocks' outputs of windows that come again, in a file without a name.
#ifndef SFT_TRAIN_CACHE_H
#define SFT_TRAIN_CACHE_H

#include "sft_training.h"

typedef struct sft_cache sft_cache;

// What a row of a batch holds: a window of a text, or nothing that counts.
typedef struct sft_row {
  bool is_cleared;
  sft_split split;
  int64_t window;
} sft_row;

// Caches for the texts that the bundle's settings give bytes to, in files of a folder; they serve
// the step from now on. `rows` are those of the batch that is about to run, and have to stay. NULL
// where nothing is to be kept, or can't be.
sft_cache *sft_cache_open(sft_step *step, const sft_bundle *bundle, const sft_text *text,
                          const sft_row *rows, const char *folder);
void sft_cache_close(sft_cache *cache);
// Whether a cache was given up since the last call, because its file can't be read or written.
bool sft_cache_failed(sft_cache *cache);

#endif
