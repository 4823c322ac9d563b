// Mapped files that may be cut short while they are in use.
#ifndef SFT_TRAIN_WATCH_H
#define SFT_TRAIN_WATCH_H

#include "files.h"

// From now on a process that touches bytes of the mapping that are no longer in its file ends with
// 74 and a message that names it. Systems without signals or mappings do nothing.
void sft_watch(const sft_mapping *mapping);
void sft_unwatch(const sft_mapping *mapping);

#endif
