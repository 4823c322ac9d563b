#define _POSIX_C_SOURCE 200809L
#include "cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contents.h"

// bf16 values converted at a time.
enum { BLOCK = 4096 };

// The windows of one text that a file holds.
typedef struct kept {
  int descriptor;  // −1: none
  uint8_t *present;
} kept;

struct sft_cache {
  sft_step *step;
  const sft_settings *settings;
  const sft_row *rows;
  // Bytes of a window.
  int64_t window_bytes;
  bool has_failed;
  kept texts[SFT_SPLITS];
  uint16_t block[BLOCK];
};

static bool transfer(int descriptor, void *bytes, int64_t count, int64_t offset, bool writes) {
  char *at = bytes;
  while (count > 0) {
    const ssize_t moved = writes ? pwrite(descriptor, at, (size_t)count, (off_t)offset)
                                 : pread(descriptor, at, (size_t)count, (off_t)offset);
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) return false;
    at += moved;
    offset += moved;
    count -= moved;
  }
  return true;
}

// The same of floats that the file has as bf16.
static bool transfer_bf16(sft_cache *cache, int descriptor, float *values, int64_t count,
                          int64_t offset, bool writes) {
  for (int64_t done = 0; done < count; done += BLOCK) {
    const int64_t part = count - done < BLOCK ? count - done : BLOCK;
    for (int64_t i = 0; writes && i < part; ++i) {
      cache->block[i] = sft_bf16_of(values[done + i]);
    }
    if (!transfer(descriptor, cache->block, 2 * part, offset + 2 * done, writes)) return false;
    for (int64_t i = 0; !writes && i < part; ++i) {
      values[done + i] = sft_float_of(cache->block[i]);
    }
  }
  return true;
}

// Moves a row's outputs from or to the file.
static bool transfer_row(sft_cache *cache, int64_t row, bool writes) {
  const sft_row *own = &cache->rows[row];
  const int descriptor = cache->texts[own->split].descriptor;
  int64_t offset = own->window * cache->window_bytes, count;
  float *input;
  for (int64_t i = 0; (input = sft_step_prefix_input(cache->step, i, &count)) != NULL; ++i) {
    const int64_t values = count / cache->settings->windows;
    float *at = input + row * values;
    const bool is_done = cache->settings->rounds_prefix
                             ? transfer_bf16(cache, descriptor, at, values, offset, writes)
                             : transfer(descriptor, at, 4 * values, offset, writes);
    if (!is_done) return false;
    offset += values * (cache->settings->rounds_prefix ? 2 : 4);
  }
  return true;
}

static bool is_present(const kept *k, int64_t window) {
  return k->descriptor >= 0 && (k->present[window / 8] >> (window % 8) & 1);
}

// Closes all files, which frees their disk space.
static void give_up(sft_cache *cache) {
  for (int split = 0; split < SFT_SPLITS; ++split) {
    if (cache->texts[split].descriptor >= 0) close(cache->texts[split].descriptor);
    cache->texts[split].descriptor = -1;
  }
}

static void fail(sft_cache *cache) {
  give_up(cache);
  cache->has_failed = true;
}

static void clear_row(const sft_cache *cache, int64_t row) {
  float *input;
  int64_t count;
  for (int64_t i = 0; (input = sft_step_prefix_input(cache->step, i, &count)) != NULL; ++i) {
    const int64_t values = count / cache->settings->windows;
    memset(input + row * values, 0, 4 * (size_t)values);
  }
}

static bool read_rows(void *context) {
  sft_cache *cache = context;
  for (int64_t row = 0; row < cache->settings->windows; ++row) {
    const sft_row *own = &cache->rows[row];
    if (!own->is_cleared && !is_present(&cache->texts[own->split], own->window)) return false;
  }
  for (int64_t row = 0; row < cache->settings->windows; ++row) {
    if (cache->rows[row].is_cleared) {
      clear_row(cache, row);
    } else if (!transfer_row(cache, row, false)) {
      fail(cache);
      return false;
    }
  }
  return true;
}

static void write_rows(void *context) {
  sft_cache *cache = context;
  for (int64_t row = 0; row < cache->settings->windows; ++row) {
    const sft_row *own = &cache->rows[row];
    kept *k = &cache->texts[own->split];
    if (own->is_cleared || k->descriptor < 0 || is_present(k, own->window)) continue;
    if (!transfer_row(cache, row, true)) {
      fail(cache);
      return;
    }
    k->present[own->window / 8] |= (uint8_t)(1 << own->window % 8);
  }
}

static int open_nameless(const char *folder) {
  char path[1100];
  const unsigned long number = (unsigned long)(sft_seconds() * 1e6);
  snprintf(path, sizeof path, "%s/.sparseft-%lx.partial", folder, number);
  const int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor >= 0) unlink(path);
  return descriptor;
}

sft_cache *sft_cache_open(sft_step *step, const sft_bundle *bundle, const sft_text *text,
                          const sft_row *rows, const char *folder) {
  const sft_settings *settings = sft_bundle_settings(bundle);
  const int64_t limits[] = {settings->training_cache_bytes, settings->held_out_cache_bytes};
  if ((limits[0] == 0 && limits[1] == 0) || !sft_step_program(step, SFT_PREFIX)) return NULL;
  sft_cache *cache = calloc(1, sizeof *cache);
  if (!cache) return NULL;
  cache->step = step;
  cache->settings = settings;
  cache->rows = rows;
  int64_t count;
  for (int64_t i = 0; sft_step_prefix_input(step, i, &count); ++i) {
    cache->window_bytes += count / settings->windows * (settings->rounds_prefix ? 2 : 4);
  }
  if (cache->window_bytes < 1) {
    free(cache);
    return NULL;
  }
  for (int split = 0; split < SFT_SPLITS; ++split) {
    kept *k = &cache->texts[split];
    const int64_t windows = sft_text_windows(text, (sft_split)split);
    k->descriptor = -1;
    if (limits[split] < 1 || windows > limits[split] / cache->window_bytes) continue;
    k->present = calloc((size_t)windows / 8 + 1, 1);
    if (k->present) k->descriptor = open_nameless(folder);
  }
  const sft_prefix_keeper keeper = {read_rows, write_rows, cache};
  sft_step_keep_prefix(step, &keeper);
  return cache;
}

void sft_cache_close(sft_cache *cache) {
  if (!cache) return;
  give_up(cache);
  sft_step_keep_prefix(cache->step, NULL);
  for (int split = 0; split < SFT_SPLITS; ++split) free(cache->texts[split].present);
  free(cache);
}

bool sft_cache_failed(sft_cache *cache) {
  const bool has_failed = cache && cache->has_failed;
  if (cache) cache->has_failed = false;
  return has_failed;
}
