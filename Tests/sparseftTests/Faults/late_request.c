// Asks for something after what looks like an event of a step: what late_requests.c is to find.
// Argument: "memory", "file" or "thread".
#define _FILE_OFFSET_BITS 64
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *nothing(void *argument) { return argument; }

int main(int count, char **arguments) {
  static const char event[] = "{\"type\":\"step\"";
  pthread_t thread;
  if (count < 2 || write(1, event, sizeof event - 1) < 0) return 1;
  if (strcmp(arguments[1], "memory") == 0) return !malloc(1);
  if (strcmp(arguments[1], "thread") == 0) return pthread_create(&thread, NULL, nothing, NULL);
  return mmap(NULL, 1, PROT_READ, MAP_PRIVATE, 0, 0) == MAP_FAILED;
}
