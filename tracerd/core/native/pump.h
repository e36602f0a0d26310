/* The native pump: what its parts share.
 *
 * One thread, the tracer, owns everything here but the queue, whose other end the teller takes
 * from.  Only module.c and shape.c know Python; all else runs without the GIL.  The semantics are
 * those of tracerd/core/python_pump.py. */
#ifndef TRACERD_PUMP_H
#define TRACERD_PUMP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* --- numbers -------------------------------------------------------------------------------- */

enum {
    MAX_BATCH = 256,       /* statuses gathered before the first is handled */
    LOOK_EVERY = 16,       /* a lone task's stops between two looks at who else has stopped */
    SLOTS = 1024,          /* call numbers that a table has a place for */
    MAX_IOVECS = 64,       /* looked at, of one vector */
    WORDS = 6,             /* arguments of a call */
    MAX_WORDS = 16,        /* of a call whose arguments are in memory */
    MAX_OPEN = 256,        /* descriptors of memories kept */
    TAKEN_AT_ONCE = 1024,  /* items */
    BUCKETS = 64,          /* of the histogram: bucket n counts times of [2^n, 2^(n+1)) ns */
    MAX_CHANGED = 8,
};

enum { OP_ENTRY = 1, OP_EXIT = 2, OP_SECCOMP = 3 }; /* op of struct ptrace_syscall_info */

enum { SYSCALL_STATUS = 0x857f, SECCOMP_STATUS = 0x7057f };

enum mode { MODE_FREE, MODE_CALLS, MODE_FILTERED }; /* pump.Mode */

/* --- bytes ---------------------------------------------------------------------------------- */

struct buffer {
    unsigned char *data;
    size_t used, room;
    bool failed; /* out of memory: what is in it is no use */
};

unsigned char *buffer_reserve(struct buffer *, size_t); /* room at the end; NULL: none */
void buffer_add(struct buffer *, const void *, size_t);
void buffer_clear(struct buffer *); /* keeps a little memory for the next time */
void buffer_free(struct buffer *);

/* --- maps from a positive int to a pointer --------------------------------------------------- */

struct map {
    struct map_slot {
        int key; /* 0: empty */
        void *value;
    } *slots;
    size_t used, room; /* room: a power of two, or 0 */
};

void *map_get(const struct map *, int key);
bool map_set(struct map *, int key, void *value); /* false: out of memory */
void map_remove(struct map *, int key);
void map_free(struct map *);

/* --- what to do at a call --------------------------------------------------------------------- */

enum named { NAMED_ADDRESS = 1, NAMED_MESSAGE }; /* model.Named */

enum how { /* model.How */
    HOW_CSTRING = 1,
    HOW_BYTES,
    HOW_BYTES_LEN,
    HOW_BYTES_RET,
    HOW_BYTES_LENPTR,
    HOW_ARRAY,
    HOW_STRINGS,
    HOW_IOVEC,
    HOW_MSGHDR,
    HOW_FD,
    HOW_RET_FD,
    HOW_BASE,
    HOW_PRESENT,
    HOW_SOCKADDR,
    HOW_BYTES_AT,
    HOW_PART,
    HOW_MMSGHDR,
    HOW_POINTED,
};

struct captures {
    size_t count;
    struct capture *each;
};

struct part { /* of HOW_PART: the call that stands for another, by what the word says */
    uint64_t which;
    size_t words;
    struct captures captures;
};

struct capture {
    enum how how;
    int a, b, c, width;
    int64_t limit;
    size_t part_count;
    struct part *parts;
};

enum effect { /* effects.Effect */
    EFFECT_NONE,
    EFFECT_CLOSES,
    EFFECT_CLOSES_RANGE,
    EFFECT_UNSHARES,
    EFFECT_FORGETS,
    EFFECT_ESCAPES,
    EFFECT_RENAMES,
};

struct change { /* effects.Change */
    enum effect effect;
    int a, b, c;
    uint64_t mask;
};

struct prefix {
    size_t length;
    unsigned char *text;
};

struct action {
    atomic_int references; /* slots of tables, calls entered, records */
    struct action *next_dead;
    void *object; /* the Python Action, owned */
    struct captures enter, exit;
    bool tell_enter, tell_exit, noted, again;
    bool filtered; /* prefixes mean something */
    size_t prefix_count;
    struct prefix *prefixes;
    size_t path_count;
    int *paths; /* indices in enter; each with that of its base, -1: none */
    int *bases;
    int opened; /* index in exit of RET_FD, -1: none */
    struct change change;
};

extern struct action no_action; /* in a slot: the call is let pass */

enum { ARCHES = 3 };
extern const uint32_t arches[ARCHES]; /* AUDIT_ARCH_*, those that have slots */

struct table { /* one Actions object */
    void *object;
    size_t tasks;
    struct action **slots[ARCHES]; /* SLOTS each, made when needed; NULL: not looked up yet */
    struct table *next;
};

/* --- who is traced ---------------------------------------------------------------------------- */

struct look { /* at a descriptor: what a capture of it gave */
    uint32_t fd;
    bool details, named; /* named: it has a path, which can change */
    uint64_t names;      /* pump->names, then */
    int64_t when;
    uint32_t length;
    unsigned char *value; /* encoded; NULL: none */
};

struct descriptors { /* of a process; see descriptors.c */
    size_t seeing, changing;
    bool trusted, escaped;
    int reference;
    uint64_t age;
    struct look *looks; /* a descriptor's place is its number modulo room */
    uint32_t room;      /* a power of two, or 0 */
};

struct space { /* a process */
    int tgid;
    size_t tasks;
    struct descriptors descriptors;
    int fd; /* its memory, or -1 */
    struct space *newer, *older;
};

struct inside { /* a call that was entered */
    struct action *action; /* NULL: none */
    uint64_t nr, args[WORDS];
    int64_t when;
    bool stale;    /* what it captured is of an image that is gone */
    bool changing; /* it is counted as one that changes descriptors or names */
    struct buffer captured;
};

struct task {
    int tid;
    bool watched, manual;
    bool at_entry; /* its last stop was a syscall-entry-stop, which a SECCOMP stop may follow */
    enum mode mode;
    bool waits; /* its status is in the batch, not handled yet */
    bool sees;  /* it was resumed such that it stops at every call, and that is handled here */
    uint64_t age; /* of its descriptors, when it was found to share them; 0: not yet */
    struct space *space;
    struct table *table;
    struct inside inside;
};

/* --- the queue -------------------------------------------------------------------------------- */

enum { RECORD_OBJECT = 1, RECORD_ENTER, RECORD_PAIR };

struct record { /* what it captured follows: entry_bytes, then exit_bytes */
    size_t size; /* in all, a multiple of 8 */
    int kind, tid;
    union {
        void *object;          /* RECORD_OBJECT, owned */
        struct action *action; /* referenced */
    } what;
    uint64_t nr, args[WORDS];
    int64_t entered, returned, ret;
    uint32_t entry_bytes, exit_bytes;
    bool failed;
    unsigned char changed_count, changed[MAX_CHANGED];
};

struct segment {
    _Atomic(struct segment *) next;
    size_t room, taken; /* taken: the teller's */
    _Atomic size_t filled;
    _Alignas(16) unsigned char data[];
};

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t something, room;
    struct segment *first; /* the teller's */
    struct segment *last;  /* the tracer's */
    _Atomic(struct segment *) spare;
    _Atomic size_t bytes, calls;
    size_t most_bytes, most_calls, room_bytes; /* the tracer's; room_bytes: never more */
    atomic_bool waiting, full, closed;
};

int queue_init(struct queue *, size_t most_bytes); /* 0, or an errno */
struct record *queue_begin(struct queue *, size_t size); /* room for one; NULL: out of memory */
void queue_end(struct queue *, struct record *, bool is_call);
bool queue_is_full(const struct queue *);
void queue_wait_for_room(struct queue *, long ms);
struct record *queue_peek(struct queue *); /* the teller's; NULL: empty */
void queue_drop(struct queue *, const struct record *, bool is_call); /* the one peeked at */
bool queue_wait(struct queue *); /* false: closed and empty */
void queue_close(struct queue *);
void queue_free(struct queue *); /* which is empty */

/* --- placement --------------------------------------------------------------------------------- */

enum leaving { /* why placement was left */
    LEFT_OTHER_TASK,
    LEFT_OTHER_STOP,
    LEFT_SLOW,
    LEFT_NO_GAIN,
    LEFT_TO_MEASURE,
    LEFT_FAILED,
    LEFT_CLOSED,
    LEAVINGS,
};

enum { PLACE_WINDOW = 64 };

struct place { /* times in ns, CLOCK_MONOTONIC */
    bool wanted, known; /* known: whether it can be done has been found out */
    bool in, idle;      /* in: the mode; idle: it is in force at this moment */
    int tid, cpu;       /* whose stops came last; where the tracer is bound to */
    cpu_set_t mask;     /* the tracer's own */
    int64_t last;       /* stop; 0: the gap to the next one does not count */
    int64_t since, retry, penalty, forgiven;
    int64_t unplaced; /* usual gap without placement */
    int64_t gaps[PLACE_WINDOW];
    size_t count;
    uint32_t slow; /* a bit for each of the last gaps */
    _Atomic uint64_t entered, left[LEAVINGS];
};

void place_init(struct place *, bool wanted);
void place_stop(struct place *, int tid, int64_t now); /* a plain stop; before it is handled */
void place_sleep(struct place *);                      /* about to wait: SCHED_IDLE if in the mode */
void place_leave(struct place *, enum leaving, int64_t now);
void place_awake(struct place *); /* Python code is about to run */

/* --- the pump ---------------------------------------------------------------------------------- */

struct status {
    int tid, status;
};

struct found { /* what wait has for the tracer */
    int tid, status;
    int64_t when;
    struct record *pair; /* owned, its action referenced; NULL: a Stop */
};

struct strings { /* the string read last in this stop: paths are looked at more than once */
    uint64_t address;
    size_t got;
    unsigned char text[256];
};

enum { MOST_REMOTE = 64 };

struct mounts { /* file systems that somebody serves, of one task's mounts, as of a moment */
    int tid;
    int64_t when;
    size_t count;
    uint64_t remote[MOST_REMOTE];
};

struct pump {
    struct mounts mounts;
    struct map tasks, spaces;
    size_t watched;
    struct table *tables;
    struct space newest; /* head of the ring of those with an open descriptor */
    size_t open;
    struct queue queue;
    struct place place;
    struct buffer scratch, again, back;
    struct strings strings;
    struct status *batch, next;
    size_t batch_count, batch_room;
    unsigned lone;
    struct found *found;
    size_t found_count, found_room;
    int64_t clock; /* as of the last look at it */
    bool remembers; /* what descriptors refer to */
    uint64_t names; /* how often names have changed */
    size_t naming;  /* tasks that are in a call that changes some */
    _Atomic uint64_t stops, reads, histogram[BUCKETS];
    _Atomic uint64_t looked, recalled; /* descriptors, in /proc and here */
    _Atomic(struct action *) dead;
    bool failed; /* a Python exception is set */
    void *saved; /* the thread state while the GIL is not held */
    void *self;  /* the Python object */
};

int64_t now_ns(void);

/* tasks.c */
struct task *task_of(struct pump *, int tid);
struct task *task_made(struct pump *, int tid);
void task_watch(struct pump *, struct task *, struct space *, struct table *, enum mode);
void task_forget(struct pump *, int tid);
void task_manual(struct pump *, int tid, bool manual);
void task_new_image(struct pump *, int tid, int former);
void inside_drop(struct pump *, struct task *);
struct space *space_of(struct pump *, int tgid); /* made if need be; NULL: out of memory */
void space_left(struct pump *, struct space *); /* by one of its tasks */
struct action *action_of(struct pump *, struct task *, uint32_t arch, uint64_t nr, bool *owned);
struct action **table_slot(struct table *, uint32_t arch, uint64_t nr); /* NULL: has none */
void action_release(struct pump *, struct action *);
void tasks_free(struct pump *);

/* memory.c: what /proc/TID/mem gives; fewer bytes, or none, where memory ends */
size_t memory_read(struct pump *, struct task *, uint64_t address, int64_t size, void *);
void memory_forget(struct pump *, struct space *);

/* capture.c */
void capture_all(struct pump *, struct task *, const struct captures *, const uint64_t *args,
                 size_t arg_count, int64_t ret, struct buffer *);
void capture_one(struct pump *, struct task *, const struct capture *, const uint64_t *args,
                 size_t arg_count, int64_t ret, struct buffer *);

/* presence.c */
struct stat;
bool stat_known(const char *path, struct stat *); /* what is known of it without asking anybody */

/* links.c */
enum { LONGEST_LINK = 64 }; /* bytes of a path that are looked at */
bool link_on_the_way(const unsigned char *path, size_t length, int tid, char *link, size_t room);

/* descriptors.c: what descriptors refer to, remembered */
void descriptors_entered(struct pump *, struct task *); /* a call that changes something */
void descriptors_ended(struct pump *, struct task *);   /* so it may have done by now */
void descriptors_see(struct task *, bool sees);
void descriptors_left(struct task *); /* its process, by a task */
void descriptors_new_image(struct task *);
bool descriptors_recall(struct pump *, struct task *, uint32_t fd, bool details, struct buffer *);
void descriptors_remember(struct pump *, struct task *, uint32_t fd, bool details,
                          const unsigned char *value, size_t length);
void descriptors_free(struct descriptors *);

/* encoding.c: a captured value is a tag and what follows it, in the machine's byte order */
enum tag {
    TAG_NONE,
    TAG_FALSE,
    TAG_TRUE,
    TAG_BYTES,    /* u32 length, bytes */
    TAG_CUT,      /* the same; its whole length is not known */
    TAG_CUT_OF,   /* u64 size, u64 factor (the length is their product), then as TAG_BYTES */
    TAG_FAULT,    /* u64 address */
    TAG_OPENED,   /* u64 device, u64 inode, u8 deleted, u32 mode, u64 rdev, link and more as u32
                     length, bytes */
    TAG_STRINGS,  /* u8 whole, u32 count, of each u32 length, bytes */
    TAG_VECTOR,   /* u32 lengths, each u64; then a TAG_BYTES or TAG_CUT_OF */
    TAG_MESSAGE,  /* u64 iovlen, u64 controllen, i32 flags, u8 width, i32 namelen, name and control
                     as u32 length, bytes; u32 passed, each; its data: a TAG_VECTOR */
    TAG_SEVERAL,  /* u32 items, each */
    TAG_PART,     /* u64 which, u32 words, each u64, u32 captured, each */
};

/* presence.c: TAG_TRUE, TAG_FALSE; TAG_NONE: not known.  The path is spoilt. */
enum tag presence_of(struct pump *, int tid, const char *start, char *path);

void put_tag(struct buffer *, enum tag);
void put_u8(struct buffer *, unsigned);
void put_u32(struct buffer *, uint32_t);
void put_u64(struct buffer *, uint64_t);
void put_bytes(struct buffer *, const void *, size_t); /* u32 length, bytes */

struct cursor {
    const unsigned char *at, *end;
};

uint64_t get_u64(struct cursor *);
uint32_t get_u32(struct cursor *);
unsigned get_u8(struct cursor *);
const unsigned char *get_bytes(struct cursor *, size_t *length);
void skip_value(struct cursor *);
struct cursor value_at(const unsigned char *data, size_t size, size_t index);

/* matching.c: whether a call that returned can matter to anyone, by the paths it names */
bool call_matters(const struct action *, const struct buffer *entry, const struct buffer *back,
                  bool failed);

/* loop.c */
int pump_wait(struct pump *); /* 0, or an errno; pump->failed: an exception */

/* handling.c */
bool pump_resume(struct pump *, int tid, int signo);
bool task_resume(struct pump *, struct task *, int signo);
void task_handle(struct pump *, struct task *, int64_t when);
void task_skip(struct pump *, struct task *);
bool found_add(struct pump *, struct found);

/* module.c: the only ways back to Python.  They take the GIL if it is not held. */
struct action *hook_find(struct pump *, struct task *, uint32_t arch, uint64_t nr);
bool hook_runs_again(struct pump *, int tid);
bool hook_signals(struct pump *); /* false: an exception is set */

#endif
