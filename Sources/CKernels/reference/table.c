#include "reference.h"

const sft_kernel_row sft_table_reference[SFT_KERNEL_COUNT] = {
#define SFT_KERNEL(name) [SFT_INDEX_##name] = {#name, sft_##name##_reference},
#include SFT_CALLED_KERNELS
};
