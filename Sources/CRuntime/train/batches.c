#include "stages.h"

void sft_fill_row(sft_run *run, int64_t row, sft_split split, int64_t window) {
  const int64_t first = row * run->settings->tokens;
  run->rows[row] = (sft_row){false, split, window};
  sft_text_fill(run->text, split, window, run->tokens + first, run->targets + first,
                run->starts + first);
}

void sft_clear_row(sft_run *run, int64_t row) {
  const int64_t tokens = run->settings->tokens, first = row * tokens;
  run->rows[row] = (sft_row){.is_cleared = true};
  for (int64_t i = first; i < first + tokens; ++i) {
    run->tokens[i] = 0;
    run->targets[i] = -1;
    run->starts[i] = 0;
  }
}

int64_t sft_window_at(sft_run *run, int64_t batch, int64_t row) {
  const sft_settings *s = run->settings;
  const int64_t first = run->progress.step * s->windows * s->accumulation;
  return sft_order_window(run->order, first + batch * s->windows + row);
}

int64_t sft_scored_targets(sft_run *run) {
  int64_t scored = 0;
  for (int64_t batch = 0; batch < run->settings->accumulation; ++batch) {
    for (int64_t row = 0; row < run->settings->windows; ++row) {
      scored += sft_text_scored(run->text, SFT_TRAINED_TEXT, sft_window_at(run, batch, row));
    }
  }
  return scored;
}
