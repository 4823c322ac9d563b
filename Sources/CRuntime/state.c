// Reads states of a run, of either program.
#include <math.h>
#include <stdio.h>

#include "contents.h"
#include "error.h"
#include "store.h"

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
  sft_writer w = sft_header_of(store);
  sft_put(&w, "{\"\":0");
  sft_put_batches(store, &w);
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
  sft_stored p;
  sft_json near = {NULL, NULL}, found, ignored = {NULL, NULL};
  for (int64_t index = 0; sft_next_state(store, &index, &p);) {
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

// Whether the tokens up to the state's step can be counted.
static bool has_countable_step(sft_json values, const sft_settings *settings) {
  const int64_t most = 1000000000000;
  sft_json value;
  int64_t step, tokens;
  if (!sft_json_member(values, "step", &value)) return true;
  return sft_json_integer(value, &step) && step >= 0 && step <= most &&
         !__builtin_mul_overflow(step, sft_tokens_per_step(settings), &tokens);
}

sft_status sft_store_read_state(sft_store *store, const void *bytes, int64_t size,
                                sft_progress *progress, sft_error *error) {
  sft_preamble preamble;
  sft_status status = sft_read_preamble(bytes, size, SFT_STATE_MAGIC, "state", &preamble, error);
  if (status != SFT_OK) return status;
  const uint8_t *file = bytes;
  const int64_t start = sft_aligned(SFT_PREAMBLE_BYTES + preamble.header_bytes);
  const char *text = (const char *)file + SFT_PREAMBLE_BYTES;
  const sft_json header = {text, text + preamble.header_bytes};
  sft_json values, table;
  if (preamble.version != 1 || start > size || !sft_json_is_whole(header) ||
      !sft_json_member(header, "values", &values) || !sft_json_member(header, "tensors", &table)) {
    return sft_fail(error, SFT_BAD_FILE, "the state is damaged, or of a newer version");
  }
  status = check_values(store, values, error);
  if (status != SFT_OK) return status;
  if (!has_countable_step(values, &store->bundle->settings)) {
    return sft_fail(error, SFT_WRONG_STATE, "the state's 'step' is that of no run");
  }
  take_progress(values, progress);
  return read_tensors(store, table, file + start, size - start, error);
}
