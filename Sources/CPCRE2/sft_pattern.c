#include "sft_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

// Far above what any tokenizer's pattern needs.
//
// PCRE2 does not tell how many steps a match took, only that it took more than a limit. So every
// match begins with a low limit, and one that hits it is tried again with a higher one, at the
// price of a budget that grows with the text: whatever the pattern, the work is a multiple of the
// text's length.
enum {
  MAXIMUM_PATTERN_BYTES = 1 << 16,
  FREE_STEPS = 2000,
  LIMIT_FACTOR = 8,
  FIRST_BUDGET = 16 * 1000 * 1000,
  BUDGET_PER_BYTE = 100,
  HEAP_KIBIBYTES = 64 * 1024,
  JIT_STACK_START = 32 * 1024,
  JIT_STACK_MAXIMUM = 8 * 1024 * 1024,
};

struct sft_pattern {
  pcre2_code *code;
  bool is_compiled_to_machine_code;
  bool matches_nothing;
};

struct sft_matcher {
  const sft_pattern *pattern;
  pcre2_match_data *data;
  pcre2_match_context *context;
  pcre2_jit_stack *stack;
  /// Steps beyond the free ones that are left.
  uint64_t budget;
};

static sft_pattern_status refuse(int code, sft_pattern_message message) {
  // While matching, and while compiling.
  if (code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAP_FAILED) return SFT_PATTERN_NO_MEMORY;
  if (message.capacity > 0) {
    message.text[0] = 0;
    pcre2_get_error_message(code, (PCRE2_UCHAR *)message.text, message.capacity);
  }
  return SFT_PATTERN_REFUSED;
}

static pcre2_code *compile(const uint8_t *text, size_t count, int *error) {
  pcre2_compile_context *context = pcre2_compile_context_create(NULL);
  if (context == NULL) {
    *error = PCRE2_ERROR_NOMEMORY;
    return NULL;
  }
  pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  pcre2_set_max_pattern_length(context, MAXIMUM_PATTERN_BYTES);
  const uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  PCRE2_SIZE place = 0;
  const uint8_t nothing = 0;
  pcre2_code *code =
      pcre2_compile(text == NULL ? &nothing : text, count, options, error, &place, context);
  pcre2_compile_context_free(context);
  return code;
}

sft_pattern_status sft_pattern_compile(const uint8_t *text, size_t count, sft_pattern **compiled,
                                       sft_pattern_message message) {
  *compiled = NULL;
  int error = 0;
  pcre2_code *code = compile(text, count, &error);
  if (code == NULL) return refuse(error, message);
  sft_pattern *pattern = calloc(1, sizeof *pattern);
  if (pattern == NULL) {
    pcre2_code_free(code);
    return SFT_PATTERN_NO_MEMORY;
  }
  pattern->code = code;
  // Where the system allows no machine code to be made, PCRE2 interprets the pattern.
  pattern->is_compiled_to_machine_code = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
  uint32_t matches_nothing = 0;
  pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &matches_nothing);
  pattern->matches_nothing = matches_nothing != 0;
  *compiled = pattern;
  return SFT_PATTERN_OK;
}

void sft_pattern_free(sft_pattern *pattern) {
  if (pattern == NULL) return;
  pcre2_code_free(pattern->code);
  free(pattern);
}

bool sft_pattern_matches_nothing(const sft_pattern *pattern) { return pattern->matches_nothing; }

sft_matcher *sft_matcher_create(const sft_pattern *pattern) {
  sft_matcher *matcher = calloc(1, sizeof *matcher);
  if (matcher == NULL) return NULL;
  matcher->pattern = pattern;
  matcher->data = pcre2_match_data_create(1, NULL);
  matcher->context = pcre2_match_context_create(NULL);
  if (matcher->data == NULL || matcher->context == NULL) {
    sft_matcher_free(matcher);
    return NULL;
  }
  matcher->budget = FIRST_BUDGET;
  pcre2_set_heap_limit(matcher->context, HEAP_KIBIBYTES);
  if (pattern->is_compiled_to_machine_code) {
    // Without one, the smaller room on the thread's own stack is used.
    matcher->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAXIMUM, NULL);
    if (matcher->stack != NULL) pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
  }
  return matcher;
}

void sft_matcher_free(sft_matcher *matcher) {
  if (matcher == NULL) return;
  pcre2_match_data_free(matcher->data);
  pcre2_match_context_free(matcher->context);
  pcre2_jit_stack_free(matcher->stack);
  free(matcher);
}

static int match_once(sft_matcher *matcher, const uint8_t *text, size_t count, size_t position) {
  const sft_pattern *pattern = matcher->pattern;
  if (pattern->is_compiled_to_machine_code) {
    const int result =
        pcre2_jit_match(pattern->code, text, count, position, 0, matcher->data, matcher->context);
    if (result != PCRE2_ERROR_JIT_STACKLIMIT) return result;
  }
  return pcre2_match(pattern->code, text, count, position, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                     matcher->data, matcher->context);
}

static int match(sft_matcher *matcher, const uint8_t *text, size_t count, size_t position) {
  uint32_t limit = FREE_STEPS;
  for (;;) {
    pcre2_set_match_limit(matcher->context, limit);
    const int result = match_once(matcher, text, count, position);
    if (result != PCRE2_ERROR_MATCHLIMIT) return result;
    if (limit > UINT32_MAX / LIMIT_FACTOR) return result;
    limit *= LIMIT_FACTOR;
    if (matcher->budget < limit) return result;
    matcher->budget -= limit;
  }
}

sft_pattern_status sft_matcher_find(sft_matcher *matcher, const uint8_t *text, size_t count,
                                    size_t *position, sft_match *matches, size_t capacity,
                                    size_t *found, sft_pattern_message message) {
  *found = 0;
  if (*position == 0) matcher->budget += (uint64_t)BUDGET_PER_BYTE * count;
  const size_t *places = pcre2_get_ovector_pointer(matcher->data);
  while (*found < capacity && *position < count) {
    const int result = match(matcher, text, count, *position);
    if (result == PCRE2_ERROR_NOMATCH) {
      *position = count;
      break;
    }
    if (result < 0) return refuse(result, message);
    // A pattern that can match nothing is not to be searched with; this keeps it from standing
    // still.
    if (places[0] < *position || places[1] <= places[0])
      return refuse(PCRE2_ERROR_INTERNAL, message);
    matches[*found] = (sft_match){places[0], places[1]};
    *found += 1;
    *position = places[1];
  }
  return SFT_PATTERN_OK;
}
