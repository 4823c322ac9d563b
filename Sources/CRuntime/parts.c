// The tensors that deltas and states consist of.
#include <stdio.h>

#include "store.h"

// ---- tensors of a delta

static void take_buffer(const sft_store *store, const sft_change *c, int64_t index, sft_stored *p) {
  const sft_program_data *program = sft_training_program(store);
  p->buffer = &program->buffers[c->parameters[index]];
  p->scales = p->buffer->element == SFT_ELEMENT_INT8 ? sft_scales_of(program, p->buffer) : NULL;
  p->first = 0;
  p->count = sft_element_count(p->buffer);
  p->axes = 2;
  p->keeps_integers = false;
}

static void take_rows(const sft_change *c, const sft_cursor *at, sft_stored *p) {
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

static void take_factor(const sft_change *c, int64_t index, sft_stored *p) {
  const int64_t other = p->count / c->count;
  p->shape[0] = index == 0 ? c->count : other;
  p->shape[1] = index == 0 ? other : c->count;
  snprintf(p->name, sizeof p->name, "%s.lora_%s", c->tensor, index == 0 ? "a" : "b");
}

static void take_units(const sft_change *c, int64_t index, sft_stored *p) {
  static const char *const kinds[] = {"gate", "up", "down"};
  const int64_t width = p->count / c->count;
  p->shape[0] = index < 2 ? c->count : width;
  p->shape[1] = index < 2 ? width : c->count;
  snprintf(p->name, sizeof p->name, "%s.%s.added", c->tensor, kinds[index]);
}

static void take_tensor(const sft_change *c, sft_stored *p) {
  p->axes = c->number_count;
  for (int64_t i = 0; i < c->number_count; ++i) p->shape[i] = c->numbers[i];
  snprintf(p->name, sizeof p->name, "%s", c->tensor);
}

// The next tensor of a delta; false behind the last one.
bool sft_next_part(const sft_store *store, sft_cursor *at, sft_stored *p) {
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
  if (++at->index >= parts) *at = (sft_cursor){at->change + 1, 0, 0};
  return true;
}

// ---- tensors of a state

bool sft_is_state(const sft_buffer *b) {
  return b->is_persistent && (b->kind == SFT_PARAMETER || b->kind == SFT_OPTIMIZER);
}

// The next buffer that is kept from step to step, from an index on; false behind the last one.
bool sft_next_state(const sft_store *store, int64_t *index, sft_stored *p) {
  const sft_program_data *program = sft_training_program(store);
  for (; *index < program->buffer_count; ++*index) {
    const sft_buffer *b = &program->buffers[*index];
    if (!sft_is_state(b)) continue;
    *p = (sft_stored){.buffer = b, .count = sft_element_count(b), .axes = 1};
    p->shape[0] = p->count;
    snprintf(p->name, sizeof p->name, "%s", b->name);
    ++*index;
    return true;
  }
  return false;
}
