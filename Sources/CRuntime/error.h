// How errors are made.
#ifndef SFT_ERROR_H
#define SFT_ERROR_H

#include "sft_runtime.h"

// Fills an error and returns its status: `return sft_fail(error, SFT_BAD_CALL, "call %d", 3);`
sft_status sft_fail(sft_error *error, sft_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
