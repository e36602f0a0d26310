/* What was recorded and put, in order, from the tracer to the teller.
 *
 * Segments of bytes in a list: the tracer fills the last, the teller empties the first, and
 * neither takes a lock for it.  The lock is for sleeping only. */
#include "pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SEGMENT = 256 * 1024 };

static const long GATHER_NS = 100 * 1000;
/* How long the teller lets records gather after the first, and looks again after the last,
 * before it sleeps for good: so that the tracer has hardly ever to wake it. */

static struct segment *segment_made(struct queue *queue, size_t room) {
    struct segment *made = NULL;
    if (room <= SEGMENT) {
        room = SEGMENT;
        made = atomic_exchange(&queue->spare, NULL);
    }
    if (!made) made = malloc(sizeof *made + room);
    if (!made) return NULL;
    atomic_init(&made->next, NULL);
    made->room = room;
    made->taken = 0;
    atomic_init(&made->filled, 0);
    return made;
}

int queue_init(struct queue *queue, size_t most_bytes) {
    queue->most_bytes = queue->room_bytes = most_bytes;
    queue->most_calls = SIZE_MAX;
    int error = pthread_mutex_init(&queue->lock, NULL);
    if (error) return error;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->something, &monotonic);
    pthread_cond_init(&queue->room, &monotonic);
    pthread_condattr_destroy(&monotonic);
    queue->first = queue->last = segment_made(queue, SEGMENT);
    return queue->first ? 0 : ENOMEM;
}

struct record *queue_begin(struct queue *queue, size_t size) {
    struct segment *last = queue->last;
    size_t filled = atomic_load_explicit(&last->filled, memory_order_relaxed);
    size = (size + 15) & ~(size_t)15;
    if (last->room - filled < size) {
        struct segment *made = segment_made(queue, size);
        if (!made) return NULL;
        /* The teller goes on to it once all of the former is taken: see queue_peek. */
        atomic_store_explicit(&last->next, made, memory_order_release);
        queue->last = last = made;
        filled = 0;
    }
    struct record *record = (struct record *)(void *)(last->data + filled);
    record->size = size;
    return record;
}

void queue_end(struct queue *queue, struct record *record, bool is_call) {
    atomic_fetch_add_explicit(&queue->bytes, record->size, memory_order_relaxed);
    if (is_call) atomic_fetch_add_explicit(&queue->calls, 1, memory_order_relaxed);
    size_t filled = atomic_load_explicit(&queue->last->filled, memory_order_relaxed);
    atomic_store(&queue->last->filled, filled + record->size);
    if (atomic_load(&queue->waiting)) {
        pthread_mutex_lock(&queue->lock);
        atomic_store(&queue->waiting, false); /* once is enough */
        pthread_cond_signal(&queue->something);
        pthread_mutex_unlock(&queue->lock);
    }
}

bool queue_is_full(const struct queue *queue) {
    return atomic_load_explicit(&queue->bytes, memory_order_relaxed) >= queue->most_bytes ||
           atomic_load_explicit(&queue->calls, memory_order_relaxed) >= queue->most_calls;
}

static struct timespec in_ns(long ns) {
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_nsec += ns;
    when.tv_sec += when.tv_nsec / 1000000000;
    when.tv_nsec %= 1000000000;
    return when;
}

void queue_wait_for_room(struct queue *queue, long ms) {
    struct timespec end = in_ns(ms * 1000000);
    pthread_mutex_lock(&queue->lock);
    atomic_store(&queue->full, true);
    int error = 0;
    while (error == 0 && queue_is_full(queue))
        error = pthread_cond_timedwait(&queue->room, &queue->lock, &end);
    atomic_store(&queue->full, false);
    pthread_mutex_unlock(&queue->lock);
}

struct record *queue_peek(struct queue *queue) {
    for (;;) {
        struct segment *first = queue->first;
        if (first->taken < atomic_load_explicit(&first->filled, memory_order_acquire))
            return (struct record *)(void *)(first->data + first->taken);
        struct segment *next = atomic_load_explicit(&first->next, memory_order_acquire);
        if (!next) return NULL;
        /* The tracer has left it for good, and all of it was there before the next one was. */
        if (first->taken < atomic_load_explicit(&first->filled, memory_order_acquire)) continue;
        queue->first = next;
        if (first->room != SEGMENT) free(first);
        else free(atomic_exchange(&queue->spare, first));
    }
}

void queue_drop(struct queue *queue, const struct record *record, bool is_call) {
    size_t size = record->size;
    queue->first->taken += size;
    atomic_fetch_sub(&queue->bytes, size);
    if (is_call) atomic_fetch_sub(&queue->calls, 1);
    if (atomic_load(&queue->full)) {
        pthread_mutex_lock(&queue->lock);
        pthread_cond_signal(&queue->room);
        pthread_mutex_unlock(&queue->lock);
    }
}

static void nap(void) {
    struct timespec while_they_gather = {0, GATHER_NS};
    nanosleep(&while_they_gather, NULL);
}

bool queue_wait(struct queue *queue) {
    if (queue_peek(queue)) return true;
    nap();
    if (queue_peek(queue)) return true;
    pthread_mutex_lock(&queue->lock);
    bool slept = false;
    for (;;) {
        atomic_store(&queue->waiting, true);
        if (queue_peek(queue) || atomic_load(&queue->closed)) break;
        slept = true;
        pthread_cond_wait(&queue->something, &queue->lock);
    }
    atomic_store(&queue->waiting, false);
    pthread_mutex_unlock(&queue->lock);
    if (slept && !atomic_load(&queue->closed)) nap();
    return queue_peek(queue) != NULL;
}

void queue_close(struct queue *queue) {
    pthread_mutex_lock(&queue->lock);
    atomic_store(&queue->closed, true);
    pthread_cond_broadcast(&queue->something);
    pthread_mutex_unlock(&queue->lock);
}

void queue_free(struct queue *queue) {
    while (queue->first) {
        struct segment *next = queue->first->next;
        free(queue->first);
        queue->first = next;
    }
    free(atomic_exchange(&queue->spare, NULL));
    pthread_cond_destroy(&queue->something);
    pthread_cond_destroy(&queue->room);
    pthread_mutex_destroy(&queue->lock);
}
