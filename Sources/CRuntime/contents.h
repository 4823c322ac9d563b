// What buffers hold before the first step.
#ifndef SFT_CONTENTS_H
#define SFT_CONTENTS_H

#include "bundle.h"

// Fills a program's kept buffers, as BoundProgram.initialise does.
void sft_fill_program(const sft_bundle *bundle, const sft_program_data *program,
                      const uint8_t *checkpoint, void *arena);

// Rounds floats to bf16, in place.
void sft_round_to_bf16(float *values, int64_t count);

#endif
