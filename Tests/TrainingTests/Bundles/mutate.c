// Changes numbers of a bundle at random, hashes it anew so that the change is not seen by its hash,
// and opens it; what is accepted is run for a step. Then the same with a text of the bundle, whose
// windows are read, and with a state, which goes into a step. Built with sanitizers, which end it
// where a file reaches outside its memory: mutate BUNDLE CHECKPOINT TEXT COUNT
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../Sources/CRuntime/sha256.h"
#include "sft_training.h"

enum { PREAMBLE = 64, DIGEST_AT = 32, MOST_STEPS = 250 };

static void fail(const char *problem) {
  fprintf(stderr, "%s\n", problem);
  exit(2);
}

typedef struct file {
  unsigned char *bytes;
  int64_t size;
} file;

static file read_file(const char *path) {
  FILE *from = fopen(path, "rb");
  if (!from || fseek(from, 0, SEEK_END) != 0) fail("a file can't be read");
  const int64_t size = ftell(from);
  rewind(from);
  unsigned char *bytes = aligned_alloc(64, (size_t)((size + 63) / 64 * 64));
  if (!bytes || fread(bytes, 1, (size_t)size, from) != (size_t)size) fail("a file can't be read");
  fclose(from);
  return (file){bytes, size};
}

static uint64_t state = 0x9E3779B97F4A7C15u;

static uint64_t random_bits(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

// Overwrites one to eight bytes with a number that is likely to be at some edge.
static void mutate(file f) {
  static const int64_t edges[] = {0,         1,         -1,        2,         63,
                                  64,        255,       1 << 16,   INT32_MAX, INT32_MIN,
                                  INT64_MAX, INT64_MIN, 1ll << 40, -64,       4096};
  const int64_t widths[] = {1, 2, 4, 8}, width = widths[random_bits() % 4];
  const int64_t place = PREAMBLE + (int64_t)(random_bits() % (uint64_t)(f.size - PREAMBLE - 8));
  int64_t value;
  memcpy(&value, f.bytes + place, sizeof value);
  switch (random_bits() % 4) {
    case 0:
      value = edges[random_bits() % (sizeof edges / sizeof *edges)];
      break;
    case 1:
      value = (int64_t)((uint64_t)value + (random_bits() % 2 ? 1 : UINT64_MAX));
      break;
    case 2:
      value ^= (int64_t)(1ull << random_bits() % 64);
      break;
    default:
      value = (int64_t)random_bits();
  }
  memcpy(f.bytes + place, &value, (size_t)width);
}

static void hash(file f) {
  sft_sha256 digest;
  sft_sha256_start(&digest);
  sft_sha256_update(&digest, f.bytes + PREAMBLE, (size_t)(f.size - PREAMBLE));
  sft_sha256_finish(&digest, f.bytes + DIGEST_AT);
}

// Runs a step on tokens that are all 1; returns whether there was memory for it.
static bool run(const sft_bundle *bundle, file checkpoint, sft_pool *pool) {
  sft_error error;
  sft_step *step;
  const int64_t bytes = sft_bundle_arena_bytes(bundle, sft_pool_threads(pool));
  if (bytes > 1 << 26) return false;
  void *arena = aligned_alloc(64, (size_t)((bytes + 63) / 64 * 64));
  if (!arena) return false;
  memset(arena, 0, (size_t)bytes);
  const bool is_open = sft_step_open(bundle, checkpoint.bytes, checkpoint.size, pool,
                                     SFT_ISA_REFERENCE, arena, &step, &error) == SFT_OK;
  if (is_open) {
    static const char *const ports[] = {"tokens", "targets", "document_starts"};
    for (int i = 0; i < 3; ++i) {
      int64_t count;
      int32_t *port = sft_step_port(step, SFT_TRAINING, ports[i], &count);
      if (!port) port = sft_step_port(step, SFT_PREFIX, ports[i], &count);
      for (int64_t k = 0; port && k < count; ++k) {
        port[k] = i < 2 && sft_bundle_vocabulary(bundle) > 1 ? 1 : 0;
      }
    }
    sft_step_begin(step, 1, 1e-3, 4);
    sft_step_run_batch(step);
    sft_step_finish(step);
    sft_step_score(step);
    sft_step_close(step);
  }
  free(arena);
  return is_open;
}

// A copy of a file, changed unless it is the first. Of its exact size, so that a sanitizer sees
// what is read behind it.
static file changed_copy(file original, long number) {
  file changed = {malloc((size_t)original.size), original.size};
  if (!changed.bytes) fail("no memory");
  memcpy(changed.bytes, original.bytes, (size_t)original.size);
  for (uint64_t k = 1 + random_bits() % 2; number > 0 && k > 0; --k) mutate(changed);
  hash(changed);
  return changed;
}

static void read_windows(const sft_text *text, int64_t tokens) {
  int32_t *window = malloc(3 * (size_t)tokens * sizeof *window);
  if (!window) fail("no memory");
  for (int split = 0; split < SFT_SPLITS; ++split) {
    for (int64_t i = 0; i < sft_text_windows(text, (sft_split)split); ++i) {
      sft_text_fill(text, (sft_split)split, i, window, window + tokens, window + 2 * tokens);
    }
  }
  free(window);
}

static void try_texts(const sft_bundle *bundle, file original, long count) {
  sft_error error;
  long refused = 0;
  for (long i = 0; i < count; ++i) {
    file changed = changed_copy(original, i);
    sft_text *text;
    if (sft_text_open(changed.bytes, changed.size, bundle, &text, &error) == SFT_OK) {
      read_windows(text, sft_bundle_settings(bundle)->tokens);
    } else {
      if (i == 0) fail(error.text);
      ++refused;
    }
    sft_text_close(text);
    free(changed.bytes);
  }
  printf("%ld of %ld texts refused\n", refused, count);
}

static void try_states(const sft_bundle *bundle, file checkpoint, file tokens, sft_pool *pool,
                       long count) {
  sft_error error;
  sft_text *text;
  sft_step *step;
  sft_store *store;
  const int64_t bytes = sft_bundle_arena_bytes(bundle, sft_pool_threads(pool));
  void *arena = aligned_alloc(64, (size_t)((bytes + 63) / 64 * 64));
  if (!arena) fail("no memory");
  memset(arena, 0, (size_t)bytes);
  if (sft_text_open(tokens.bytes, tokens.size, bundle, &text, &error) != SFT_OK ||
      sft_step_open(bundle, checkpoint.bytes, checkpoint.size, pool, SFT_ISA_REFERENCE, arena,
                    &step, &error) != SFT_OK ||
      sft_store_open(step, text, &store, &error) != SFT_OK) {
    fail(error.text);
  }
  sft_progress progress = {.step = 3, .initial_loss = 2.5, .rate_factor = 1};
  if (sft_store_write_state(store, "state", &progress, &error) != SFT_OK) fail(error.text);
  if (sft_store_write_delta(store, "delta", &progress, 2.25, &error) != SFT_OK) fail(error.text);
  const file original = read_file("state");
  long refused = 0;
  for (long i = 0; i < count; ++i) {
    file changed = changed_copy(original, i);
    // Half of the changes go where the header is, as text.
    if (i % 2) changed.bytes[PREAMBLE + random_bits() % 600] = "{}[],:\"\\0 x"[random_bits() % 11];
    hash(changed);
    if (sft_store_read_state(store, changed.bytes, changed.size, &progress, &error) != SFT_OK) {
      if (i == 0) fail(error.text);
      ++refused;
    } else if (i == 0 && (progress.step != 3 || progress.initial_loss != 2.5)) {
      fail("a state is read otherwise than it was written");
    }
    free(changed.bytes);
  }
  printf("%ld of %ld states refused\n", refused, count);
  free(original.bytes);
  sft_store_close(store);
  sft_step_close(step);
  sft_text_close(text);
  free(arena);
}

int main(int count, char **words) {
  if (count != 5) fail("usage: mutate BUNDLE CHECKPOINT TEXT COUNT");
  const file original = read_file(words[1]), checkpoint = read_file(words[2]);
  const file tokens = read_file(words[3]);
  sft_pool *pool;
  sft_error error;
  if (sft_pool_open(1, &pool, &error) != SFT_OK) fail(error.text);
  long refused = 0, accepted = 0, steps = 0;
  for (long i = 0; i < atol(words[4]); ++i) {
    file changed = changed_copy(original, i);
    sft_bundle *bundle;
    if (sft_bundle_open(changed.bytes, changed.size, &bundle, &error) != SFT_OK) {
      if (i == 0) fail(error.text);
      if (error.text[0] == 0) fail("an error without a text");
      ++refused;
    } else {
      if (i == 0) {
        try_texts(bundle, tokens, atol(words[4]) / 5);
        try_states(bundle, checkpoint, tokens, pool, atol(words[4]) / 5);
      }
      ++accepted;
      if (steps < MOST_STEPS) steps += run(bundle, checkpoint, pool);
      sft_bundle_close(bundle);
    }
    free(changed.bytes);
  }
  sft_pool_close(pool);
  free(original.bytes);
  free(checkpoint.bytes);
  free(tokens.bytes);
  printf("%ld refused, %ld accepted, %ld steps run\n", refused, accepted, steps);
  return 0;
}
