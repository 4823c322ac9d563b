// The headers of deltas and states, as the program that made the bundle writes them.
#include "store.h"

// A tensor in a header's table; `end` is where the data before it ends.
static void put_tensor(sft_writer *w, const sft_stored *p, int64_t *end) {
  const int64_t bytes = p->count * (p->keeps_integers ? 1 : 4);
  sft_put(w, "{\"name\":");
  sft_put_string(w, p->name);
  sft_put(w,
          p->keeps_integers ? ",\"type\":\"int8\",\"shape\":[" : ",\"type\":\"f32\",\"shape\":[");
  for (int64_t i = 0; i < p->axes; ++i) {
    if (i > 0) sft_put(w, ",");
    sft_put_integer(w, p->shape[i]);
  }
  const int64_t offset = sft_aligned(*end);
  *end = offset + bytes;
  sft_put(w, "],\"offset\":");
  sft_put_integer(w, offset);
  sft_put(w, ",\"length\":");
  sft_put_integer(w, bytes);
  if (p->keeps_integers) {
    const int64_t scales = sft_aligned(*end);
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

// The entry of a change, or of a run of rows.
static void put_entry(sft_writer *w, const sft_change *c, const sft_stored *p, int64_t first) {
  static const char *const encodings[] = {"values", "low_rank", "hidden_units", "tensor"};
  sft_put(w, "{\"name\":");
  sft_put_string(w, c->tensor);
  sft_put(w, ",\"encoding\":\"");
  sft_put(w, p->keeps_integers ? "integers" : encodings[c->kind]);
  sft_put(w, "\"");
  if (c->kind == SFT_NEW_ROWS) {
    sft_put_integer_member(w, "first_row", first);
    sft_put_integer_member(w, "rows", p->shape[0]);
  }
  if (c->kind == SFT_LOW_RANK) sft_put_number_member(w, "scale", c->scale);
  sft_put(w, "}");
}

void sft_put_delta_header(const sft_store *store, const sft_progress *progress, double loss,
                          sft_writer *w) {
  sft_stored p;
  sft_put(w, "{\"kind\":\"delta\",");
  put_members(w, store->bundle->fragments[SFT_DELTA_HEADER]);
  sft_put(w, "\"metrics\":{\"step\":");
  sft_put_integer(w, progress->step);
  sft_put_integer_member(w, "tokens",
                         progress->step * sft_tokens_per_step(&store->bundle->settings));
  sft_put_number_member(w, "initial_validation_loss", progress->initial_loss);
  sft_put_number_member(w, "validation_loss", loss);
  sft_put(w, "},\"entries\":[");
  sft_cursor at = {0};
  for (sft_cursor before = at; sft_next_part(store, &at, &p); before = at) {
    const sft_change *c = &store->bundle->changes[before.change];
    if (before.index > 0 && c->kind != SFT_NEW_ROWS) continue;
    if (before.change + before.index > 0) sft_put(w, ",");
    put_entry(w, c, &p, c->kind == SFT_NEW_ROWS ? c->numbers[2 * before.index] : 0);
  }
  sft_put(w, "],\"blobs\":[],\"tensors\":[");
  int64_t end = 0;
  at = (sft_cursor){0};
  for (bool is_first = true; sft_next_part(store, &at, &p); is_first = false) {
    if (!is_first) sft_put(w, ",");
    put_tensor(w, &p, &end);
  }
  sft_put(w, "]}");
}

// Which windows the steps of a run train on; those that a resumed run must have too.
void sft_put_batches(const sft_store *store, sft_writer *w) {
  const sft_settings *s = &store->bundle->settings;
  sft_put_integer_member(w, "sequence_length", s->tokens);
  sft_put_integer_member(w, "tokens_per_step", sft_tokens_per_step(s));
  sft_put_integer_member(w, "training_tokens", sft_text_count(store->text, SFT_TRAINED_TEXT));
  sft_put_integer_member(w, "seed", (int64_t)s->seed);
  sft_put_integer_member(w, "shuffle", s->shuffles);
}

void sft_put_state_header(const sft_store *store, const sft_progress *progress, sft_writer *w) {
  sft_stored p;
  sft_put(w, "{\"kind\":\"training state\",\"values\":{");
  put_members(w, store->bundle->fragments[SFT_STATE_VALUES]);
  sft_put(w, "\"step\":");
  sft_put_integer(w, progress->step);
  sft_put_number_member(w, "training_seconds", progress->training_seconds);
  sft_put_number_member(w, "elapsed_seconds", progress->elapsed_seconds);
  sft_put_number_member(w, "initial_validation_loss", progress->initial_loss);
  sft_put_number_member(w, "best_validation_loss", progress->best_loss);
  sft_put_number_member(w, "last_validation_loss", progress->last_loss);
  sft_put_integer_member(w, "validations_since_best", progress->validations_since_best);
  if (progress->validation_is_due) sft_put(w, ",\"validation_due\":true");
  if (progress->setbacks > 0) {
    sft_put_integer_member(w, "setbacks", progress->setbacks);
    sft_put_number_member(w, "rate_factor", progress->rate_factor);
  }
  sft_put_batches(store, w);
  sft_put(w, "},\"blobs\":[],\"tensors\":[");
  int64_t end = 0;
  for (int64_t index = 0, count = 0; sft_next_state(store, &index, &p); ++count) {
    if (count > 0) sft_put(w, ",");
    put_tensor(w, &p, &end);
  }
  sft_put(w, "]}");
}
