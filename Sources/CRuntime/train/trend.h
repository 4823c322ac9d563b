// Notices that a training loss rises again after it had fallen, as LossTrend does.
#ifndef SFT_TRAIN_TREND_H
#define SFT_TRAIN_TREND_H

#include <stdbool.h>
#include <stdint.h>

enum { SFT_TREND_WIDTH = 10 };

typedef struct sft_trend {
  double recent[SFT_TREND_WIDTH];
  int64_t count;
  // The lowest mean so far; of step 0: none.
  int64_t step;
  double mean, variance;
  bool has_risen;
} sft_trend;

// Takes the loss of a step; true once, when a rise is first seen, with the present mean. Within the
// warm-up a loss sets the lowest mean only.
bool sft_trend_add(sft_trend *trend, double loss, int64_t step, bool is_warm, double *now);

#endif
