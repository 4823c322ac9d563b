// Stands between a program and the C library (LD_PRELOAD): the program ends with 99 where it asks
// for memory, a mapped file or a thread after it has written its first event of a step.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
static const char step[] = "{\"type\":\"step\"";
static volatile int has_stepped;
static void look(const char *call) {
  if (!has_stepped) return;
  syscall(SYS_write, 2, call, strlen(call));
  syscall(SYS_exit_group, 99);
}
ssize_t write(int file, const void *bytes, size_t count) {
  const long written = syscall(SYS_write, file, bytes, count);
  if (memmem(bytes, count, step, sizeof step - 1)) has_stepped = 1;
  return written;
}
void *malloc(size_t n) {
  look("malloc");
  return __libc_malloc(n);
}
void *calloc(size_t n, size_t m) {
  look("calloc");
  return __libc_calloc(n, m);
}
void *realloc(void *p, size_t n) {
  look("realloc");
  return __libc_realloc(p, n);
}
void *memalign(size_t a, size_t n) {
  look("memalign");
  return __libc_memalign(a, n);
}
void *aligned_alloc(size_t a, size_t n) {
  look("aligned_alloc");
  return __libc_memalign(a, n);
}
int posix_memalign(void **p, size_t a, size_t n) {
  look("posix_memalign");
  *p = __libc_memalign(a, n);
  return *p ? 0 : ENOMEM;
}
void *mmap(void *p, size_t n, int protection, int flags, int file, off_t at) {
  look("mmap");
  return (void *)syscall(SYS_mmap, p, n, protection, flags, file, at);
}
// The name that files of 64-bit sizes have it under.
void *mmap64(void *p, size_t n, int protection, int flags, int file, off_t at) {
  return mmap(p, n, protection, flags, file, at);
}
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *),
                   void *argument) {
  look("pthread_create");
  int (*own)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  *(void **)&own = dlsym(RTLD_NEXT, "pthread_create");
  return own(thread, attributes, body, argument);
}
