/* Carrying out a capture plan at a stop: the same as tracerd/core/capture.py, function by
 * function.  Unreadable memory is a value, never an error. */
#include "pump.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
    MAX_PATH = 4096,
    MAX_STRINGS = 131072,
    MAX_MESSAGES = 16,
    MAX_POINTED = 64,
    MAX_CONTROL = 256,
    MAX_NAME = 128,
    POINTERS_READ = 64,
    FIRST_READ = 256,
    DETAILS = 1, /* c of HOW_FD and HOW_RET_FD, limit of HOW_BASE: all that can be known is wanted */
};

static const char DELETED[] = " (deleted)";
enum { DELETED_LENGTH = sizeof DELETED - 1 };

/* One stop of one task. */
struct scene {
    struct pump *pump;
    struct task *task;
    const uint64_t *args;
    size_t arg_count;
    int64_t ret;
    struct buffer *to;
};

static uint64_t word(const struct scene *scene, int at) {
    return at >= 0 && (size_t)at < scene->arg_count ? scene->args[at] : 0;
}

static size_t read_memory(const struct scene *scene, uint64_t address, int64_t size, void *to) {
    return memory_read(scene->pump, scene->task, address, size, to);
}

static uint64_t bits_from(uint64_t value, int first) {
    return first <= 0 ? value : first < 64 ? value >> first : 0;
}

static uint64_t little(const unsigned char *from, size_t width) {
    uint64_t value = 0;
    for (size_t at = 0; at < width; at++) value |= (uint64_t)from[at] << (8 * at);
    return value;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void put_fault(struct buffer *to, uint64_t address) {
    put_tag(to, TAG_FAULT);
    put_u64(to, address);
}

/* Append length and bytes read, up to `size`; return how many. */
static size_t put_memory(const struct scene *scene, uint64_t address, int64_t size) {
    struct buffer *to = scene->to;
    if (size < 0) size = 0;
    size_t start = to->used;
    put_u32(to, 0);
    unsigned char *at = buffer_reserve(to, (size_t)size);
    if (!at) return 0;
    uint32_t got = (uint32_t)read_memory(scene, address, size, at);
    to->used += got;
    memcpy(to->data + start, &got, sizeof got);
    return got;
}

/* _get, and _cut's head: factor 0 for bytes, else the Cut's size is size times factor. */
static void put_read(const struct scene *scene, uint64_t address, int64_t length, uint64_t size,
                     uint64_t factor) {
    struct buffer *to = scene->to;
    if (address == 0) {
        put_tag(to, TAG_NONE);
        return;
    }
    size_t start = to->used;
    if (factor) {
        put_tag(to, TAG_CUT_OF);
        put_u64(to, size);
        put_u64(to, factor);
    } else {
        put_tag(to, TAG_BYTES);
    }
    if (put_memory(scene, address, length) == 0 && length > 0) {
        to->used = start;
        put_fault(to, address);
    }
}

static void put_get(const struct scene *scene, uint64_t address, int64_t length) {
    put_read(scene, address, length, 0, 0);
}

static void put_cut(const struct scene *scene, uint64_t address, uint64_t size, uint64_t factor,
                    int64_t limit) {
    uint64_t most = limit < 0 ? 0 : (uint64_t)limit;
    if (factor == 0 || size <= most / factor) /* their product is at most `most` */
        put_get(scene, address, factor ? (int64_t)(size * factor) : 0);
    else
        put_read(scene, address, limit, size, factor);
}

/* --- strings ---------------------------------------------------------------------------------- */

/* Append a string's bytes without its NUL; return whether the NUL was found. */
static bool add_string(const struct scene *scene, uint64_t address, int64_t limit) {
    struct strings *last = &scene->pump->strings;
    struct buffer *to = scene->to;
    size_t start = to->used, got;
    if (limit < FIRST_READ) {
        unsigned char *at = buffer_reserve(to, limit > 0 ? (size_t)limit : 0);
        if (!at) return false;
        got = read_memory(scene, address, limit, at);
    } else {
        if (last->address != address || address == 0) {
            last->got = read_memory(scene, address, FIRST_READ, last->text);
            last->address = address;
        }
        got = last->got;
        unsigned char *at = buffer_reserve(to, got);
        if (!at) return false;
        memcpy(at, last->text, got);
    }
    unsigned char *at = to->data + start, *end = memchr(at, 0, got);
    if (!end && got == FIRST_READ && got < (size_t)limit) {
        size_t more = (size_t)limit - got;
        to->used += got;
        at = buffer_reserve(to, more);
        to->used = start;
        if (!at) return false;
        more = read_memory(scene, address + got, (int64_t)more, at);
        end = memchr(at, 0, more);
        got += more;
    }
    to->used = end ? (size_t)(end - to->data) : start + got;
    return end != NULL;
}

static void cstring(const struct scene *scene, const struct capture *capture) {
    struct buffer *to = scene->to;
    uint64_t address = word(scene, capture->a);
    if (address == 0) {
        put_tag(to, TAG_NONE);
        return;
    }
    int64_t limit = capture->limit ? capture->limit : MAX_PATH;
    size_t start = to->used;
    put_tag(to, TAG_BYTES);
    put_u32(to, 0);
    size_t text = to->used;
    bool whole = add_string(scene, address, limit);
    if (to->failed) return;
    uint32_t length = (uint32_t)(to->used - text);
    memcpy(to->data + start + 1, &length, sizeof length);
    if (whole) return;
    if ((int64_t)length >= limit) {
        to->data[start] = TAG_CUT;
    } else {
        to->used = start;
        put_fault(to, address);
    }
}

static void strings(const struct scene *scene, const struct capture *capture) {
    struct buffer *to = scene->to;
    uint64_t address = word(scene, capture->a);
    if (address == 0 || capture->limit == 0) {
        put_tag(to, TAG_NONE);
        return;
    }
    unsigned char block[POINTERS_READ * 8];
    size_t start = to->used, width = (size_t)capture->width;
    int64_t left = capture->limit;
    uint32_t count = 0;
    unsigned char whole = 0;
    put_tag(to, TAG_STRINGS);
    put_u8(to, 0);
    put_u32(to, 0);
    while (count < MAX_STRINGS && !to->failed) {
        size_t got = read_memory(scene, address, (int64_t)(POINTERS_READ * width), block) / width;
        if (got == 0) {
            if (count == 0) {
                to->used = start;
                put_fault(to, address);
                return;
            }
            break;
        }
        for (size_t at = 0; at < got; at++) {
            uint64_t pointer = little(block + at * width, width);
            if (pointer == 0) {
                whole = 1;
                goto end;
            }
            size_t head = to->used;
            put_u32(to, 0);
            bool found = add_string(scene, pointer, left < MAX_PATH * 32 ? left : MAX_PATH * 32);
            if (to->failed) return;
            uint32_t length = (uint32_t)(to->used - head - 4);
            memcpy(to->data + head, &length, sizeof length);
            count++;
            left -= (int64_t)length + 1;
            if (!found || left <= 0) goto end;
        }
        address += got * width;
    }
end:
    if (to->failed) return;
    to->data[start + 1] = whole;
    memcpy(to->data + start + 2, &count, sizeof count);
}

/* --- vectors ---------------------------------------------------------------------------------- */

/* _vectors; in_message: where _vectors gives None or a Fault, a Vector of nothing is put. */
static void vectors(const struct scene *scene, size_t width, uint64_t address, int64_t count,
                    int64_t most, int64_t limit, bool in_message) {
    struct buffer *to = scene->to;
    unsigned char table[MAX_IOVECS * 16];
    size_t pair = 2 * width, got = 0;
    if (count > MAX_IOVECS) count = MAX_IOVECS;
    if (address && count > 0) {
        got = read_memory(scene, address, (int64_t)((size_t)count * pair), table);
    }
    if (!in_message && (address == 0 || (count > 0 && got == 0))) {
        if (address == 0) put_tag(to, TAG_NONE);
        else put_fault(to, address);
        return;
    }
    got /= pair;
    put_tag(to, TAG_VECTOR);
    put_u32(to, (uint32_t)got);
    for (size_t at = 0; at < got; at++) put_u64(to, little(table + at * pair + width, width));
    size_t start = to->used;
    put_tag(to, TAG_CUT_OF);
    put_u64(to, 0);
    put_u64(to, 1);
    put_u32(to, 0);
    size_t text = to->used;
    uint64_t size = 0;
    int64_t left = limit;
    for (size_t at = 0; at < got; at++) {
        uint64_t base = little(table + at * pair, width);
        uint64_t take = little(table + at * pair + width, width);
        if (most >= 0) {
            uint64_t rest = (uint64_t)most - size; /* size never passes most */
            if (take > rest) take = rest;
        }
        size = take > (uint64_t)INT64_MAX - size ? (uint64_t)INT64_MAX : size + take;
        if (left > 0 && take > 0) {
            int64_t want = take < (uint64_t)left ? (int64_t)take : left;
            unsigned char *end = buffer_reserve(to, (size_t)want);
            if (!end) return;
            size_t read = read_memory(scene, base, want, end);
            to->used += read;
            left -= (int64_t)read;
        }
    }
    if (to->failed) return;
    uint32_t length = (uint32_t)(to->used - text);
    if (length == size) { /* plain bytes */
        to->data[start] = TAG_BYTES;
        memcpy(to->data + start + 1, &length, sizeof length);
        memmove(to->data + start + 5, to->data + text, length);
        to->used = start + 5 + length;
    } else {
        memcpy(to->data + start + 1, &size, sizeof size);
        memcpy(to->data + start + 17, &length, sizeof length);
    }
}

static void iovec(const struct scene *scene, const struct capture *capture) {
    uint64_t count = word(scene, capture->b);
    vectors(scene, (size_t)capture->width, word(scene, capture->a),
            count > MAX_IOVECS ? MAX_IOVECS : (int64_t)count, scene->ret, capture->limit, false);
}

static void pointed(const struct scene *scene, const struct capture *capture) {
    struct buffer *to = scene->to;
    unsigned char table[MAX_POINTED * 8];
    size_t width = (size_t)capture->width, got = 0;
    int64_t size = capture->c > 1 ? capture->c : 1, most = capture->limit / size;
    uint64_t address = word(scene, capture->a), count = word(scene, capture->b);
    if (count > MAX_POINTED) count = MAX_POINTED;
    if (count > (uint64_t)most) count = (uint64_t)most;
    if (address && count) got = read_memory(scene, address, (int64_t)(count * width), table);
    if (address == 0) {
        put_tag(to, TAG_NONE);
        return;
    }
    if (count && got == 0) {
        put_fault(to, address);
        return;
    }
    got /= width;
    put_tag(to, TAG_SEVERAL);
    put_u32(to, (uint32_t)got);
    for (size_t at = 0; at < got && !to->failed; at++)
        put_get(scene, little(table + at * width, width), size);
}

/* The bytes of a length that is passed, and those that stand before them. */
static uint64_t with_head(const struct capture *capture, uint64_t length) {
    uint64_t head = capture->c > 0 ? (uint64_t)capture->c : 0;
    return length > UINT64_MAX - head ? UINT64_MAX : length + head;
}

/* --- descriptors and files ---------------------------------------------------------------------- */

static bool ends_deleted(const char *target, size_t length) {
    return length >= DELETED_LENGTH &&
           !memcmp(target + length - DELETED_LENGTH, DELETED, DELETED_LENGTH);
}

/* What OpenedFile.more has, of a socket or a pidfd; return how many bytes. */
static size_t more_of(const char *link, const char *target, size_t length, mode_t mode, char *to,
                      size_t room) {
    static const char PIDFD[] = "anon_inode:[pidfd]", SOCKET[] = "socket:", HEAD[] = "\nPid:";
    ssize_t got = 0;
    if (S_ISSOCK(mode) && length >= sizeof SOCKET - 1 && !memcmp(target, SOCKET, sizeof SOCKET - 1)) {
        got = getxattr(link, "system.sockprotoname", to, room);
        while (got > 0 && to[got - 1] == 0) got--;
    } else if (length == sizeof PIDFD - 1 && !memcmp(target, PIDFD, length)) {
        char name[64], text[512] = {0};
        const char *fd = strrchr(link, '/');
        snprintf(name, sizeof name, "%.*sinfo%s", (int)(fd - link), link, fd);
        int file = open(name, O_RDONLY | O_CLOEXEC);
        if (file < 0) return 0;
        got = read(file, text, sizeof text - 1);
        close(file);
        const char *pid = got > 0 ? strstr(text, HEAD) : NULL;
        if (!pid) return 0;
        pid += sizeof HEAD - 1;
        pid += strspn(pid, " \t");
        got = (ssize_t)strcspn(pid, "\n");
        if ((size_t)got > room) got = (ssize_t)room;
        memcpy(to, pid, (size_t)got);
    }
    return got > 0 ? (size_t)got : 0;
}

static void put_examined(struct buffer *to, const char *link, const char *target, size_t length,
                         bool details) {
    struct stat found;
    char more[64];
    size_t more_length = 0;
    bool deleted = false, known = stat_known(link, &found);
    if (!known) memset(&found, 0, sizeof found);
    else if (details)
        more_length = more_of(link, target, length, found.st_mode, more, sizeof more);
    if (known && found.st_nlink == 0 && ends_deleted(target, length)) {
        /* A directory keeps one link of its own; rmdir takes it to zero as unlink a file's. */
        deleted = true;
        if (!S_ISLNK(found.st_mode)) length -= DELETED_LENGTH;
    }
    put_tag(to, TAG_OPENED);
    put_u64(to, (uint64_t)found.st_dev);
    put_u64(to, (uint64_t)found.st_ino);
    put_u8(to, deleted);
    put_u32(to, (uint32_t)found.st_mode);
    put_u64(to, (uint64_t)found.st_rdev);
    put_bytes(to, target, length);
    put_bytes(to, more, more_length);
}

enum depth { /* how much is wanted of what a link leads to */
    LINK,     /* its text, if that says all */
    EXAMINED, /* an OpenedFile */
    DETAILED, /* with `more` */
};

static void put_link(struct buffer *to, const char *link, enum depth depth) {
    char target[MAX_PATH];
    ssize_t length = readlink(link, target, sizeof target);
    if (length < 0) {
        put_tag(to, TAG_NONE);
        return;
    }
    if (depth != LINK || ends_deleted(target, (size_t)length)) {
        put_examined(to, link, target, (size_t)length, depth == DETAILED);
    } else {
        put_tag(to, TAG_BYTES);
        put_bytes(to, target, (size_t)length);
    }
}

/* What was seen of a descriptor, if that still holds, else a look at it. */
static void put_descriptor(const struct scene *scene, int32_t fd, enum depth depth) {
    struct buffer *to = scene->to;
    char link[64];
    size_t start = to->used;
    bool details = depth == DETAILED;
    if (fd < 0) {
        put_tag(to, TAG_NONE);
        return;
    }
    if (descriptors_recall(scene->pump, scene->task, (uint32_t)fd, details, to)) return;
    snprintf(link, sizeof link, "/proc/%d/fd/%d", scene->task->tid, fd);
    put_link(to, link, depth);
    if (!to->failed)
        descriptors_remember(scene->pump, scene->task, (uint32_t)fd, details, to->data + start,
                             to->used - start);
}

/* Of a new descriptor, which is always looked at; a capture of it may follow that wants less. */
static void put_returned(const struct scene *scene, enum depth depth) {
    struct buffer *to = scene->to, *plain = &scene->pump->scratch;
    char link[64];
    size_t start = to->used;
    if (scene->ret < 0) {
        put_tag(to, TAG_NONE);
        return;
    }
    snprintf(link, sizeof link, "/proc/%d/fd/%lld", scene->task->tid, (long long)scene->ret);
    put_link(to, link, depth);
    if (to->failed || scene->ret > INT32_MAX) return;
    const unsigned char *value = to->data + start;
    size_t length = to->used - start;
    if (depth == EXAMINED && *value == TAG_OPENED) {
        struct cursor from = {value + 1 + 8 + 8, value + length};
        bool deleted = get_u8(&from) != 0;
        size_t size;
        get_u32(&from);
        get_u64(&from);
        const unsigned char *target = get_bytes(&from, &size);
        if (!deleted && !ends_deleted((const char *)target, size)) {
            buffer_clear(plain);
            put_tag(plain, TAG_BYTES);
            put_bytes(plain, target, size);
            if (plain->failed) return;
            value = plain->data;
            length = plain->used;
        }
    }
    descriptors_remember(scene->pump, scene->task, (uint32_t)scene->ret, depth == DETAILED, value,
                         length);
}

static int32_t dirfd_of(const struct scene *scene, const struct capture *capture) {
    return capture->a >= 0 ? (int32_t)(uint32_t)word(scene, capture->a) : AT_FDCWD;
}

/* _is_local */
static bool is_local(const struct scene *scene, const struct capture *capture) {
    uint64_t address = word(scene, capture->b);
    if (capture->c == NAMED_MESSAGE) {
        unsigned char name[8];
        size_t width = (size_t)capture->width;
        if (read_memory(scene, address, (int64_t)width, name) < width) return false;
        address = little(name, width);
    }
    unsigned char head[3];
    return read_memory(scene, address, sizeof head, head) == sizeof head &&
           head[0] == AF_UNIX && head[1] == 0 && head[2] != 0 && head[2] != '/';
}

static void base(const struct scene *scene, const struct capture *capture) {
    struct strings *last = &scene->pump->strings;
    uint64_t address = word(scene, capture->b);
    char link[128];
    if (capture->c >= 0) {
        snprintf(link, sizeof link, "/proc/%d/cwd", scene->task->tid);
        if (is_local(scene, capture)) put_link(scene->to, link, LINK);
        else put_tag(scene->to, TAG_NONE);
        return;
    }
    unsigned char read[LONGEST_LINK], *head = read;
    size_t got;
    if (last->address == address && address && last->got) {
        head = last->text;
        got = last->got < sizeof read ? last->got : sizeof read;
    } else {
        got = read_memory(scene, address, sizeof read, read);
    }
    if (got && *head == '/') {
        if (link_on_the_way(head, got, scene->task->tid, link, sizeof link))
            put_link(scene->to, link, LINK);
        else put_tag(scene->to, TAG_NONE);
        return;
    }
    int32_t dirfd = dirfd_of(scene, capture);
    if (dirfd == AT_FDCWD) {
        snprintf(link, sizeof link, "/proc/%d/cwd", scene->task->tid);
        put_link(scene->to, link, LINK);
    } else {
        put_descriptor(scene, dirfd, capture->limit == DETAILS ? DETAILED : LINK);
    }
}

static enum tag presence(const struct scene *scene, const struct capture *capture) {
    uint64_t flags = capture->c >= 0 ? word(scene, capture->c) : O_CREAT;
    if (!(flags & O_CREAT) || flags & O_EXCL) return TAG_NONE;
    struct buffer *whole = &scene->pump->scratch;
    buffer_clear(whole);
    struct scene aside = *scene;
    aside.to = whole;
    if (!add_string(&aside, word(scene, capture->b), MAX_PATH)) return TAG_NONE;
    size_t length = whole->used;
    put_u8(whole, 0);
    if (length == 0 || whole->failed) return TAG_NONE;
    char *path = (char *)whole->data;
    if (length >= 6 && !memcmp(path, "/proc/", 6)) return TAG_NONE;
    char start[64];
    int tid = scene->task->tid;
    int32_t dirfd = dirfd_of(scene, capture);
    if (*path == '/') snprintf(start, sizeof start, "/proc/%d/root", tid);
    else if (dirfd == AT_FDCWD) snprintf(start, sizeof start, "/proc/%d/cwd", tid);
    else snprintf(start, sizeof start, "/proc/%d/fd/%d", tid, dirfd);
    return presence_of(scene->pump, tid, start, path);
}

/* --- messages ------------------------------------------------------------------------------------- */

/* What the descriptors in control messages refer to. */
static void put_passed(const struct scene *scene, const unsigned char *control, size_t size,
                       size_t width) {
    struct buffer *to = scene->to;
    size_t start = to->used, head = width + 8;
    uint32_t count = 0;
    put_u32(to, 0);
    for (size_t at = 0; at + head <= size && !to->failed;) {
        uint64_t length = little(control + at, width);
        if (length < head) break;
        const unsigned char *kind = control + at + width;
        size_t end = length < size - at ? at + (size_t)length : size;
        if (little(kind, 4) == SOL_SOCKET && little(kind + 4, 4) == SCM_RIGHTS) {
            for (size_t fd = at + head; fd + 4 <= end; fd += 4, count++)
                put_descriptor(scene, (int32_t)little(control + fd, 4), LINK);
        }
        if (length >= size - at) break;
        at += ((size_t)length + width - 1) & ~(width - 1);
    }
    if (!to->failed) memcpy(to->data + start, &count, sizeof count);
}

/* How the messages of programs of one width are laid out: see capture.py. */
static size_t msghdr_size(const struct capture *capture) { return capture->width == 8 ? 56 : 28; }

static void message(const struct scene *scene, const struct capture *capture, uint64_t address,
                    int64_t most) {
    struct buffer *to = scene->to;
    if (address == 0) {
        put_tag(to, TAG_NONE);
        return;
    }
    unsigned char head[56];
    size_t width = (size_t)capture->width, size = msghdr_size(capture);
    if (read_memory(scene, address, (int64_t)size, head) < size) {
        put_fault(to, address);
        return;
    }
    uint64_t name = little(head, width), iov, iovlen, control, controllen;
    int64_t namelen = (int32_t)little(head + width, 4);
    uint32_t flags;
    if (width == 8) {
        iov = little(head + 16, 8), iovlen = little(head + 24, 8);
        control = little(head + 32, 8), controllen = little(head + 40, 8);
        flags = (uint32_t)little(head + 48, 4);
    } else {
        iov = little(head + 8, 4), iovlen = little(head + 12, 4);
        control = little(head + 16, 4), controllen = little(head + 20, 4);
        flags = (uint32_t)little(head + 24, 4);
    }
    put_tag(to, TAG_MESSAGE);
    put_u64(to, iovlen);
    put_u64(to, controllen);
    put_u32(to, flags);
    put_u8(to, (unsigned)width);
    put_u32(to, (uint32_t)namelen);
    put_memory(scene, name, namelen < MAX_NAME ? namelen : MAX_NAME);
    size_t start = to->used;
    size_t got = put_memory(scene, control,
                            controllen < MAX_CONTROL ? (int64_t)controllen : MAX_CONTROL);
    if (to->failed) return;
    unsigned char told[MAX_CONTROL];
    memcpy(told, to->data + start + 4, got);
    put_passed(scene, told, got, width);
    vectors(scene, width, iov, iovlen > MAX_IOVECS ? MAX_IOVECS : (int64_t)iovlen, most,
            capture->limit, true);
}

static void messages(const struct scene *scene, const struct capture *capture) {
    struct buffer *to = scene->to;
    uint64_t address = word(scene, capture->a), count;
    if (address == 0) {
        put_tag(to, TAG_NONE);
        return;
    }
    count = scene->ret < 0 ? (uint32_t)word(scene, capture->b) : (uint64_t)scene->ret;
    if (count > MAX_MESSAGES) count = MAX_MESSAGES;
    put_tag(to, TAG_SEVERAL);
    put_u32(to, (uint32_t)count);
    for (uint64_t at = 0; at < count && !to->failed; at++) {
        int64_t most = -1;
        if (scene->ret >= 0) {
            unsigned char length[4] = {0};
            read_memory(scene, address + msghdr_size(capture), 4, length);
            most = (int64_t)little(length, 4);
        }
        message(scene, capture, address, most);
        address += capture->width == 8 ? 64 : 32;
    }
}

/* --- the rest ----------------------------------------------------------------------------------- */

static void bytes_at(const struct scene *scene, const struct capture *capture) {
    struct buffer *to = scene->to;
    uint64_t address = word(scene, capture->a);
    size_t start = to->used, width = (size_t)capture->width;
    put_get(scene, address, (int64_t)width);
    if (to->failed || to->data[start] != TAG_BYTES || to->used - start < 5 + width) return;
    uint64_t pointer = little(to->data + start + 5, width);
    to->used = start;
    if (pointer == 0) {
        put_tag(to, TAG_BYTES);
        put_u32(to, 0);
    } else {
        put_get(scene, pointer, capture->limit);
    }
}

static void bytes_lenptr(const struct scene *scene, const struct capture *capture) {
    unsigned char length[4];
    if (read_memory(scene, word(scene, capture->b), 4, length) < 4)
        put_tag(scene->to, TAG_NONE);
    else
        put_cut(scene, word(scene, capture->a), little(length, 4), 1, capture->limit);
}

static void part(const struct scene *scene, const struct capture *capture) {
    struct buffer *to = scene->to;
    uint64_t which = capture->a >= 0 ? (uint32_t)word(scene, capture->a) : 0;
    const struct part *found = NULL;
    for (size_t at = 0; at < capture->part_count && !found; at++)
        if (capture->parts[at].which == which) found = &capture->parts[at];
    if (!found) {
        put_tag(to, TAG_NONE);
        return;
    }
    uint64_t args[MAX_WORDS] = {0};
    size_t count = scene->arg_count;
    memcpy(args, scene->args, count * sizeof *args);
    if (capture->b >= 0) {
        unsigned char words[MAX_WORDS * 8];
        size_t width = (size_t)capture->width, first = (size_t)capture->b;
        size_t size = found->words * width;
        uint64_t address = word(scene, capture->b);
        size_t got = address && size ? read_memory(scene, address, (int64_t)size, words) : 0;
        if (address == 0 || got < size) {
            if (address && got == 0) put_fault(to, address);
            else put_tag(to, TAG_NONE);
            return;
        }
        for (size_t at = 0; at < found->words; at++)
            args[first + at] = little(words + at * width, width);
        count = first + found->words;
    }
    put_tag(to, TAG_PART);
    put_u64(to, which);
    put_u32(to, (uint32_t)count);
    for (size_t at = 0; at < count; at++) put_u64(to, args[at]);
    put_u32(to, (uint32_t)found->captures.count);
    struct scene inner = *scene;
    capture_all(inner.pump, inner.task, &found->captures, args, count, inner.ret, to);
}

static void carry_out(const struct scene *scene, const struct capture *capture) {
    struct buffer *to = scene->to;
    int64_t returned = scene->ret > 0 ? scene->ret : 0;
    switch (capture->how) {
    case HOW_CSTRING:
        cstring(scene, capture);
        break;
    case HOW_BYTES:
        put_get(scene, word(scene, capture->a), capture->limit);
        break;
    case HOW_BYTES_LEN:
    case HOW_SOCKADDR:
        put_cut(scene, word(scene, capture->a), with_head(capture, word(scene, capture->b)), 1,
                capture->limit);
        break;
    case HOW_BYTES_RET:
        put_cut(scene, word(scene, capture->a), with_head(capture, (uint64_t)returned), 1,
                capture->limit);
        break;
    case HOW_BYTES_LENPTR:
        bytes_lenptr(scene, capture);
        break;
    case HOW_ARRAY:
        put_cut(scene, word(scene, capture->a),
                capture->b >= 0 ? word(scene, capture->b) : (uint64_t)returned,
                capture->c > 0 ? (uint64_t)capture->c : 0, capture->limit);
        break;
    case HOW_STRINGS:
        strings(scene, capture);
        break;
    case HOW_IOVEC:
        iovec(scene, capture);
        break;
    case HOW_MSGHDR:
        message(scene, capture, word(scene, capture->a), scene->ret);
        break;
    case HOW_MMSGHDR:
        messages(scene, capture);
        break;
    case HOW_POINTED:
        pointed(scene, capture);
        break;
    case HOW_FD:
        put_descriptor(scene, (int32_t)(uint32_t)bits_from(word(scene, capture->a), capture->b),
                       capture->c == DETAILS ? DETAILED : LINK);
        break;
    case HOW_RET_FD:
        put_returned(scene, capture->c == DETAILS ? DETAILED : EXAMINED);
        break;
    case HOW_BASE:
        base(scene, capture);
        break;
    case HOW_PRESENT:
        put_tag(to, presence(scene, capture));
        break;
    case HOW_BYTES_AT:
        bytes_at(scene, capture);
        break;
    case HOW_PART:
        part(scene, capture);
        break;
    }
}

void capture_one(struct pump *pump, struct task *task, const struct capture *capture,
                 const uint64_t *args, size_t arg_count, int64_t ret, struct buffer *to) {
    struct captures alone = {1, (struct capture *)(uintptr_t)capture};
    capture_all(pump, task, &alone, args, arg_count, ret, to);
}

void capture_all(struct pump *pump, struct task *task, const struct captures *captures,
                 const uint64_t *args, size_t arg_count, int64_t ret, struct buffer *to) {
    uint64_t words[MAX_WORDS];
    bool narrow = captures->count && captures->each[0].width == 4;
    for (size_t at = 0; at < arg_count; at++) words[at] = narrow ? (uint32_t)args[at] : args[at];
    struct scene scene = {pump, task, words, arg_count, ret, to};
    for (size_t at = 0; at < captures->count; at++) carry_out(&scene, &captures->each[at]);
}
