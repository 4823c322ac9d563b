// A training run on a device: text as tokens, the order of its windows, and the files of a run.
// What is opened allocates its memory then, and none later.
#ifndef SFT_TRAINING_H
#define SFT_TRAINING_H

#include "sft_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- text as tokens

// The texts of a bundle, in a file that is bound to it.
typedef struct sft_text sft_text;
typedef enum sft_split { SFT_TRAINED_TEXT = 0, SFT_HELD_OUT_TEXT = 1 } sft_split;
enum { SFT_SPLITS = 2 };

// Opens tokens in memory, which has to stay as long as they are open, and checks all of them: their
// hash, that they are the bundle's, and that every id is one of its vocabulary.
sft_status sft_text_open(const void *_Nonnull bytes, int64_t size,
                         const sft_bundle *_Nonnull bundle, sft_text *_Nullable *_Nonnull text,
                         sft_error *_Nonnull error);
void sft_text_close(sft_text *_Nullable text);
// Ids of a text; 0 where there is none.
int64_t sft_text_count(const sft_text *_Nonnull text, sft_split split);
// Windows of a text. Of what is held out the last one may be partial.
int64_t sft_text_windows(const sft_text *_Nonnull text, sft_split split);
// Targets that count: in a window, and in the whole text, behind its last whole window too.
int64_t sft_text_scored(const sft_text *_Nonnull text, sft_split split, int64_t window);
int64_t sft_text_scored_in_all(const sft_text *_Nonnull text, sft_split split);
// Writes a window's ids, targets (−1: not scored) and places where documents begin, as many of each
// as a window of the bundle has tokens. Behind the text's end are ids of 0.
void sft_text_fill(const sft_text *_Nonnull text, sft_split split, int64_t window,
                   int32_t *_Nonnull tokens, int32_t *_Nonnull targets, int32_t *_Nonnull starts);

// ---- order of windows

typedef struct sft_order sft_order;

sft_status sft_order_open(int64_t windows, const sft_settings *_Nonnull settings,
                          sft_order *_Nullable *_Nonnull order, sft_error *_Nonnull error);
void sft_order_close(sft_order *_Nullable order);
// The window at a position counted from the start of the first epoch.
int64_t sft_order_window(sft_order *_Nonnull order, int64_t position);

// ---- files of a run

// How far a run has come. Losses are means over held-out targets in nats, NaN where there are none.
typedef struct sft_progress {
  int64_t step;
  double training_seconds, elapsed_seconds;
  double initial_loss, best_loss, last_loss;
  int64_t validations_since_best;
  // Whether the run was stopped in the validation after its last step.
  bool validation_is_due;
  // How often the run went back because a figure was not finite, and what rates are multiplied by.
  int64_t setbacks;
  double rate_factor;
} sft_progress;

// Writes and reads the files of a step's run.
typedef struct sft_store sft_store;

// The step and the text have to stay open as long as the store.
sft_status sft_store_open(const sft_step *_Nonnull step, const sft_text *_Nonnull text,
                          sft_store *_Nullable *_Nonnull store, sft_error *_Nonnull error);
void sft_store_close(sft_store *_Nullable store);
// Writes what trained as a delta, in the format and with the bytes of the program that made the
// bundle; `loss` is the validation's, NaN without one. The file is there whole or not at all.
sft_status sft_store_write_delta(sft_store *_Nonnull store, const char *_Nonnull path,
                                 const sft_progress *_Nonnull progress, double loss,
                                 sft_error *_Nonnull error);
// Writes what a resumed run needs: what trained, optimizer state and progress.
sft_status sft_store_write_state(sft_store *_Nonnull store, const char *_Nonnull path,
                                 const sft_progress *_Nonnull progress, sft_error *_Nonnull error);
// Reads a state in memory into the step. Refuses one of another model, method, text or order of
// batches; the step has then changed in part and can't be used.
sft_status sft_store_read_state(sft_store *_Nonnull store, const void *_Nonnull bytes, int64_t size,
                                sft_progress *_Nonnull progress, sft_error *_Nonnull error);

#ifdef __cplusplus
}
#endif

#endif
