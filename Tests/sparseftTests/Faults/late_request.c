// Asks for memory after what looks like an event of a step: what late_requests.c is to find.
#include <stdlib.h>
#include <unistd.h>

int main(void) {
  static const char event[] = "{\"type\":\"step\"";
  return write(1, event, sizeof event - 1) < 0 || !malloc(1);
}
