// JSON as the files of runs have it: texts that are written once into memory of a fixed size, and
// values that are found in texts that nobody vouches for.
#ifndef SFT_JSON_H
#define SFT_JSON_H

#include <stdbool.h>
#include <stdint.h>

// ---- writing

// What does not fit is dropped, and remembered.
typedef struct sft_writer {
  char *at, *end;
  bool has_failed;
} sft_writer;

void sft_put(sft_writer *w, const char *text);
void sft_put_bytes(sft_writer *w, const char *text, int64_t count);
// A text in quotes.
void sft_put_string(sft_writer *w, const char *text);
void sft_put_integer(sft_writer *w, int64_t value);
// The shortest digits that are read as the same number, as Swift spells them; null where it is not
// finite.
void sft_put_number(sft_writer *w, double value);
// A comma, a key that needs no escapes, and a colon; and with a value behind them.
void sft_put_key(sft_writer *w, const char *key);
void sft_put_number_member(sft_writer *w, const char *key, double value);
void sft_put_integer_member(sft_writer *w, const char *key, int64_t value);

// ---- reading

// The text of a value, without spaces around it.
typedef struct sft_json {
  const char *at, *end;
} sft_json;

// Whether the text is one value and nothing else.
bool sft_json_is_whole(sft_json text);
// The member of an object.
bool sft_json_member(sft_json object, const char *key, sft_json *value);
// The elements of an array: the first one, and the next one behind `value`.
bool sft_json_first(sft_json array, sft_json *value);
bool sft_json_next(sft_json array, sft_json *value);
bool sft_json_integer(sft_json value, int64_t *number);
bool sft_json_number(sft_json value, double *number);
// Whether a value is that text, which needs no escapes.
bool sft_json_is(sft_json value, const char *text);
bool sft_json_equal(sft_json a, sft_json b);

#endif
