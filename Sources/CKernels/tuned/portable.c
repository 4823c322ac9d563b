// The tuned kernels for the architecture's baseline CPU.
#include "../kernel.h"

#define SFT_SUFFIX portable
#include "kernels.inc"
