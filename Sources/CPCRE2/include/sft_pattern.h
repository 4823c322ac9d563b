// Regular expressions over UTF-8 by PCRE2, with its Unicode properties and its just-in-time
// compiler, as far as splitting text for a tokenizer needs them.
//
// A pattern is immutable once compiled and may be used by several matchers at once; a matcher is
// used by one thread at a time.
#ifndef SFT_PATTERN_H
#define SFT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// A compiled pattern.
typedef struct sft_pattern sft_pattern;

/// Room for the matches of one pattern.
typedef struct sft_matcher sft_matcher;

/// What became of a call.
typedef enum sft_pattern_status {
  SFT_PATTERN_OK = 0,
  /// The library refused a pattern or gave up on a text; the message holds its words.
  SFT_PATTERN_REFUSED = 1,
  SFT_PATTERN_NO_MEMORY = 2,
} sft_pattern_status;

/// Where a failing call leaves its words: `capacity` bytes at `text`.
typedef struct sft_pattern_message {
  char *text;
  size_t capacity;
} sft_pattern_message;

/// The bytes of a text from `start` up to `end`.
typedef struct sft_match {
  size_t start;
  size_t end;
} sft_match;

/// Compiles `count` bytes of UTF-8. Classes and properties are Unicode's; "^" and "$" stand for the
/// start and end of a line. `*compiled` is set on success only, and is to be given to
/// `sft_pattern_free`.
sft_pattern_status sft_pattern_compile(const uint8_t *_Nullable pattern, size_t count,
                                       sft_pattern *_Nullable *_Nonnull compiled,
                                       sft_pattern_message message);

void sft_pattern_free(sft_pattern *_Nullable pattern);

/// Whether the pattern can match at a place without taking a character.
bool sft_pattern_matches_nothing(const sft_pattern *pattern);

/// A matcher for `pattern`, which must live as long; null without memory. To be given to
/// `sft_matcher_free`.
sft_matcher *_Nullable sft_matcher_create(const sft_pattern *pattern);

void sft_matcher_free(sft_matcher *_Nullable matcher);

/// Finds the next matches, at most `capacity`, in the `count` bytes of `text` from `*position` on.
/// They do not overlap. `*position` becomes the end of the last one, or `count` where no other
/// follows. The text must be valid UTF-8 and `*position` the start of a character.
///
/// A text begins at position 0. A pattern that takes more steps than a multiple of the texts'
/// lengths is refused.
sft_pattern_status sft_matcher_find(sft_matcher *matcher, const uint8_t *_Nullable text,
                                    size_t count, size_t *position, sft_match *matches,
                                    size_t capacity, size_t *found, sft_pattern_message message);

#pragma clang assume_nonnull end

#endif
