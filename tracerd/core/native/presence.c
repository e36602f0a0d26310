/* Looking at files without waiting for who may never answer: the same as tracerd/core/presence.py,
 * function by function. */
#include "pump.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

static const char *const REMOTE[] = {"9p",        "afs",  "autofs", "ceph",    "cifs",
                                     "coda",      "fuse", "gfs2",   "lustre",  "ncpfs",
                                     "nfs",       "ocfs2", "orangefs", "smb3", "smbfs",
                                     "virtiofs"};
enum { BELIEVED_NS = 1000000000 };

bool stat_known(const char *path, struct stat *found) {
    struct statx got;
    if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &got) != 0) return false;
    memset(found, 0, sizeof *found);
    found->st_dev = makedev(got.stx_dev_major, got.stx_dev_minor);
    found->st_rdev = makedev(got.stx_rdev_major, got.stx_rdev_minor);
    found->st_ino = got.stx_ino;
    found->st_nlink = got.stx_nlink;
    found->st_mode = got.stx_mode;
    return true;
}

/* --- which file systems are served by somebody ---------------------------------------------------- */

static bool is_remote(const char *type) {
    for (size_t at = 0; at < sizeof REMOTE / sizeof *REMOTE; at++) {
        size_t length = strlen(REMOTE[at]);
        if (strncmp(type, REMOTE[at], length) != 0) continue;
        if (!strcmp(REMOTE[at], "fuse") || !strcmp(REMOTE[at], "nfs")) return true; /* fuse.x, nfs4 */
        if (type[length] == ' ' || type[length] == 0) return true;
    }
    return false;
}

static void mounts_read(struct mounts *mounts, int tid) {
    char name[48], *line = NULL;
    size_t room = 0;
    mounts->count = 0;
    snprintf(name, sizeof name, "/proc/%d/mountinfo", tid);
    FILE *from = fopen(name, "re");
    if (!from) return;
    while (mounts->count < MOST_REMOTE && getline(&line, &room, from) > 0) {
        unsigned major, minor;
        const char *type = strstr(line, " - ");
        if (type && is_remote(type + 3) && sscanf(line, "%*d %*d %u:%u", &major, &minor) == 2)
            mounts->remote[mounts->count++] = makedev(major, minor);
    }
    free(line);
    fclose(from);
}

static bool device_is_remote(struct pump *pump, int tid, dev_t device) {
    struct mounts *mounts = &pump->mounts;
    if (mounts->tid != tid || pump->clock - mounts->when > BELIEVED_NS) {
        mounts_read(mounts, tid);
        mounts->tid = tid;
        mounts->when = pump->clock;
    }
    for (size_t at = 0; at < mounts->count; at++)
        if (mounts->remote[at] == device) return true;
    return mounts->count == MOST_REMOTE; /* there are more */
}

/* --- whether a file is there --------------------------------------------------------------------- */

static int found_at(int directory, const char *path, uint64_t resolve) {
    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = resolve};
    int fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
    if (fd >= 0) close(fd);
    else if (errno == ENOSYS && !(resolve & RESOLVE_CACHED)) { /* a kernel before 5.6 */
        struct stat found;
        fd = fstatat(directory, path, &found, 0);
    }
    return fd >= 0 ? 0 : errno;
}

/* Who would have to be asked for what the kernel does not remember: the file system of the nearest
 * directory on the way that it does. */
static bool asks_remote(struct pump *pump, int tid, int directory, char *path, uint64_t resolve) {
    struct statx got;
    for (;;) {
        char *last = strrchr(path, '/');
        *(last ? last : path) = 0;
        struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = resolve | RESOLVE_CACHED};
        int fd = *path ? (int)syscall(SYS_openat2, directory, path, &how, sizeof how) : directory;
        if (fd < 0) continue;
        bool known = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &got) == 0;
        if (fd != directory) close(fd);
        return !known ||
               device_is_remote(pump, tid, makedev(got.stx_dev_major, got.stx_dev_minor));
    }
}

enum tag presence_of(struct pump *pump, int tid, const char *start, char *path) {
    int directory = open(start, O_PATH | O_CLOEXEC);
    if (directory < 0) return TAG_NONE;
    uint64_t resolve = *path == '/' ? RESOLVE_IN_ROOT : 0;
    path += strspn(path, "/");
    int error = *path ? found_at(directory, path, resolve | RESOLVE_CACHED) : 0;
    if (error == EAGAIN || error == EINVAL || error == ENOSYS) { /* before 5.12 it cannot say */
        char *whole = strdup(path);
        if (whole && !asks_remote(pump, tid, directory, path, resolve))
            error = found_at(directory, whole, resolve);
        free(whole);
    }
    close(directory);
    return error == 0 ? TAG_TRUE : error == ENOENT ? TAG_FALSE : TAG_NONE;
}
