// Writes deltas and states of a run, as the program that made the bundle writes them.
#include "store.h"

#include <stdlib.h>

#include "contents.h"
#include "error.h"

static const char DELTA_MAGIC[8] = {'S', 'F', 'D', 'E', 'L', 'T', '\r', '\n'};

// ---- elements

static const char *memory_of(const sft_store *store, const sft_buffer *b) {
  return sft_step_arena(store->step) + b->place;
}

static float bf16_at(const char *from, int64_t index) {
  uint16_t bits;
  memcpy(&bits, from + 2 * index, sizeof bits);
  return sft_float_of(bits);
}

// Elements as floats, those of an int8 matrix times the scales of their rows if it has any.
static void read_floats(const sft_store *store, const sft_stored *p, int64_t first, int64_t count,
                        float *to) {
  const char *from = memory_of(store, p->buffer);
  if (p->buffer->element == SFT_ELEMENT_F32) {
    memcpy(to, from + 4 * first, 4 * (size_t)count);
    return;
  }
  const float *scales = p->scales ? (const void *)memory_of(store, p->scales) : NULL;
  const int64_t width = scales ? sft_element_count(p->buffer) / (p->scales->bytes / 4) : 1;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t at = first + i;
    if (p->buffer->element == SFT_ELEMENT_BF16) {
      to[i] = bf16_at(from, at);
    } else if (p->buffer->element == SFT_ELEMENT_CODES) {
      to[i] = (float)(uint8_t)from[at];
    } else {
      to[i] = (float)(int8_t)from[at];
      if (scales) to[i] *= scales[at / width];
    }
  }
}

static sft_status write_part(sft_store *store, const sft_stored *p, sft_error *error) {
  sft_status status = sft_file_align(&store->file, error);
  if (p->keeps_integers && status == SFT_OK) {
    const int64_t width = p->shape[1];
    const char *scales = memory_of(store, p->scales) + 4 * (p->first / width);
    status = sft_file_write(&store->file, memory_of(store, p->buffer) + p->first, p->count, error);
    if (status == SFT_OK) status = sft_file_align(&store->file, error);
    if (status == SFT_OK) status = sft_file_write(&store->file, scales, 4 * p->shape[0], error);
    return status;
  }
  for (int64_t done = 0; done < p->count && status == SFT_OK;) {
    const int64_t count = p->count - done < SFT_BLOCK ? p->count - done : SFT_BLOCK;
    read_floats(store, p, p->first + done, count, store->block);
    status = sft_file_write(&store->file, store->block, 4 * count, error);
    done += count;
  }
  return status;
}

// ---- files

// Begins a file with its header.
static sft_status begin(sft_store *store, const char *path, const sft_writer *header,
                        sft_error *error) {
  if (header->has_failed) return sft_fail(error, SFT_CANT_WRITE, "a header is too long");
  sft_status status = sft_file_begin(&store->file, path, error);
  if (status == SFT_OK) {
    status = sft_file_write(&store->file, store->header, header->at - store->header, error);
  }
  return status == SFT_OK ? sft_file_align(&store->file, error) : status;
}

static sft_status end(sft_store *store, const char magic[8], const sft_writer *header,
                      sft_status status, sft_error *error) {
  if (status == SFT_OK) {
    status = sft_file_finish(&store->file, magic, header->at - store->header, error);
  }
  sft_file_abandon(&store->file);
  return status;
}

sft_writer sft_header_of(sft_store *store) {
  return (sft_writer){store->header, store->header + store->header_capacity, false};
}

sft_status sft_store_write_delta(sft_store *store, const char *path, const sft_progress *progress,
                                 double loss, sft_error *error) {
  sft_stored p;
  sft_writer header = sft_header_of(store);
  sft_put_delta_header(store, progress, loss, &header);
  sft_status status = begin(store, path, &header, error);
  for (sft_cursor at = {0}; status == SFT_OK && sft_next_part(store, &at, &p);) {
    status = write_part(store, &p, error);
  }
  return end(store, DELTA_MAGIC, &header, status, error);
}

sft_status sft_store_write_state(sft_store *store, const char *path, const sft_progress *progress,
                                 sft_error *error) {
  sft_stored p;
  sft_writer header = sft_header_of(store);
  sft_put_state_header(store, progress, &header);
  sft_status status = begin(store, path, &header, error);
  for (int64_t index = 0; status == SFT_OK && sft_next_state(store, &index, &p);) {
    status = write_part(store, &p, error);
  }
  return end(store, SFT_STATE_MAGIC, &header, status, error);
}

// More than any header takes: names may be escaped, and numbers have twenty digits at most.
static int64_t header_bytes(const sft_bundle *b) {
  const int64_t each = 6 * SFT_NAME_BYTES + 400;
  int64_t bytes = 4096, tensors = 0;
  for (int i = 0; i < SFT_FRAGMENTS; ++i) bytes += b->fragments[i].count;
  for (int64_t i = 0; i < b->change_count; ++i) tensors += 3 + b->changes[i].number_count;
  for (int64_t i = 0; i < b->programs[SFT_TRAINING].buffer_count; ++i) {
    tensors += sft_is_state(&b->programs[SFT_TRAINING].buffers[i]);
  }
  return bytes + tensors * each;
}

sft_status sft_store_open(const sft_step *step, const sft_text *text, sft_store **store,
                          sft_error *error) {
  const sft_bundle *bundle = sft_step_bundle(step);
  const int64_t capacity = header_bytes(bundle);
  sft_store *made = malloc(sizeof *made + (size_t)capacity);
  *store = made;
  if (!made) return sft_fail(error, SFT_OUT_OF_MEMORY, "no memory for a run's files");
  made->step = step;
  made->bundle = bundle;
  made->text = text;
  made->file.descriptor = -1;
  made->header_capacity = capacity;
  return SFT_OK;
}

void sft_store_close(sft_store *store) { free(store); }
