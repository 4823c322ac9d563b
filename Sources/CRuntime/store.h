// What writes and reads the files of a step's run share.
#ifndef SFT_STORE_H
#define SFT_STORE_H

#include "container.h"
#include "sft_training.h"
#include "step.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files of tensors are little-endian, and so has the machine to be"
#endif

// Elements converted at a time.
enum { SFT_BLOCK = 8192 };

static const char SFT_STATE_MAGIC[8] = {'S', 'F', 'S', 'T', 'A', 'T', '\r', '\n'};

struct sft_store {
  const sft_step *step;
  const sft_bundle *bundle;
  const sft_text *text;
  sft_file file;
  float block[SFT_BLOCK];
  int64_t header_capacity;
  char header[];
};

// A tensor of a file: elements of a parameter or of an optimizer's state.
typedef struct sft_stored {
  char name[SFT_NAME_BYTES + 32];
  const sft_buffer *buffer, *scales;  // scales of an int8 matrix, else NULL
  int64_t first, count;               // elements
  int64_t shape[4], axes;
  bool keeps_integers;
} sft_stored;

// Where a walk through the tensors of a delta is.
typedef struct sft_cursor {
  int64_t change, index, place;
} sft_cursor;

static inline const sft_program_data *sft_training_program(const sft_store *store) {
  return &store->bundle->programs[SFT_TRAINING];
}

static inline int64_t sft_element_count(const sft_buffer *b) {
  return b->bytes / sft_element_size(b->element);
}

static inline int64_t sft_aligned(int64_t offset) { return (offset + 63) / 64 * 64; }

// The next tensor of a delta; false behind the last one.
bool sft_next_part(const sft_store *store, sft_cursor *at, sft_stored *p);
// Whether a buffer is kept from step to step.
bool sft_is_state(const sft_buffer *b);
// The next such buffer, from an index on; false behind the last one.
bool sft_next_state(const sft_store *store, int64_t *index, sft_stored *p);
// The headers of both files, with the tables of their tensors.
void sft_put_delta_header(const sft_store *store, const sft_progress *progress, double loss,
                          sft_writer *w);
void sft_put_state_header(const sft_store *store, const sft_progress *progress, sft_writer *w);
// Which windows the steps of a run train on, as members behind others.
void sft_put_batches(const sft_store *store, sft_writer *w);
// The memory of a header.
sft_writer sft_header_of(sft_store *store);

#endif
