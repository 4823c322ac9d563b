#include "contents.h"

#include <math.h>

#include "random.h"
#include "reader.h"
#include "release.h"

// Where contents come from, and elements of them one after the other.
typedef struct source {
  const sft_bundle *bundle;
  const uint8_t *checkpoint;
  sft_release *release;
  // The part of the checkpoint that has been read since parts of it were released.
  int64_t first, end;
} source;

// Releases what has been read, if it is that much.
static void release_read(source *from, int64_t least) {
  if (from->end - from->first < least) return;
  sft_release_around(from->release, from->checkpoint, from->bundle->checkpoint_bytes, from->first,
                     from->end);
  from->first = from->end = 0;
}

// Notes that a row of a tensor has been read.
static void note_row(source *from, const sft_tensor *t, int64_t row) {
  const int64_t width = t->width * sft_element_size(t->type), at = t->offset + row * width;
  if (from->end == 0 || at < from->first) from->first = at;
  if (at + width > from->end) from->end = at + width;
  release_read(from, SFT_READ_BYTES);
}

void sft_round_to_bf16(float *values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) values[i] = sft_float_of(sft_bf16_of(values[i]));
}

// An element of a tensor as a float; the checkpoint's numbers are little-endian.
static float element_at(const source *from, const sft_tensor *t, int64_t row, int64_t column) {
  const uint8_t *data = from->checkpoint + t->offset;
  const int64_t index = row * t->width + column;
  if (t->type == SFT_ELEMENT_F32) {
    sft_reader r = {data + 4 * index, data + 4 * index + 4, false};
    return sft_take_float(&r);
  }
  if (t->type == SFT_ELEMENT_BF16) {
    sft_reader r = {data + 2 * index, data + 2 * index + 2, false};
    return sft_float_of((uint16_t)sft_take_unsigned(&r, 2));
  }
  const uint8_t *scale = from->checkpoint + t->scales_offset + 4 * row;
  sft_reader r = {scale, scale + 4, false};
  return sft_take_float(&r) * (float)(int8_t)data[index];
}

static float scale_at(const source *from, const sft_tensor *t, int64_t row) {
  const uint8_t *scale = from->checkpoint + t->scales_offset + 4 * row;
  sft_reader r = {scale, scale + 4, false};
  return sft_take_float(&r);
}

static void store(void *to, sft_element element, int64_t index, float value) {
  if (element == SFT_ELEMENT_BF16) {
    ((uint16_t *)to)[index] = sft_bf16_of(value);
  } else {
    ((float *)to)[index] = value;
  }
}

// ---- random numbers

// The seed's streams of low-rank factors follow this one.
static const uint64_t KAIMING_STREAM = 0x4C6F5241u;

// Uniform in ±1/√fan-in.
static float kaiming(sft_random *random, int64_t fan_in) {
  return (float)((2 * sft_uniform(random) - 1) * (1 / sqrt((double)fan_in)));
}

// ---- floats

static void fill_rows(source *from, const sft_buffer *b, void *to) {
  const sft_tensor *t = &from->bundle->tensors[b->tensor];
  for (int64_t row = b->first_row, index = 0; row < b->end_row; ++row) {
    for (int64_t column = 0; column < t->width; ++column, ++index) {
      store(to, b->element, index, element_at(from, t, row, column));
    }
    note_row(from, t, row);
  }
}

static void fill_chosen(source *from, const sft_buffer *b, void *to) {
  const sft_tensor *t = &from->bundle->tensors[b->tensor];
  sft_reader ids = {b->numbers, b->numbers + 4 * b->number_count, false};
  for (int64_t i = 0, index = 0; i < b->number_count; ++i) {
    const int64_t row = (int64_t)sft_take_unsigned(&ids, 4);
    for (int64_t column = 0; column < t->width; ++column, ++index) {
      store(to, b->element, index, element_at(from, t, row, column));
    }
    note_row(from, t, row);
  }
}

static float largest(const source *from, const sft_tensor *t, int64_t row) {
  float highest = 0;
  for (int64_t column = 0; column < t->width; ++column) {
    const float magnitude = fabsf(element_at(from, t, row, column));
    highest = magnitude > highest ? magnitude : highest;
  }
  return highest;
}

static void fill_floats(source *from, const sft_buffer *b, void *to) {
  const int64_t count = b->bytes / sft_element_size(b->element);
  switch (b->contents) {
    case SFT_ROWS:
      fill_rows(from, b, to);
      return;
    case SFT_CHOSEN:
      fill_chosen(from, b, to);
      return;
    case SFT_ROW_SCALES: {
      const sft_tensor *t = &from->bundle->tensors[b->tensor];
      for (int64_t row = b->first_row; row < b->end_row; ++row) {
        ((float *)to)[row - b->first_row] = largest(from, t, row) / 127;
        note_row(from, t, row);
      }
      return;
    }
    case SFT_KAIMING: {
      sft_random random =
          sft_random_stream(from->bundle->settings.seed, KAIMING_STREAM + b->stream);
      for (int64_t i = 0; i < count; ++i) store(to, b->element, i, kaiming(&random, b->fan_in));
      return;
    }
    case SFT_VALUES: {
      sft_reader values = {b->numbers, b->numbers + 4 * b->number_count, false};
      for (int64_t i = 0; i < count; ++i) store(to, b->element, i, sft_take_float(&values));
      return;
    }
    default:
      return;
  }
}

// ---- trained int8 matrices, as IntegerContents: a row's scale leaves room to grow

static const float HEADROOM = 1.25f;
// Rows with a lesser scale are zeros under one that the first step replaces.
static const float LEAST_SCALE = 1e-30f, SCALE_OF_ZEROS = 1e-6f;

// Rows of floats, one after the other: of a tensor, or random ones.
typedef struct float_rows {
  const source *from;
  const sft_buffer *buffer;
  int64_t width;
  sft_random random;
} float_rows;

// The next value of a row of the buffer, left to right.
static float next_value(float_rows *rows, int64_t row, int64_t column) {
  const sft_buffer *b = rows->buffer;
  if (b->contents == SFT_KAIMING) return kaiming(&rows->random, b->fan_in);
  if (b->contents != SFT_ROWS) return 0;
  return element_at(rows->from, &rows->from->bundle->tensors[b->tensor], b->first_row + row,
                    column);
}

// Quantises a row; returns its scale, 0 for zeros, NaN if a value is not finite.
static float quantise(float_rows *rows, int64_t row, int8_t *q) {
  const sft_random start = rows->random;
  float highest = 0;
  bool is_finite = true;
  for (int64_t i = 0; i < rows->width; ++i) {
    const float value = next_value(rows, row, i);
    is_finite = is_finite && isfinite(value);
    highest = fabsf(value) > highest ? fabsf(value) : highest;
  }
  const float scale = HEADROOM * highest / 127;
  if (!is_finite || !(scale >= LEAST_SCALE)) {
    for (int64_t i = 0; i < rows->width; ++i) q[i] = 0;
    return is_finite ? 0 : NAN;
  }
  rows->random = start;
  for (int64_t i = 0; i < rows->width; ++i) {
    q[i] = (int8_t)rintf(next_value(rows, row, i) / scale);
  }
  return scale;
}

static void fill_integers(source *from, const sft_buffer *b, int8_t *q, float *scales,
                          int64_t count) {
  float_rows rows = {from, b, b->bytes / count,
                     sft_random_stream(from->bundle->settings.seed, KAIMING_STREAM + b->stream)};
  const sft_tensor *t = b->contents == SFT_ROWS ? &from->bundle->tensors[b->tensor] : NULL;
  for (int64_t i = 0; i < count; ++i, q += rows.width) {
    if (t && t->type == SFT_ELEMENT_INT8) {
      memcpy(q, from->checkpoint + t->offset + (b->first_row + i) * t->width, (size_t)rows.width);
      scales[i] = scale_at(from, t, b->first_row + i);
    } else {
      scales[i] = quantise(&rows, i, q);
    }
    if (scales[i] < LEAST_SCALE) {
      memset(q, 0, (size_t)rows.width);
      scales[i] = SCALE_OF_ZEROS;
    }
    if (t) note_row(from, t, b->first_row + i);
  }
}

void sft_fill_program(const sft_bundle *bundle, const sft_program_data *program,
                      const uint8_t *checkpoint, sft_release *release, void *arena) {
  source from = {bundle, checkpoint, release, 0, 0};
  for (int64_t i = 0; i < program->buffer_count; ++i) {
    const sft_buffer *b = &program->buffers[i];
    if (!b->is_persistent || b->place < 0) continue;
    char *to = (char *)arena + b->place;
    if (b->element == SFT_ELEMENT_INT8 && b->kind == SFT_PARAMETER) {
      const sft_buffer *scales = sft_scales_of(program, b);
      if (!scales) continue;
      fill_integers(&from, b, (int8_t *)to, (float *)((char *)arena + scales->place),
                    scales->bytes / 4);
    } else if (b->contents == SFT_ZEROS) {
      memset(to, 0, (size_t)b->bytes);
    } else if (b->contents == SFT_INTEGERS) {
      sft_reader numbers = {b->numbers, b->numbers + 4 * b->number_count, false};
      for (int64_t k = 0; k < b->number_count; ++k) {
        ((int32_t *)(void *)to)[k] = (int32_t)(uint32_t)sft_take_unsigned(&numbers, 4);
      }
    } else {
      fill_floats(&from, b, to);
    }
    release_read(&from, 1);
  }
}
