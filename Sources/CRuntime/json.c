#include "json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- writing

void sft_put_bytes(sft_writer *w, const char *text, int64_t count) {
  if (w->has_failed || count > w->end - w->at) {
    w->has_failed = true;
    return;
  }
  memcpy(w->at, text, (size_t)count);
  w->at += count;
}

void sft_put(sft_writer *w, const char *text) { sft_put_bytes(w, text, (int64_t)strlen(text)); }

void sft_put_string(sft_writer *w, const char *text) {
  sft_put(w, "\"");
  for (; *text; ++text) {
    const unsigned char byte = (unsigned char)*text;
    char escape[8];
    if (byte == '"' || byte == '\\') {
      snprintf(escape, sizeof escape, "\\%c", byte);
      sft_put(w, escape);
    } else if (byte < 0x20 || byte == 0x7F) {
      snprintf(escape, sizeof escape, "\\u%04x", byte);
      sft_put(w, escape);
    } else {
      sft_put_bytes(w, text, 1);
    }
  }
  sft_put(w, "\"");
}

void sft_put_integer(sft_writer *w, int64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%lld", (long long)value);
  sft_put(w, text);
}

// Zeros, as many as are asked for.
static void put_zeros(sft_writer *w, int count) {
  for (int i = 0; i < count; ++i) sft_put(w, "0");
}

void sft_put_number(sft_writer *w, double value) {
  char text[32];
  if (!isfinite(value)) {
    sft_put(w, "null");
    return;
  }
  for (int digits = 0; digits <= 16; ++digits) {
    snprintf(text, sizeof text, "%.*e", digits, value);
    if (strtod(text, NULL) == value) break;
  }
  const char *at = text;
  if (*at == '-') {
    sft_put(w, "-");
    ++at;
  }
  // One digit, a point and the others, and the exponent.
  char digits[24];
  int count = 0;
  for (; *at && *at != 'e'; ++at) {
    if (*at != '.') digits[count++] = *at;
  }
  const int exponent = *at ? atoi(at + 1) : 0;
  // From 10^16 on, and below 10^-4, an exponent is written.
  if (value != 0 && (exponent < -4 || exponent > 15)) {
    sft_put_bytes(w, digits, 1);
    if (count > 1) sft_put(w, ".");
    sft_put_bytes(w, digits + 1, count - 1);
    snprintf(text, sizeof text, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    sft_put(w, text);
  } else if (exponent < 0) {
    sft_put(w, "0.");
    put_zeros(w, -exponent - 1);
    sft_put_bytes(w, digits, count);
  } else {
    const int whole = count < exponent + 1 ? count : exponent + 1;
    sft_put_bytes(w, digits, whole);
    put_zeros(w, exponent + 1 - whole);
    sft_put(w, ".");
    if (count > whole) {
      sft_put_bytes(w, digits + whole, count - whole);
    } else {
      sft_put(w, "0");
    }
  }
}

void sft_put_key(sft_writer *w, const char *key) {
  sft_put(w, ",\"");
  sft_put(w, key);
  sft_put(w, "\":");
}

void sft_put_number_member(sft_writer *w, const char *key, double value) {
  sft_put_key(w, key);
  sft_put_number(w, value);
}

void sft_put_integer_member(sft_writer *w, const char *key, int64_t value) {
  sft_put_key(w, key);
  sft_put_integer(w, value);
}

// ---- reading

// Values within values; more is taken for damage.
enum { MOST_DEPTH = 64 };

static const char *after_space(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) ++at;
  return at;
}

// The end of a string that begins with a quote; NULL if it has none.
static const char *after_string(const char *at, const char *end) {
  for (++at; at < end; ++at) {
    if (*at == '"') return at + 1;
    if (*at == '\\') ++at;
  }
  return NULL;
}

// The end of the value that begins there; NULL if it is damaged. Brackets have to match in number
// and kind; what is between them is looked at by whoever reads it.
static const char *after_value(const char *at, const char *end) {
  char open[MOST_DEPTH];
  int depth = 0;
  do {
    at = after_space(at, end);
    if (at >= end) return NULL;
    const char c = *at;
    if (c == '"') {
      at = after_string(at, end);
      if (!at) return NULL;
    } else if (c == '{' || c == '[') {
      if (depth == MOST_DEPTH) return NULL;
      open[depth++] = c == '{' ? '}' : ']';
      ++at;
    } else if (c == '}' || c == ']') {
      if (depth == 0 || open[--depth] != c) return NULL;
      ++at;
    } else if (c == ',' || c == ':') {
      if (depth == 0) return NULL;
      ++at;
    } else {
      const char *start = at;
      while (at < end && !memchr(" \t\n\r,:{}[]\"", *at, 11)) ++at;
      if (at == start) return NULL;
    }
  } while (depth > 0);
  return at;
}

bool sft_json_is_whole(sft_json text) {
  const char *end = text.at < text.end ? after_value(text.at, text.end) : NULL;
  return end && after_space(end, text.end) == text.end;
}

// The value that begins behind a place, and whether there is one.
static bool take_value(const char *at, const char *end, sft_json *value) {
  at = after_space(at, end);
  const char *behind = at < end ? after_value(at, end) : NULL;
  if (!behind) return false;
  *value = (sft_json){at, behind};
  return true;
}

bool sft_json_member(sft_json object, const char *key, sft_json *value) {
  if (object.at >= object.end || *object.at != '{') return false;
  const size_t length = strlen(key);
  const char *at = object.at + 1, *end = object.end;
  for (;;) {
    sft_json name;
    if (!take_value(at, end, &name) || *name.at != '"') return false;
    at = after_space(name.end, end);
    if (at >= end || *at != ':' || !take_value(at + 1, end, value)) return false;
    if ((size_t)(name.end - name.at) == length + 2 && memcmp(name.at + 1, key, length) == 0) {
      return true;
    }
    at = after_space(value->end, end);
    if (at >= end || *at != ',') return false;
    ++at;
  }
}

bool sft_json_first(sft_json array, sft_json *value) {
  if (array.at >= array.end || *array.at != '[') return false;
  const char *at = after_space(array.at + 1, array.end);
  return at < array.end && *at != ']' && take_value(at, array.end, value);
}

bool sft_json_next(sft_json array, sft_json *value) {
  const char *at = after_space(value->end, array.end);
  return at < array.end && *at == ',' && take_value(at + 1, array.end, value);
}

// A number's text with an end, which a file does not give it.
static bool copy_number(sft_json value, char text[40]) {
  const int64_t count = value.end - value.at;
  if (count < 1 || count >= 40 || !memchr("-0123456789", *value.at, 11)) return false;
  memcpy(text, value.at, (size_t)count);
  text[count] = 0;
  return true;
}

bool sft_json_integer(sft_json value, int64_t *number) {
  char text[40], *end;
  if (!copy_number(value, text) || strlen(text) > 18) return false;
  *number = strtoll(text, &end, 10);
  return *end == 0;
}

bool sft_json_number(sft_json value, double *number) {
  char text[40], *end;
  if (!copy_number(value, text)) return false;
  *number = strtod(text, &end);
  return *end == 0 && isfinite(*number);
}

bool sft_json_is(sft_json value, const char *text) {
  const size_t length = strlen(text);
  return (size_t)(value.end - value.at) == length + 2 && *value.at == '"' &&
         memcmp(value.at + 1, text, length) == 0;
}

bool sft_json_equal(sft_json a, sft_json b) {
  return a.end - a.at == b.end - b.at && memcmp(a.at, b.at, (size_t)(a.end - a.at)) == 0;
}
