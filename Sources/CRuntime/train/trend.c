#include "trend.h"

#include <math.h>
#include <string.h>

// Means of so many losses before there are ten; and what makes a rise: a share of the lowest mean,
// and standard errors of the difference.
static const int64_t FIRST_LOSSES = 3;
static const double SMALLEST_SHARE = 0.05, STANDARD_ERRORS = 6;

bool sft_trend_add(sft_trend *t, double loss, int64_t step, bool is_warm, double *now) {
  if (t->count == SFT_TREND_WIDTH) {
    memmove(t->recent, t->recent + 1, (SFT_TREND_WIDTH - 1) * sizeof *t->recent);
    --t->count;
  }
  t->recent[t->count++] = loss;
  if (t->count != SFT_TREND_WIDTH && (t->step > 0 || t->count != FIRST_LOSSES)) return false;
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < t->count; ++i) sum += t->recent[i];
  const double mean = sum / (double)t->count;
  for (int64_t i = 0; i < t->count; ++i) squares += (t->recent[i] - mean) * (t->recent[i] - mean);
  const double variance = squares / (double)(t->count - 1);
  if (t->step == 0 || mean < t->mean) {
    t->step = step;
    t->mean = mean;
    t->variance = variance;
    return false;
  }
  const double error = sqrt((variance + t->variance) / SFT_TREND_WIDTH);
  const bool is_rise = mean - t->mean > fmax(SMALLEST_SHARE * t->mean, STANDARD_ERRORS * error);
  if (!is_warm || !is_rise || t->has_risen || step - t->step < SFT_TREND_WIDTH) return false;
  t->has_risen = true;
  *now = mean;
  return true;
}
