// The order in which windows are trained on: a new permutation for each epoch if it shuffles, else
// that of the text. Batches take consecutive positions, also across epochs.
#include <stdlib.h>

#include "error.h"
#include "random.h"
#include "sft_training.h"

// Random stream of epoch 0; epoch e has this plus e.
static const uint64_t FIRST_STREAM = 0x6F72646572000000u;

struct sft_order {
  int64_t windows, epoch;
  uint64_t seed;
  bool shuffles;
  int32_t windows_by_position[];
};

sft_status sft_order_open(int64_t windows, const sft_settings *settings, sft_order **order,
                          sft_error *error) {
  *order = NULL;
  if (windows < 1 || windows > INT32_MAX) {
    return sft_fail(error, SFT_BAD_FILE, "the text has %lld windows to train on",
                    (long long)windows);
  }
  const size_t places = settings->shuffles ? (size_t)windows : 0;
  sft_order *made = malloc(sizeof *made + places * sizeof *made->windows_by_position);
  if (!made) return sft_fail(error, SFT_OUT_OF_MEMORY, "no memory for an order of windows");
  made->windows = windows;
  made->epoch = -1;
  made->seed = settings->seed;
  made->shuffles = settings->shuffles;
  *order = made;
  return SFT_OK;
}

void sft_order_close(sft_order *order) { free(order); }

int64_t sft_order_window(sft_order *order, int64_t position) {
  const int64_t place = position % order->windows, epoch = position / order->windows;
  if (!order->shuffles) return place;
  int32_t *all = order->windows_by_position;
  if (epoch != order->epoch) {
    sft_random random = sft_random_stream(order->seed, FIRST_STREAM + (uint64_t)epoch);
    for (int64_t i = 0; i < order->windows; ++i) all[i] = (int32_t)i;
    for (int64_t i = order->windows - 1; i > 0; --i) {
      const int64_t other = (int64_t)sft_random_below(&random, (uint64_t)i + 1);
      const int32_t moved = all[i];
      all[i] = all[other];
      all[other] = moved;
    }
    order->epoch = epoch;
  }
  return all[place];
}
