// Plain-loop kernels: as simple as the formulas in sft_kernels.def, sums in double, no regard to
// speed. The tuned kernels are checked against them.
#ifndef SFT_REFERENCE_H
#define SFT_REFERENCE_H

#include "../kernel.h"

// No fused multiply-adds, so that the definition has the same bits on every architecture.
#pragma clang fp contract(off)

#define SFT_REFERENCE(name) SFT_SIGNATURE(name, reference)

#define SFT_KERNEL(name) SFT_REFERENCE(name);
#include "sft_kernels.def"

#endif
