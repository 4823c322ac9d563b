// The worker pool. A job is published by incrementing `generation`; workers spin briefly for the
// next one (a step is thousands of calls, microseconds apart), then sleep.
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>

#include "error.h"

// Systems without threads.
#ifdef SFT_NO_THREADS

struct sft_pool {
  int64_t threads;
};

sft_status sft_pool_open(int64_t threads, sft_pool **pool, sft_error *error) {
  *pool = NULL;
  if (threads != 1) {
    return sft_fail(error, SFT_THREADS_REFUSED, "%lld threads asked for, and this system has one",
                    (long long)threads);
  }
  *pool = calloc(1, sizeof **pool);
  if (!*pool) return sft_fail(error, SFT_OUT_OF_MEMORY, "no memory for threads");
  (*pool)->threads = 1;
  return SFT_OK;
}

void sft_pool_close(sft_pool *pool) { free(pool); }

int64_t sft_pool_threads(const sft_pool *pool) { return pool->threads; }

void sft_pool_run(sft_pool *pool, const sft_job *job) {
  (void)pool;
  job->function(job->call, 0, job->items, job->scratch);
}

#else

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

// Polls before a worker sleeps: some tens of microseconds.
enum { SPINS = 20000, MOST_THREADS = 1 << 16 };

// What a thread is started with.
typedef struct seat {
  sft_pool *pool;
  int64_t index;
  pthread_t handle;
} seat;

struct sft_pool {
  int64_t threads;
  const sft_job *job;
  atomic_uint generation;
  atomic_int unfinished;
  // The next slice that nobody has taken.
  _Atomic int64_t next_slice;
  atomic_int sleepers;
  atomic_bool is_stopping;
  pthread_mutex_t mutex;
  pthread_cond_t condition;
  seat seats[];  // of all threads but the caller's
};

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// Runs one of `count` slices of nearly equal size, with a thread's scratch.
static void perform_slice(const sft_job *job, int64_t slice, int64_t count, int64_t thread) {
  const int64_t units = (job->items + job->grain - 1) / job->grain;
  const int64_t begin = least(job->items, units * slice / count * job->grain);
  const int64_t end = least(job->items, units * (slice + 1) / count * job->grain);
  if (begin >= end) return;
  void *scratch = job->scratch ? (char *)job->scratch + thread * job->scratch_stride : NULL;
  job->function(job->call, begin, end, scratch);
}

// Runs the thread's own slice or, if there are more slices than threads, takes slices until none is
// left. Which thread takes which does not affect results: a slice's items depend only on the number
// of threads.
static void perform(sft_pool *pool, const sft_job *job, int64_t thread) {
  if (job->slices <= 1) {
    perform_slice(job, thread, pool->threads, thread);
    return;
  }
  const int64_t count = pool->threads * job->slices;
  for (;;) {
    int64_t slice = atomic_fetch_add_explicit(&pool->next_slice, 1, memory_order_relaxed);
    if (slice >= count) return;
    perform_slice(job, slice, count, thread);
  }
}

static unsigned next_generation(sft_pool *pool, unsigned seen) {
  for (int i = 0; i < SPINS; ++i) {
    unsigned current = atomic_load_explicit(&pool->generation, memory_order_acquire);
    if (current != seen) return current;
  }
  pthread_mutex_lock(&pool->mutex);
  atomic_fetch_add(&pool->sleepers, 1);
  unsigned current;
  while ((current = atomic_load(&pool->generation)) == seen) {
    pthread_cond_wait(&pool->condition, &pool->mutex);
  }
  atomic_fetch_sub(&pool->sleepers, 1);
  pthread_mutex_unlock(&pool->mutex);
  return current;
}

static void *work(void *argument) {
  const seat *own = argument;
  sft_pool *pool = own->pool;
  unsigned seen = 0;
  for (;;) {
    seen = next_generation(pool, seen);
    if (atomic_load_explicit(&pool->is_stopping, memory_order_acquire)) return NULL;
    perform(pool, pool->job, own->index);
    atomic_fetch_sub_explicit(&pool->unfinished, 1, memory_order_release);
  }
}

static void publish(sft_pool *pool) {
  atomic_fetch_add(&pool->generation, 1);
  if (atomic_load(&pool->sleepers) == 0) return;
  pthread_mutex_lock(&pool->mutex);
  pthread_cond_broadcast(&pool->condition);
  pthread_mutex_unlock(&pool->mutex);
}

// Ends the first `started` workers.
static void stop(sft_pool *pool, int64_t started) {
  atomic_store(&pool->is_stopping, true);
  publish(pool);
  for (int64_t i = 0; i < started; ++i) pthread_join(pool->seats[i].handle, NULL);
}

static void release(sft_pool *pool) {
  pthread_cond_destroy(&pool->condition);
  pthread_mutex_destroy(&pool->mutex);
  free(pool);
}

sft_status sft_pool_open(int64_t threads, sft_pool **pool, sft_error *error) {
  *pool = NULL;
  if (threads < 1 || threads > MOST_THREADS) {
    return sft_fail(error, SFT_THREADS_REFUSED, "%lld threads asked for, expected 1 to %d",
                    (long long)threads, MOST_THREADS);
  }
  sft_pool *made = calloc(1, sizeof *made + (size_t)(threads - 1) * sizeof *made->seats);
  if (!made) return sft_fail(error, SFT_OUT_OF_MEMORY, "no memory for threads");
  made->threads = threads;
  pthread_mutex_init(&made->mutex, NULL);
  pthread_cond_init(&made->condition, NULL);
  for (int64_t i = 0; i < threads - 1; ++i) {
    made->seats[i] = (seat){.pool = made, .index = i + 1};
    if (pthread_create(&made->seats[i].handle, NULL, work, &made->seats[i]) != 0) {
      stop(made, i);
      release(made);
      return sft_fail(error, SFT_THREADS_REFUSED, "the system refuses to start %lld threads",
                      (long long)threads);
    }
  }
  *pool = made;
  return SFT_OK;
}

void sft_pool_close(sft_pool *pool) {
  if (!pool) return;
  stop(pool, pool->threads - 1);
  release(pool);
}

int64_t sft_pool_threads(const sft_pool *pool) { return pool->threads; }

void sft_pool_run(sft_pool *pool, const sft_job *job) {
  if (pool->threads == 1 || job->items <= job->grain) {
    job->function(job->call, 0, job->items, job->scratch);
    return;
  }
  pool->job = job;
  atomic_store_explicit(&pool->next_slice, 0, memory_order_relaxed);
  atomic_store_explicit(&pool->unfinished, (int)(pool->threads - 1), memory_order_relaxed);
  publish(pool);
  perform(pool, job, 0);
  // A worker may have lost its core to another process: yield this one instead of spinning.
  for (int looks = 0; atomic_load_explicit(&pool->unfinished, memory_order_acquire) > 0;) {
    if (looks < SPINS) {
      ++looks;
    } else {
      sched_yield();
    }
  }
}

#endif
