// Reads bundles. What is checked here is that the file is whole, and in check.c that nothing in it
// reaches outside its memory.
#include "bundle.h"

#include <stdlib.h>

#include "error.h"
#include "json.h"
#include "sft_reach.h"

static const char MAGIC[8] = {'S', 'F', 'B', 'N', 'D', 'L', '\r', '\n'};
enum { FORMAT_VERSION = 2 };

sft_status sft_take_preamble(const uint8_t *bytes, int64_t size, const char magic[8],
                             const char *what, sft_preamble *preamble, sft_error *error) {
  if (size < SFT_PREAMBLE_BYTES || memcmp(bytes, magic, 8) != 0) {
    return sft_fail(error, SFT_BAD_FILE, "this is no %s: its first bytes are others", what);
  }
  sft_reader r = {bytes + 8, bytes + SFT_PREAMBLE_BYTES, false};
  preamble->version = (uint32_t)sft_take_unsigned(&r, 4);
  const uint64_t reserved = sft_take_unsigned(&r, 4);
  preamble->header_bytes = sft_take_integer(&r);
  const int64_t length = sft_take_integer(&r);
  if (reserved != 0 || preamble->header_bytes < 0 ||
      preamble->header_bytes > size - SFT_PREAMBLE_BYTES) {
    return sft_fail(error, SFT_BAD_FILE, "the %s is damaged in its first bytes", what);
  }
  if (length != size) {
    return sft_fail(error, SFT_BAD_FILE, "the %s has %lld bytes, expected %lld", what,
                    (long long)size, (long long)length);
  }
  memcpy(preamble->digest, r.at, SFT_DIGEST_BYTES);
  return SFT_OK;
}

sft_status sft_read_preamble(const uint8_t *bytes, int64_t size, const char magic[8],
                             const char *what, sft_preamble *preamble, sft_error *error) {
  const sft_status status = sft_take_preamble(bytes, size, magic, what, preamble, error);
  if (status != SFT_OK) return status;
  sft_sha256 hash;
  uint8_t digest[SFT_DIGEST_BYTES];
  sft_sha256_start(&hash);
  sft_sha256_update(&hash, bytes + SFT_PREAMBLE_BYTES, (size_t)(size - SFT_PREAMBLE_BYTES));
  sft_sha256_finish(&hash, digest);
  if (memcmp(digest, preamble->digest, sizeof digest) != 0) {
    return sft_fail(error, SFT_BAD_FILE, "the %s is damaged: its hash is another one", what);
  }
  return SFT_OK;
}

// A name of up to SFT_NAME_BYTES − 1 bytes, after its length in two.
static void take_name(sft_reader *r, char name[SFT_NAME_BYTES]) {
  const int64_t length = (int64_t)sft_take_unsigned(r, 2);
  const uint8_t *from = length < SFT_NAME_BYTES ? sft_take(r, length) : NULL;
  if (!from || memchr(from, 0, (size_t)length)) {
    r->has_failed = true;
    return;
  }
  memcpy(name, from, (size_t)length);
  name[length] = 0;
}

// Zeroed memory for a list; NULL marks the reader where there is none.
static void *list(sft_reader *r, int64_t count, size_t bytes) {
  void *memory = calloc((size_t)(count > 0 ? count : 1), bytes);
  if (!memory) r->has_failed = true;
  return memory;
}

static void take_settings(sft_reader *r, sft_settings *s) {
  s->windows = sft_take_integer(r);
  s->tokens = sft_take_integer(r);
  s->accumulation = sft_take_integer(r);
  s->steps = sft_take_integer(r);
  s->seed = (uint64_t)sft_take_integer(r);
  s->curve = sft_take_integer(r);
  s->peak_rate = sft_take_double(r);
  s->final_ratio = sft_take_double(r);
  s->warmup_steps = sft_take_integer(r);
  s->first_beta = sft_take_double(r);
  s->second_beta = sft_take_double(r);
  s->rounds_prefix = sft_take_unsigned(r, 1) == 1;
  s->validate_every = sft_take_integer(r);
  s->save_every = sft_take_integer(r);
  s->shuffles = sft_take_unsigned(r, 1) == 1;
  s->patience = sft_take_integer(r);
  s->patience_margin = sft_take_double(r);
  s->training_cache_bytes = sft_take_integer(r);
  s->held_out_cache_bytes = sft_take_integer(r);
  s->threads = sft_take_integer(r);
  const int64_t most = (int64_t)1 << 40;
  if (s->windows < 1 || s->windows > 1 << 23 || s->tokens < 1 || s->tokens > 1 << 23 ||
      s->accumulation < 1 || s->accumulation > 1 << 22 || s->steps < 0 || s->steps > most ||
      s->curve < 0 || s->curve > 2 || s->warmup_steps < 0 || s->warmup_steps > most ||
      s->validate_every < 0 || s->validate_every > most || s->save_every < 0 ||
      s->save_every > most || s->patience < -1 || s->training_cache_bytes < 0 ||
      s->held_out_cache_bytes < 0 || s->threads < 1) {
    r->has_failed = true;
    return;
  }
  // The tokens of a run can be counted, so sums and products of a few counts are within range.
  int64_t tokens;
  if (__builtin_mul_overflow(s->windows * s->tokens, s->accumulation, &tokens) ||
      __builtin_mul_overflow(tokens, s->steps, &tokens)) {
    r->has_failed = true;
  }
}

static void take_fragment(sft_reader *r, sft_fragment *f) {
  f->count = sft_take_count(r, 1);
  const uint8_t *from = sft_take(r, f->count);
  f->text = (const char *)from;
  if (!from || f->count < 1 || *f->text != '{' ||
      !sft_json_is_whole((sft_json){f->text, f->text + f->count})) {
    r->has_failed = true;
  }
}

static void take_tensor(sft_reader *r, sft_tensor *t) {
  t->type = (sft_element)sft_take_unsigned(r, 1);
  t->rows = sft_take_integer(r);
  t->width = sft_take_integer(r);
  t->offset = sft_take_integer(r);
  t->scales_offset = sft_take_integer(r);
}

static void take_contents(sft_reader *r, sft_buffer *b) {
  b->contents = (sft_contents)sft_take_unsigned(r, 1);
  switch (b->contents) {
    case SFT_UNDEFINED:
    case SFT_ZEROS:
      return;
    case SFT_ROWS:
    case SFT_SCALES:
    case SFT_ROW_SCALES:
      b->tensor = (int64_t)sft_take_unsigned(r, 4);
      b->first_row = sft_take_integer(r);
      b->end_row = sft_take_integer(r);
      return;
    case SFT_KAIMING:
      b->fan_in = sft_take_integer(r);
      b->stream = sft_take_unsigned(r, 8);
      return;
    case SFT_CHOSEN:
      b->tensor = (int64_t)sft_take_unsigned(r, 4);
      break;
    case SFT_VALUES:
    case SFT_INTEGERS:
      break;
    default:
      r->has_failed = true;
      return;
  }
  b->number_count = sft_take_count(r, 4);
  b->numbers = sft_take(r, 4 * b->number_count);
}

static void take_buffer(sft_reader *r, sft_buffer *b) {
  take_name(r, b->name);
  b->kind = (uint8_t)sft_take_unsigned(r, 1);
  b->element = (sft_element)sft_take_unsigned(r, 1);
  b->is_persistent = sft_take_unsigned(r, 1) == 1;
  b->bytes = sft_take_integer(r);
  b->place = sft_take_integer(r);
  take_contents(r, b);
}

static void take_port(sft_reader *r, sft_port *p) {
  take_name(r, p->name);
  p->element = (sft_element)sft_take_unsigned(r, 1);
  p->buffer = (int64_t)sft_take_unsigned(r, 4);
}

static void take_call(sft_reader *r, const int64_t *kernels, int64_t kernel_count,
                      sft_call_record *c) {
  const int64_t kernel = (int64_t)sft_take_unsigned(r, 2);
  c->phase = (sft_phase)sft_take_unsigned(r, 1);
  c->part = (sft_part)sft_take_unsigned(r, 1);
  const int64_t buffers = (int64_t)sft_take_unsigned(r, 1);
  const int64_t sizes = (int64_t)sft_take_unsigned(r, 1);
  const int64_t scalars = (int64_t)sft_take_unsigned(r, 1);
  if (kernel >= kernel_count || (unsigned)c->phase > SFT_UPDATE || (unsigned)c->part > SFT_FINISH ||
      buffers > SFT_MAX_BUFFERS || sizes > SFT_MAX_SIZES || scalars > SFT_MAX_SCALARS) {
    r->has_failed = true;
    return;
  }
  c->kernel = kernels[kernel];
  c->items = sft_take_integer(r);
  c->grain = sft_take_integer(r);
  c->slices = sft_take_integer(r);
  for (int64_t i = 0; i < SFT_MAX_BUFFERS; ++i) {
    c->buffers[i].buffer = -1;
    if (i >= buffers) continue;
    c->buffers[i].buffer = (int32_t)(uint32_t)sft_take_unsigned(r, 4);
    c->buffers[i].offset = sft_take_integer(r);
  }
  for (int64_t i = 0; i < sizes; ++i) c->sizes[i] = sft_take_integer(r);
  for (int64_t i = 0; i < scalars; ++i) c->scalars[i] = sft_take_float(r);
}

enum { LEAST_BUFFER = 22, LEAST_PORT = 7, LEAST_CALL = 31, LEAST_TENSOR = 33, LEAST_CHANGE = 40 };

static void take_program(sft_reader *r, const int64_t *kernels, int64_t kernel_count,
                         sft_bundle *bundle) {
  const uint64_t role = sft_take_unsigned(r, 1);
  if (role >= SFT_ROLES || bundle->programs[role].is_there) {
    r->has_failed = true;
    return;
  }
  sft_program_data *p = &bundle->programs[role];
  p->is_there = true;
  p->arena_bytes = sft_take_integer(r);
  p->persistent_bytes = sft_take_integer(r);
  p->buffer_count = sft_take_count(r, LEAST_BUFFER);
  p->buffers = list(r, p->buffer_count, sizeof *p->buffers);
  for (int64_t i = 0; i < p->buffer_count && !r->has_failed; ++i) take_buffer(r, &p->buffers[i]);
  p->port_count = sft_take_count(r, LEAST_PORT);
  p->ports = list(r, p->port_count, sizeof *p->ports);
  for (int64_t i = 0; i < p->port_count && !r->has_failed; ++i) take_port(r, &p->ports[i]);
  p->call_count = sft_take_count(r, LEAST_CALL);
  p->calls = list(r, p->call_count, sizeof *p->calls);
  for (int64_t i = 0; i < p->call_count && !r->has_failed; ++i) {
    take_call(r, kernels, kernel_count, &p->calls[i]);
  }
}

static void take_change(sft_reader *r, sft_change *c) {
  take_name(r, c->tensor);
  c->kind = (sft_change_kind)sft_take_unsigned(r, 1);
  c->parameter_count = (int64_t)sft_take_unsigned(r, 1);
  if (c->kind > SFT_NEW_TENSOR || c->parameter_count > 3) {
    r->has_failed = true;
    return;
  }
  for (int64_t i = 0; i < c->parameter_count; ++i) {
    c->parameters[i] = (int64_t)sft_take_unsigned(r, 4);
  }
  c->count = sft_take_integer(r);
  c->scale = sft_take_double(r);
  c->tensor_rows = sft_take_integer(r);
  c->tensor_axes = sft_take_integer(r);
  c->number_count = sft_take_count(r, 8);
  c->numbers = list(r, c->number_count, sizeof *c->numbers);
  for (int64_t i = 0; i < c->number_count && !r->has_failed; ++i) {
    c->numbers[i] = sft_take_integer(r);
  }
}

enum { MOST_KERNELS = 1024 };

// The rows of the kernels that calls name by their number in the file; -1 where one is unknown.
static int64_t take_kernels(sft_reader *r, int64_t kernels[MOST_KERNELS]) {
  const int64_t count = sft_take_count(r, 3);
  if (count > MOST_KERNELS) r->has_failed = true;
  for (int64_t i = 0; i < count && !r->has_failed; ++i) {
    char name[SFT_NAME_BYTES] = "";
    take_name(r, name);
    kernels[i] = sft_kernel_row_named(name);
  }
  return r->has_failed ? 0 : count;
}

static void take_all(sft_reader *r, sft_bundle *b) {
  const uint8_t *digest = sft_take(r, SFT_DIGEST_BYTES);
  if (digest) memcpy(b->checkpoint_digest, digest, SFT_DIGEST_BYTES);
  b->checkpoint_bytes = sft_take_integer(r);
  take_settings(r, &b->settings);
  for (int i = 0; i < SFT_FRAGMENTS && !r->has_failed; ++i) take_fragment(r, &b->fragments[i]);
  b->arena_bytes = sft_take_integer(r);
  b->scratch_bytes = sft_take_integer(r);
  int64_t kernels[MOST_KERNELS];
  const int64_t kernel_count = take_kernels(r, kernels);
  b->tensor_count = sft_take_count(r, LEAST_TENSOR);
  b->tensors = list(r, b->tensor_count, sizeof *b->tensors);
  for (int64_t i = 0; i < b->tensor_count && !r->has_failed; ++i) take_tensor(r, &b->tensors[i]);
  const uint64_t programs = sft_take_unsigned(r, 1);
  for (uint64_t i = 0; i < programs && !r->has_failed; ++i) {
    take_program(r, kernels, kernel_count, b);
  }
  b->change_count = sft_take_count(r, LEAST_CHANGE);
  b->changes = list(r, b->change_count, sizeof *b->changes);
  for (int64_t i = 0; i < b->change_count && !r->has_failed; ++i) take_change(r, &b->changes[i]);
  if (r->at != r->end) r->has_failed = true;
}

sft_status sft_bundle_open(const void *bytes, int64_t size, sft_bundle **bundle, sft_error *error) {
  sft_preamble preamble;
  *bundle = NULL;
  sft_status status = sft_read_preamble(bytes, size, MAGIC, "bundle", &preamble, error);
  if (status != SFT_OK) return status;
  if (preamble.version != FORMAT_VERSION || preamble.header_bytes != size - SFT_PREAMBLE_BYTES) {
    return sft_fail(error, SFT_BAD_FILE, "version %u of the bundle's format, expected %d",
                    (unsigned)preamble.version, FORMAT_VERSION);
  }
  sft_bundle *made = calloc(1, sizeof *made);
  if (!made) return sft_fail(error, SFT_OUT_OF_MEMORY, "no memory for a bundle");
  const uint8_t *start = bytes;
  sft_reader r = {start + SFT_PREAMBLE_BYTES, start + size, false};
  memcpy(made->digest, preamble.digest, sizeof made->digest);
  take_all(&r, made);
  if (r.has_failed) {
    status = sft_fail(error, SFT_BAD_FILE, "the bundle is damaged near byte %lld",
                      (long long)(r.at - start));
  } else {
    status = sft_check_bundle(made, error);
  }
  if (status != SFT_OK) {
    sft_bundle_close(made);
    return status;
  }
  *bundle = made;
  return SFT_OK;
}

void sft_bundle_close(sft_bundle *bundle) {
  if (!bundle) return;
  for (int role = 0; role < SFT_ROLES; ++role) {
    free(bundle->programs[role].buffers);
    free(bundle->programs[role].ports);
    free(bundle->programs[role].calls);
  }
  for (int64_t i = 0; bundle->changes && i < bundle->change_count; ++i) {
    free(bundle->changes[i].numbers);
  }
  free(bundle->changes);
  free(bundle->tensors);
  free(bundle);
}

const sft_buffer *sft_scales_of(const sft_program_data *program, const sft_buffer *matrix) {
  const size_t length = strlen(matrix->name);
  for (int64_t i = 0; i < program->buffer_count; ++i) {
    const char *name = program->buffers[i].name;
    if (strncmp(name, matrix->name, length) == 0 && strcmp(name + length, ".scales") == 0) {
      return &program->buffers[i];
    }
  }
  return NULL;
}

int32_t sft_number_at(const sft_buffer *buffer, int64_t index) {
  const uint8_t *from = buffer->numbers + 4 * index;
  sft_reader r = {from, from + 4, false};
  return (int32_t)(uint32_t)sft_take_unsigned(&r, 4);
}

int64_t sft_bundle_change_count(const sft_bundle *bundle) { return bundle->change_count; }

const sft_change *sft_bundle_change(const sft_bundle *bundle, int64_t index) {
  return &bundle->changes[index];
}

sft_fragment sft_bundle_fragment(const sft_bundle *bundle, sft_fragment_kind kind) {
  return bundle->fragments[kind];
}

// Whether some program reads a tensor where it lies.
static bool is_mapped(const sft_bundle *bundle, int64_t tensor) {
  for (int role = 0; role < SFT_ROLES; ++role) {
    const sft_program_data *p = &bundle->programs[role];
    for (int64_t i = 0; i < p->buffer_count; ++i) {
      if (p->buffers[i].place < 0 && p->buffers[i].tensor == tensor) return true;
    }
  }
  return false;
}

int64_t sft_bundle_mapped_bytes(const sft_bundle *bundle) {
  int64_t bytes = 0;
  for (int64_t i = 0; i < bundle->tensor_count; ++i) {
    const sft_tensor *t = &bundle->tensors[i];
    if (!is_mapped(bundle, i)) continue;
    bytes += t->rows * t->width * sft_element_size(t->type);
    if (t->type == SFT_ELEMENT_INT8) bytes += 4 * t->rows;
  }
  return bytes;
}

const sft_settings *sft_bundle_settings(const sft_bundle *bundle) { return &bundle->settings; }

int64_t sft_bundle_arena_bytes(const sft_bundle *bundle, int64_t threads) {
  return (bundle->arena_bytes + 63) / 64 * 64 + threads * bundle->scratch_bytes;
}
