// Deltas and states of a run, as the program that made the bundle writes them.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "container.h"
#include "contents.h"
#include "error.h"
#include "sft_training.h"
#include "step.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files of tensors are little-endian, and so has the machine to be"
#endif

static const char DELTA_MAGIC[8] = {'S', 'F', 'D', 'E', 'L', 'T', '\r', '\n'};
static const char STATE_MAGIC[8] = {'S', 'F', 'S', 'T', 'A', 'T', '\r', '\n'};

// Elements converted at a time.
enum { BLOCK = 8192 };

struct sft_store {
  const sft_step *step;
  const sft_bundle *bundle;
  const sft_text *text;
  sft_file file;
  float block[BLOCK];
  int64_t header_capacity;
  char header[];
};

// A tensor of a file: elements of a parameter or of an optimizer's state.
typedef struct part {
  char name[SFT_NAME_BYTES + 32];
  const sft_buffer *buffer, *scales;  // scales of an int8 matrix, else NULL
  int64_t first, count;               // elements
  int64_t shape[4], axes;
  bool keeps_integers;
} part;

// Where a walk through the tensors of a delta is.
typedef struct cursor {
  int64_t change, index, place;
} cursor;

static const sft_program_data *training(const sft_store *store) {
  return &store->bundle->programs[SFT_TRAINING];
}

static int64_t element_count(const sft_buffer *b) {
  return b->bytes / sft_element_size(b->element);
}

// ---- tensors of a delta

static void take_buffer(const sft_store *store, const sft_change *c, int64_t index, part *p) {
  const sft_program_data *program = training(store);
  p->buffer = &program->buffers[c->parameters[index]];
  p->scales = p->buffer->element == SFT_ELEMENT_INT8 ? sft_scales_of(program, p->buffer) : NULL;
  p->first = 0;
  p->count = element_count(p->buffer);
  p->axes = 2;
  p->keeps_integers = false;
}

static void take_rows(const sft_change *c, const cursor *at, part *p) {
  int64_t rows = 0;
  for (int64_t i = 0; i < c->number_count; i += 2) rows += c->numbers[i + 1] - c->numbers[i];
  const int64_t first = c->numbers[2 * at->index], end = c->numbers[2 * at->index + 1];
  const int64_t width = p->count / rows;
  p->first = at->place * width;
  p->count = (end - first) * width;
  p->shape[0] = end - first;
  p->shape[1] = width;
  p->axes = c->tensor_axes == 1 ? 1 : 2;
  p->keeps_integers = p->scales != NULL;
  if (first == 0 && end == c->tensor_rows) {
    snprintf(p->name, sizeof p->name, "%s", c->tensor);
  } else {
    snprintf(p->name, sizeof p->name, "%s@%lld", c->tensor, (long long)first);
  }
}

static void take_factor(const sft_change *c, int64_t index, part *p) {
  const int64_t other = p->count / c->count;
  p->shape[0] = index == 0 ? c->count : other;
  p->shape[1] = index == 0 ? other : c->count;
  snprintf(p->name, sizeof p->name, "%s.lora_%s", c->tensor, index == 0 ? "a" : "b");
}

static void take_units(const sft_change *c, int64_t index, part *p) {
  static const char *const kinds[] = {"gate", "up", "down"};
  const int64_t width = p->count / c->count;
  p->shape[0] = index < 2 ? c->count : width;
  p->shape[1] = index < 2 ? width : c->count;
  snprintf(p->name, sizeof p->name, "%s.%s.added", c->tensor, kinds[index]);
}

static void take_tensor(const sft_change *c, part *p) {
  p->axes = c->number_count;
  for (int64_t i = 0; i < c->number_count; ++i) p->shape[i] = c->numbers[i];
  snprintf(p->name, sizeof p->name, "%s", c->tensor);
}

// The next tensor of a delta; false behind the last one.
static bool next_part(const sft_store *store, cursor *at, part *p) {
  if (at->change >= store->bundle->change_count) return false;
  const sft_change *c = &store->bundle->changes[at->change];
  const bool has_runs = c->kind == SFT_NEW_ROWS;
  const int64_t parts = has_runs ? c->number_count / 2 : c->parameter_count;
  take_buffer(store, c, has_runs ? 0 : at->index, p);
  if (has_runs) {
    take_rows(c, at, p);
    at->place += p->shape[0];
  } else if (c->kind == SFT_LOW_RANK) {
    take_factor(c, at->index, p);
  } else if (c->kind == SFT_HIDDEN_UNITS) {
    take_units(c, at->index, p);
  } else {
    take_tensor(c, p);
  }
  if (++at->index >= parts) *at = (cursor){at->change + 1, 0, 0};
  return true;
}

// ---- tensors of a state

static bool is_state(const sft_buffer *b) {
  return b->is_persistent && (b->kind == SFT_PARAMETER || b->kind == SFT_OPTIMIZER);
}

// The next buffer that is kept from step to step, from an index on; false behind the last one.
static bool next_state(const sft_store *store, int64_t *index, part *p) {
  const sft_program_data *program = training(store);
  for (; *index < program->buffer_count; ++*index) {
    const sft_buffer *b = &program->buffers[*index];
    if (!is_state(b)) continue;
    *p = (part){.buffer = b, .count = element_count(b), .axes = 1};
    p->shape[0] = p->count;
    snprintf(p->name, sizeof p->name, "%s", b->name);
    ++*index;
    return true;
  }
  return false;
}

// ---- headers

static int64_t aligned(int64_t offset) { return (offset + 63) / 64 * 64; }

// A tensor in a header's table; `end` is where the data before it ends.
static void put_tensor(sft_writer *w, const part *p, int64_t *end) {
  const int64_t bytes = p->count * (p->keeps_integers ? 1 : 4);
  sft_put(w, "{\"name\":");
  sft_put_string(w, p->name);
  sft_put(w,
          p->keeps_integers ? ",\"type\":\"int8\",\"shape\":[" : ",\"type\":\"f32\",\"shape\":[");
  for (int64_t i = 0; i < p->axes; ++i) {
    if (i > 0) sft_put(w, ",");
    sft_put_integer(w, p->shape[i]);
  }
  const int64_t offset = aligned(*end);
  *end = offset + bytes;
  sft_put(w, "],\"offset\":");
  sft_put_integer(w, offset);
  sft_put(w, ",\"length\":");
  sft_put_integer(w, bytes);
  if (p->keeps_integers) {
    const int64_t scales = aligned(*end);
    *end = scales + 4 * p->shape[0];
    sft_put(w, ",\"scales_offset\":");
    sft_put_integer(w, scales);
  }
  sft_put(w, "}");
}

// An object's members without its braces, and a comma behind them if there are any.
static void put_members(sft_writer *w, sft_fragment f) {
  if (f.count <= 2) return;
  sft_put_bytes(w, f.text + 1, f.count - 2);
  sft_put(w, ",");
}

static void put_figure(sft_writer *w, const char *key, double value) {
  sft_put(w, ",\"");
  sft_put(w, key);
  sft_put(w, "\":");
  sft_put_number(w, value);
}

static void put_count(sft_writer *w, const char *key, int64_t value) {
  sft_put(w, ",\"");
  sft_put(w, key);
  sft_put(w, "\":");
  sft_put_integer(w, value);
}

static int64_t tokens_per_step(const sft_settings *s) {
  return s->windows * s->tokens * s->accumulation;
}

// The entry of a change, or of a run of rows.
static void put_entry(sft_writer *w, const sft_change *c, const part *p, int64_t first) {
  static const char *const encodings[] = {"values", "low_rank", "hidden_units", "tensor"};
  sft_put(w, "{\"name\":");
  sft_put_string(w, c->tensor);
  sft_put(w, ",\"encoding\":\"");
  sft_put(w, p->keeps_integers ? "integers" : encodings[c->kind]);
  sft_put(w, "\"");
  if (c->kind == SFT_NEW_ROWS) {
    put_count(w, "first_row", first);
    put_count(w, "rows", p->shape[0]);
  }
  if (c->kind == SFT_LOW_RANK) put_figure(w, "scale", c->scale);
  sft_put(w, "}");
}

static void put_delta_header(const sft_store *store, const sft_progress *progress, double loss,
                             sft_writer *w) {
  part p;
  sft_put(w, "{\"kind\":\"delta\",");
  put_members(w, store->bundle->fragments[SFT_DELTA_HEADER]);
  sft_put(w, "\"metrics\":{\"step\":");
  sft_put_integer(w, progress->step);
  put_count(w, "tokens", progress->step * tokens_per_step(&store->bundle->settings));
  put_figure(w, "initial_validation_loss", progress->initial_loss);
  put_figure(w, "validation_loss", loss);
  sft_put(w, "},\"entries\":[");
  cursor at = {0};
  for (cursor before = at; next_part(store, &at, &p); before = at) {
    const sft_change *c = &store->bundle->changes[before.change];
    if (before.index > 0 && c->kind != SFT_NEW_ROWS) continue;
    if (before.change + before.index > 0) sft_put(w, ",");
    put_entry(w, c, &p, c->kind == SFT_NEW_ROWS ? c->numbers[2 * before.index] : 0);
  }
  sft_put(w, "],\"blobs\":[],\"tensors\":[");
  int64_t end = 0;
  at = (cursor){0};
  for (bool is_first = true; next_part(store, &at, &p); is_first = false) {
    if (!is_first) sft_put(w, ",");
    put_tensor(w, &p, &end);
  }
  sft_put(w, "]}");
}

// Which windows the steps of a run train on; those that a resumed run must have too.
static void put_batches(const sft_store *store, sft_writer *w) {
  const sft_settings *s = &store->bundle->settings;
  put_count(w, "sequence_length", s->tokens);
  put_count(w, "tokens_per_step", tokens_per_step(s));
  put_count(w, "training_tokens", sft_text_count(store->text, SFT_TRAINED_TEXT));
  put_count(w, "seed", (int64_t)s->seed);
  put_count(w, "shuffle", s->shuffles);
}

static void put_state_header(const sft_store *store, const sft_progress *progress, sft_writer *w) {
  part p;
  sft_put(w, "{\"kind\":\"training state\",\"values\":{");
  put_members(w, store->bundle->fragments[SFT_STATE_VALUES]);
  sft_put(w, "\"step\":");
  sft_put_integer(w, progress->step);
  put_figure(w, "training_seconds", progress->training_seconds);
  put_figure(w, "elapsed_seconds", progress->elapsed_seconds);
  put_figure(w, "initial_validation_loss", progress->initial_loss);
  put_figure(w, "best_validation_loss", progress->best_loss);
  put_figure(w, "last_validation_loss", progress->last_loss);
  put_count(w, "validations_since_best", progress->validations_since_best);
  if (progress->validation_is_due) sft_put(w, ",\"validation_due\":true");
  if (progress->setbacks > 0) {
    put_count(w, "setbacks", progress->setbacks);
    put_figure(w, "rate_factor", progress->rate_factor);
  }
  put_batches(store, w);
  sft_put(w, "},\"blobs\":[],\"tensors\":[");
  int64_t end = 0;
  for (int64_t index = 0, count = 0; next_state(store, &index, &p); ++count) {
    if (count > 0) sft_put(w, ",");
    put_tensor(w, &p, &end);
  }
  sft_put(w, "]}");
}

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
static void read_floats(const sft_store *store, const part *p, int64_t first, int64_t count,
                        float *to) {
  const char *from = memory_of(store, p->buffer);
  if (p->buffer->element == SFT_ELEMENT_F32) {
    memcpy(to, from + 4 * first, 4 * (size_t)count);
    return;
  }
  const float *scales = p->scales ? (const void *)memory_of(store, p->scales) : NULL;
  const int64_t width = scales ? element_count(p->buffer) / (p->scales->bytes / 4) : 1;
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

static sft_status write_part(sft_store *store, const part *p, sft_error *error) {
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
    const int64_t count = p->count - done < BLOCK ? p->count - done : BLOCK;
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

static sft_writer header_of(sft_store *store) {
  return (sft_writer){store->header, store->header + store->header_capacity, false};
}

sft_status sft_store_write_delta(sft_store *store, const char *path, const sft_progress *progress,
                                 double loss, sft_error *error) {
  part p;
  sft_writer header = header_of(store);
  put_delta_header(store, progress, loss, &header);
  sft_status status = begin(store, path, &header, error);
  for (cursor at = {0}; status == SFT_OK && next_part(store, &at, &p);) {
    status = write_part(store, &p, error);
  }
  return end(store, DELTA_MAGIC, &header, status, error);
}

sft_status sft_store_write_state(sft_store *store, const char *path, const sft_progress *progress,
                                 sft_error *error) {
  part p;
  sft_writer header = header_of(store);
  put_state_header(store, progress, &header);
  sft_status status = begin(store, path, &header, error);
  for (int64_t index = 0; status == SFT_OK && next_state(store, &index, &p);) {
    status = write_part(store, &p, error);
  }
  return end(store, STATE_MAGIC, &header, status, error);
}

// More than any header takes: names may be escaped, and numbers have twenty digits at most.
static int64_t header_bytes(const sft_bundle *b) {
  const int64_t each = 6 * SFT_NAME_BYTES + 400;
  int64_t bytes = 4096, tensors = 0;
  for (int i = 0; i < SFT_FRAGMENTS; ++i) bytes += b->fragments[i].count;
  for (int64_t i = 0; i < b->change_count; ++i) tensors += 3 + b->changes[i].number_count;
  for (int64_t i = 0; i < b->programs[SFT_TRAINING].buffer_count; ++i) {
    tensors += is_state(&b->programs[SFT_TRAINING].buffers[i]);
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

// ---- reading a state

static sft_status other(sft_error *error, const char *what) {
  return sft_fail(error, SFT_WRONG_STATE, "the state is of another %s than the bundle", what);
}

// Whether both objects have the same member, or neither has it.
static bool agree(sft_json a, sft_json b, const char *key) {
  sft_json left, right;
  const bool has_left = sft_json_member(a, key, &left), has_right = sft_json_member(b, key, &right);
  return has_left == has_right && (!has_left || sft_json_equal(left, right));
}

static sft_status check_values(sft_store *store, sft_json values, sft_error *error) {
  const sft_fragment own = store->bundle->fragments[SFT_STATE_VALUES];
  const sft_json ours = {own.text, own.text + own.count};
  static const char *const parts[] = {"base", "method", "texts"};
  static const char *const names[] = {"model", "method", "text"};
  for (int i = 0; i < 3; ++i) {
    if (!agree(values, ours, parts[i])) return other(error, names[i]);
  }
  sft_json recipe, our_recipe;
  if (sft_json_member(values, "recipe", &recipe) && sft_json_member(ours, "recipe", &our_recipe) &&
      !(agree(recipe, our_recipe, "optimizer") && agree(recipe, our_recipe, "schedule"))) {
    return other(error, "optimizer or schedule");
  }
  // As they are written, so that both programs' spelling is the same.
  sft_writer w = header_of(store);
  sft_put(&w, "{\"\":0");
  put_batches(store, &w);
  sft_put(&w, "}");
  const sft_json batches = {store->header, w.at};
  static const char *const keys[] = {"sequence_length", "tokens_per_step", "training_tokens",
                                     "seed", "shuffle"};
  for (int i = 0; i < 5; ++i) {
    if (!agree(values, batches, keys[i])) return other(error, "order of batches");
  }
  return SFT_OK;
}

static double figure(sft_json values, const char *key, double otherwise) {
  sft_json value;
  double number;
  return sft_json_member(values, key, &value) && sft_json_number(value, &number) ? number
                                                                                 : otherwise;
}

static int64_t count_of(sft_json values, const char *key) {
  sft_json value;
  int64_t number;
  const bool is_there = sft_json_member(values, key, &value) && sft_json_integer(value, &number);
  return is_there && number > 0 ? number : 0;
}

static void take_progress(sft_json values, sft_progress *progress) {
  sft_json due;
  *progress = (sft_progress){
      .step = count_of(values, "step"),
      .training_seconds = figure(values, "training_seconds", 0),
      .elapsed_seconds = figure(values, "elapsed_seconds", 0),
      .initial_loss = figure(values, "initial_validation_loss", NAN),
      .best_loss = figure(values, "best_validation_loss", NAN),
      .last_loss = figure(values, "last_validation_loss", NAN),
      .validations_since_best = count_of(values, "validations_since_best"),
      .validation_is_due = sft_json_member(values, "validation_due", &due) && *due.at == 't',
      .setbacks = count_of(values, "setbacks"),
      .rate_factor = figure(values, "rate_factor", 1),
  };
}

// A tensor of the table by name, searched from `near` on; that is the one found before it.
static bool find_tensor(sft_json table, const char *name, sft_json *near, sft_json *found) {
  sft_json value = *near, key;
  bool is_there = near->at ? sft_json_next(table, &value) : sft_json_first(table, &value);
  for (int round = 0; round < 2; ++round) {
    for (; is_there; is_there = sft_json_next(table, &value)) {
      if (!sft_json_member(value, "name", &key) || !sft_json_is(key, name)) continue;
      *near = *found = value;
      return true;
    }
    is_there = sft_json_first(table, &value);
  }
  return false;
}

// Where a tensor's floats are in the data; NULL if they are not there, or are not floats.
static const uint8_t *floats_of(sft_json tensor, int64_t count, const uint8_t *data,
                                int64_t bytes) {
  sft_json type, offset, length;
  int64_t at, wanted;
  if (!sft_json_member(tensor, "type", &type) || !sft_json_is(type, "f32") ||
      !sft_json_member(tensor, "offset", &offset) || !sft_json_integer(offset, &at) ||
      !sft_json_member(tensor, "length", &length) || !sft_json_integer(length, &wanted) ||
      wanted != 4 * count || at < 0 || at > bytes || wanted > bytes - at) {
    return NULL;
  }
  return data + at;
}

static float bounded(float value, float low, float high) {
  return value >= low ? value <= high ? value : high : low;
}

static void write_floats(const sft_store *store, const sft_buffer *b, const uint8_t *from,
                         int64_t count) {
  char *to = sft_step_arena(store->step) + b->place;
  if (b->element == SFT_ELEMENT_F32) {
    memcpy(to, from, 4 * (size_t)count);
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    float value;
    memcpy(&value, from + 4 * i, sizeof value);
    if (b->element == SFT_ELEMENT_BF16) {
      const uint16_t bits = sft_bf16_of(value);
      memcpy(to + 2 * i, &bits, sizeof bits);
    } else if (b->element == SFT_ELEMENT_CODES) {
      to[i] = (char)(uint8_t)bounded(value, 0, 255);
    } else {
      to[i] = (char)(int8_t)bounded(value, -127, 127);
    }
  }
}

static sft_status read_tensors(sft_store *store, sft_json table, const uint8_t *data, int64_t bytes,
                               sft_error *error) {
  part p;
  sft_json near = {NULL, NULL}, found, ignored = {NULL, NULL};
  for (int64_t index = 0; next_state(store, &index, &p);) {
    char scales[sizeof p.name + 8];
    const bool is_integer =
        p.buffer->element == SFT_ELEMENT_CODES || p.buffer->element == SFT_ELEMENT_INT8;
    snprintf(scales, sizeof scales, "%s.scales", p.name);
    const uint8_t *from =
        find_tensor(table, p.name, &near, &found) ? floats_of(found, p.count, data, bytes) : NULL;
    ignored = (sft_json){NULL, NULL};
    if (!from || find_tensor(table, scales, &ignored, &found) != is_integer) {
      return sft_fail(error, SFT_WRONG_STATE, "the state has no '%.120s' of this size and type",
                      p.name);
    }
    write_floats(store, p.buffer, from, p.count);
  }
  return SFT_OK;
}

sft_status sft_store_read_state(sft_store *store, const void *bytes, int64_t size,
                                sft_progress *progress, sft_error *error) {
  sft_preamble preamble;
  sft_status status = sft_read_preamble(bytes, size, STATE_MAGIC, "state", &preamble, error);
  if (status != SFT_OK) return status;
  const uint8_t *file = bytes;
  const int64_t start = aligned(SFT_PREAMBLE_BYTES + preamble.header_bytes);
  const char *text = (const char *)file + SFT_PREAMBLE_BYTES;
  const sft_json header = {text, text + preamble.header_bytes};
  sft_json values, table;
  if (preamble.version != 1 || start > size || !sft_json_is_whole(header) ||
      !sft_json_member(header, "values", &values) || !sft_json_member(header, "tensors", &table)) {
    return sft_fail(error, SFT_BAD_FILE, "the state is damaged, or of a newer version");
  }
  status = check_values(store, values, error);
  if (status != SFT_OK) return status;
  take_progress(values, progress);
  return read_tensors(store, table, file + start, size - start, error);
}
