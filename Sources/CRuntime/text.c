// Reads texts as tokens. All numbers are little-endian.
//
// The file begins as a bundle does: magic "SFTOKN\r\n", version u32 1, u32 0, the bytes that follow
// the first 64 as u64, those of the whole file as u64, and the SHA-256 of what follows the
// first 64. Then the bundle's SHA-256, 32 bytes, and for the text to train on and the held-out one:
//
//   what is there u8: 1 a loss mask, 2 windows of their own; bytes of an id u8, 2 or 4
//   ids: count u64, unsigned
//   places where documents begin: count u32, u64, rising
//   the loss mask, if there is one: a bit for each id, the lowest of a byte first
//   windows, if they are listed: count u32; of each the count of its runs of ids u32, and of each
//     run the first id u64 and how many u32: all but the last are inputs, all but the first
//     targets. Else window i is the S + 1 ids from i · S on.
#include <stdlib.h>

#include "bundle.h"
#include "error.h"
#include "sft_training.h"

static const char MAGIC[8] = {'S', 'F', 'T', 'O', 'K', 'N', '\r', '\n'};
enum { FORMAT_VERSION = 1, HAS_MASK = 1, HAS_WINDOWS = 2, RUN_BYTES = 12 };

typedef struct stream {
  int64_t count, id_bytes, document_count;
  const uint8_t *ids, *documents;
  const uint8_t *mask;  // NULL: all targets count
  int64_t window_count;
  const uint8_t **windows;  // where each listed window's runs are; NULL: cut from the stream
  int64_t scored;
} stream;

struct sft_text {
  int64_t tokens;  // of a window
  stream streams[SFT_SPLITS];
};

// Ids that stand in a window together.
typedef struct run {
  int64_t first, count;
} run;

static int32_t id_at(const stream *s, int64_t index) {
  const uint8_t *from = s->ids + index * s->id_bytes;
  uint32_t id = (uint32_t)from[0] | (uint32_t)from[1] << 8;
  if (s->id_bytes == 4) id |= (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
  return (int32_t)id;
}

static int64_t document_at(const stream *s, int64_t index) {
  sft_reader r = {s->documents + 8 * index, s->documents + 8 * index + 8, false};
  return sft_take_integer(&r);
}

static bool is_scored(const stream *s, int64_t index) {
  return !s->mask || (s->mask[index / 8] >> (index % 8) & 1);
}

// The runs of a window: how many, and each of them.
static int64_t run_count(const stream *s, int64_t window) {
  if (!s->windows) return 1;
  sft_reader r = {s->windows[window], s->windows[window] + 4, false};
  return (int64_t)sft_take_unsigned(&r, 4);
}

static run run_at(const stream *s, int64_t tokens, int64_t window, int64_t index) {
  if (!s->windows) {
    const int64_t first = window * tokens, left = s->count - first;
    return (run){first, left < tokens + 1 ? left : tokens + 1};
  }
  const uint8_t *at = s->windows[window] + 4 + RUN_BYTES * index;
  sft_reader r = {at, at + RUN_BYTES, false};
  const int64_t first = sft_take_integer(&r);
  return (run){first, (int64_t)sft_take_unsigned(&r, 4)};
}

static int64_t scored_in(const stream *s, int64_t tokens, int64_t window) {
  int64_t total = 0;
  for (int64_t i = 0, runs = run_count(s, window); i < runs; ++i) {
    const run ids = run_at(s, tokens, window, i);
    for (int64_t id = ids.first + 1; id < ids.first + ids.count; ++id) total += is_scored(s, id);
  }
  return total;
}

// ---- reading

static void take_ids(sft_reader *r, stream *s, int64_t vocabulary) {
  s->id_bytes = (int64_t)sft_take_unsigned(r, 1);
  s->count = sft_take_integer(r);
  if ((s->id_bytes != 2 && s->id_bytes != 4) || s->count < 0 ||
      s->count > (r->end - r->at) / s->id_bytes) {
    r->has_failed = true;
    return;
  }
  s->ids = sft_take(r, s->count * s->id_bytes);
  for (int64_t i = 0; s->ids && i < s->count; ++i) {
    const int32_t id = id_at(s, i);
    if (id < 0 || id >= vocabulary) {
      r->has_failed = true;
      return;
    }
  }
}

static void take_documents(sft_reader *r, stream *s) {
  s->document_count = sft_take_count(r, 8);
  s->documents = sft_take(r, 8 * s->document_count);
  int64_t last = -1;
  for (int64_t i = 0; s->documents && i < s->document_count; ++i) {
    const int64_t start = document_at(s, i);
    if (start <= last || start >= s->count) r->has_failed = true;
    last = start;
  }
}

static void take_windows(sft_reader *r, stream *s, int64_t tokens) {
  s->window_count = sft_take_count(r, 4);
  s->windows = calloc((size_t)s->window_count + 1, sizeof *s->windows);
  if (!s->windows) r->has_failed = true;
  for (int64_t i = 0; i < s->window_count && !r->has_failed; ++i) {
    s->windows[i] = r->at;
    const int64_t runs = sft_take_count(r, RUN_BYTES);
    int64_t places = 0;
    for (int64_t k = 0; k < runs && !r->has_failed; ++k) {
      const int64_t first = sft_take_integer(r), count = (int64_t)sft_take_unsigned(r, 4);
      if (count < 1 || first < 0 || first > s->count || count > s->count - first ||
          count - 1 > tokens - places) {
        r->has_failed = true;
      }
      places += count - 1;
    }
  }
}

static void take_stream(sft_reader *r, stream *s, int64_t tokens, int64_t vocabulary,
                        bool includes_partial) {
  const uint64_t parts = sft_take_unsigned(r, 1);
  if (parts > (HAS_MASK | HAS_WINDOWS)) r->has_failed = true;
  take_ids(r, s, vocabulary);
  take_documents(r, s);
  // Counts of a damaged file are not for sums.
  if (r->has_failed) return;
  if (parts & HAS_MASK) s->mask = sft_take(r, (s->count + 7) / 8);
  if (parts & HAS_WINDOWS) {
    take_windows(r, s, tokens);
  } else if (s->count > 1) {
    s->window_count = (s->count - 1 + (includes_partial ? tokens - 1 : 0)) / tokens;
  }
  if (r->has_failed) return;
  if (parts & HAS_WINDOWS) {
    for (int64_t i = 0; i < s->window_count; ++i) s->scored += scored_in(s, tokens, i);
  } else {
    for (int64_t i = 1; i < s->count; ++i) s->scored += is_scored(s, i);
  }
}

sft_status sft_text_open(const void *bytes, int64_t size, const sft_bundle *bundle, sft_text **text,
                         sft_error *error) {
  sft_preamble preamble;
  *text = NULL;
  const sft_status status = sft_read_preamble(bytes, size, MAGIC, "text", &preamble, error);
  if (status != SFT_OK) return status;
  if (preamble.version != FORMAT_VERSION || preamble.header_bytes != size - SFT_PREAMBLE_BYTES) {
    return sft_fail(error, SFT_BAD_FILE, "version %u of the text's format, expected %d",
                    (unsigned)preamble.version, FORMAT_VERSION);
  }
  sft_text *made = calloc(1, sizeof *made);
  if (!made) return sft_fail(error, SFT_OUT_OF_MEMORY, "no memory for a text");
  made->tokens = bundle->settings.tokens;
  const uint8_t *start = bytes;
  sft_reader r = {start + SFT_PREAMBLE_BYTES, start + size, false};
  const uint8_t *digest = sft_take(&r, SFT_DIGEST_BYTES);
  if (digest && memcmp(digest, bundle->digest, SFT_DIGEST_BYTES) != 0) {
    sft_text_close(made);
    return sft_fail(error, SFT_BAD_FILE, "the text was made for another bundle than this one");
  }
  const int64_t vocabulary = sft_bundle_vocabulary(bundle);
  for (int split = 0; split < SFT_SPLITS; ++split) {
    take_stream(&r, &made->streams[split], made->tokens, vocabulary, split == SFT_HELD_OUT_TEXT);
  }
  if (r.has_failed || r.at != r.end) {
    sft_text_close(made);
    return sft_fail(error, SFT_BAD_FILE, "the text is damaged near byte %lld, or has other ids",
                    (long long)(r.at - start));
  }
  *text = made;
  return SFT_OK;
}

void sft_text_close(sft_text *text) {
  if (!text) return;
  for (int split = 0; split < SFT_SPLITS; ++split) free(text->streams[split].windows);
  free(text);
}

int64_t sft_text_count(const sft_text *text, sft_split split) { return text->streams[split].count; }

int64_t sft_text_windows(const sft_text *text, sft_split split) {
  return text->streams[split].window_count;
}

int64_t sft_text_scored(const sft_text *text, sft_split split, int64_t window) {
  return scored_in(&text->streams[split], text->tokens, window);
}

int64_t sft_text_scored_in_all(const sft_text *text, sft_split split) {
  return text->streams[split].scored;
}

// The first document that begins at an id or behind it.
static int64_t first_document(const stream *s, int64_t id) {
  int64_t low = 0, high = s->document_count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (document_at(s, middle) < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void sft_text_fill(const sft_text *text, sft_split split, int64_t window, int32_t *tokens,
                   int32_t *targets, int32_t *starts) {
  const stream *s = &text->streams[split];
  int64_t filled = 0;
  for (int64_t i = 0, runs = run_count(s, window); i < runs; ++i) {
    const run ids = run_at(s, text->tokens, window, i);
    int64_t document = first_document(s, ids.first), begin = filled;
    for (int64_t id = ids.first; id + 1 < ids.first + ids.count; ++id, ++filled) {
      if (document < s->document_count && document_at(s, document) == id) {
        begin = filled;
        ++document;
      }
      tokens[filled] = id_at(s, id);
      targets[filled] = is_scored(s, id + 1) ? id_at(s, id + 1) : -1;
      starts[filled] = (int32_t)begin;
    }
  }
  for (int64_t place = filled; place < text->tokens; ++place) {
    tokens[place] = 0;
    targets[place] = -1;
    starts[place] = (int32_t)filled;
  }
}
