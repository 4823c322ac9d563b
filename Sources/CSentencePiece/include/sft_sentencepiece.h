// SentencePiece (Kudo & Richardson 2018) behind a C interface: Swift's C++ interoperability does
// not import the library's own class. No exception leaves these functions; a call that can fail
// returns a status and writes a message, cut to its capacity and always terminated.
//
// A model is immutable once loaded, so every function that takes a `const` one may be called
// from several threads at once.
#ifndef SFT_SENTENCEPIECE_H
#define SFT_SENTENCEPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma clang assume_nonnull begin

/// A loaded SentencePiece model.
typedef struct sft_sentencepiece sft_sentencepiece;

/// What became of a call.
typedef enum sft_sentencepiece_status {
  SFT_SENTENCEPIECE_OK = 0,
  /// The library refused its input; the message holds its words.
  SFT_SENTENCEPIECE_REFUSED = 1,
  SFT_SENTENCEPIECE_NO_MEMORY = 2,
} sft_sentencepiece_status;

/// Where a failing call leaves its words: `capacity` bytes at `text`.
typedef struct sft_sentencepiece_message {
  char *text;
  size_t capacity;
} sft_sentencepiece_message;

/// Loads a model from the `count` bytes of its serialized form. `*loaded` is set on success only,
/// and is to be given to `sft_sentencepiece_free`.
///
/// The library trusts some fields; a caller that does not trust the bytes checks them first.
sft_sentencepiece_status sft_sentencepiece_load(const void *_Nullable bytes, size_t count,
                                                sft_sentencepiece *_Nullable *_Nonnull loaded,
                                                sft_sentencepiece_message message);

void sft_sentencepiece_free(sft_sentencepiece *_Nullable model);

/// Encodes `count` bytes of UTF-8. `*ids` is to be given to `sft_sentencepiece_free_ids`; it is
/// null where there are none.
sft_sentencepiece_status sft_sentencepiece_encode(const sft_sentencepiece *model,
                                                  const void *_Nullable text, size_t count,
                                                  int32_t *_Nullable *_Nonnull ids,
                                                  size_t *id_count,
                                                  sft_sentencepiece_message message);

void sft_sentencepiece_free_ids(int32_t *_Nullable ids);

/// Decodes `count` ids. `*text`, not terminated, is to be given to `sft_sentencepiece_free_text`;
/// it is null where it is empty.
sft_sentencepiece_status sft_sentencepiece_decode(const sft_sentencepiece *model,
                                                  const int32_t *_Nullable ids, size_t count,
                                                  uint8_t *_Nullable *_Nonnull text,
                                                  size_t *text_count,
                                                  sft_sentencepiece_message message);

void sft_sentencepiece_free_text(uint8_t *_Nullable text);

/// Number of pieces; ids run from 0 up to it.
int32_t sft_sentencepiece_piece_count(const sft_sentencepiece *model);

/// The piece of an id, `*count` bytes that live as long as the model; null for an id out of range.
const uint8_t *_Nullable sft_sentencepiece_piece(const sft_sentencepiece *model, int32_t id,
                                                 size_t *count);

/// The id of a piece of `count` bytes; the unknown piece's, or -1, for other bytes.
int32_t sft_sentencepiece_id(const sft_sentencepiece *model, const void *_Nullable piece,
                             size_t count);

/// Ids of the special pieces, -1 where the model has none.
int32_t sft_sentencepiece_bos(const sft_sentencepiece *model);
int32_t sft_sentencepiece_eos(const sft_sentencepiece *model);
int32_t sft_sentencepiece_unknown(const sft_sentencepiece *model);

/// Whether an id's piece is a control symbol (never text), unused (never encoded to), or one byte
/// of the byte fallback. False for an id out of range.
bool sft_sentencepiece_is_control(const sft_sentencepiece *model, int32_t id);
bool sft_sentencepiece_is_unused(const sft_sentencepiece *model, int32_t id);
bool sft_sentencepiece_is_byte(const sft_sentencepiece *model, int32_t id);

#pragma clang assume_nonnull end

#ifdef __cplusplus
}
#endif

#endif
