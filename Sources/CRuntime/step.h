// What the files of a run need of a step.
#ifndef SFT_STEP_H
#define SFT_STEP_H

#include "bundle.h"

const sft_bundle *sft_step_bundle(const sft_step *step);
char *sft_step_arena(const sft_step *step);

#endif
