#include "reference.h"

const sft_kernel_row sft_table_reference[SFT_KERNEL_COUNT] = {
#define SFT_KERNEL(name) {#name, sft_##name##_reference},
#include "sft_kernels.def"
};
