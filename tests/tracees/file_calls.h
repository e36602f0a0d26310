/* The body of file_calls and file_calls32, which differ in what they are compiled for. */
#ifndef FILE_CALLS_H
#define FILE_CALLS_H
#include "tracee.h"

#include <linux/aio_abi.h>
#include <linux/bpf.h>
#include <linux/fs.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <mqueue.h>
#include <sched.h>
#include <stddef.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>

#define NEWER(name, number) enum { NR_##name = number };
NEWER(cachestat, 451) NEWER(fchmodat2, 452) NEWER(setxattrat, 463) NEWER(getxattrat, 464)
NEWER(listxattrat, 465) NEWER(removexattrat, 466) NEWER(open_tree_attr, 467)
NEWER(file_getattr, 468) NEWER(file_setattr, 469) NEWER(memfd_secret, 447)
NEWER(quotactl_fd, 443) NEWER(mount_setattr, 442)

static long got;

#define CALL(label, ...)                                                                           \
    do {                                                                                           \
        if (write(-1, label, sizeof label - 1) != -1) abort();                                     \
        got = syscall(__VA_ARGS__);                                                                \
    } while (0)

static char big[8192], path[64];
static int file, dir, at = AT_FDCWD;

static const char *by(const char *form, int number) {
    snprintf(path, sizeof path, form, number);
    return path;
}

static void opens(void) {
    struct open_how how = {.flags = O_RDWR | O_CREAT, .mode = 0600};
    struct {
        struct file_handle head;
        char room[128];
    } handle = {.head = {.handle_bytes = sizeof handle.room}};
    int mount;
#ifdef SYS_open
    CALL("open", SYS_open, "f", O_RDONLY);
    CALL("open missing", SYS_open, "missing", O_RDWR);
    CALL("creat", SYS_creat, "made", 0600);
    CALL("uselib", SYS_uselib, "f");
#endif
    CALL("openat", SYS_openat, dir, "g", O_RDONLY);
    CALL("openat makes", SYS_openat, at, "new", O_WRONLY | O_CREAT, 0600);
    CALL("openat finds", SYS_openat, at, "new", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CALL("openat only makes", SYS_openat, at, "new", O_RDWR | O_CREAT | O_EXCL, 0600);
    CALL("openat O_PATH", SYS_openat, at, "s", O_PATH);
    CALL("openat list", SYS_openat, at, "d", O_RDONLY | O_DIRECTORY);
    CALL("openat O_TMPFILE", SYS_openat, at, "d", O_RDWR | O_TMPFILE, 0600);
    int nameless = (int)got;
    CALL("linkat publishes", SYS_linkat, nameless, "", at, "published", AT_EMPTY_PATH);
    CALL("openat O_TMPFILE again", SYS_openat, at, "d", O_WRONLY | O_TMPFILE, 0600);
    CALL("linkat by proc", SYS_linkat, at, by("/proc/self/fd/%d", (int)got), at, "published too",
         AT_SYMLINK_FOLLOW);
    CALL("openat for ioctl", SYS_openat, at, "f", O_ACCMODE);
    CALL("openat nowhere", SYS_openat, 999, "f", O_RDONLY);
    CALL("openat link", SYS_openat, at, "s", O_RDONLY);
    CALL("openat2", SYS_openat2, at, "by how", &how, sizeof how);
    CALL("name_to_handle_at", SYS_name_to_handle_at, at, "f", &handle, &mount, 0);
    CALL("name_to_handle_at itself", SYS_name_to_handle_at, file, "", &handle, &mount,
         AT_EMPTY_PATH);
    CALL("open_by_handle_at", SYS_open_by_handle_at, dir, &handle, O_RDONLY);
    CALL("open_by_handle_at fails", SYS_open_by_handle_at, -1, &handle, O_RDONLY);
    CALL("memfd_create", SYS_memfd_create, "some", 0);
    CALL("memfd_secret", NR_memfd_secret, 0);
    CALL("mq_open", SYS_mq_open, "tracerd-file-calls", O_CREAT | O_RDWR, 0600, NULL);
    CALL("mq_unlink", SYS_mq_unlink, "tracerd-file-calls");
    CALL("by proc", SYS_openat, at, by("/proc/self/fd/%d", file), O_RDONLY);
    CALL("by proc, closed", SYS_openat, at, "/proc/self/fd/999", O_RDONLY);
    CALL("by /dev", SYS_openat, at, by("/dev/fd/%d", file), O_RDONLY);
    CALL("by cwd", SYS_openat, at, "/proc/self/cwd/f", O_RDONLY);
}

static void names(void) {
#ifdef SYS_open
    CALL("mkdir", SYS_mkdir, "e", 0700);
    CALL("rmdir", SYS_rmdir, "e");
    CALL("mknod", SYS_mknod, "n", S_IFREG | 0600, 0);
    CALL("unlink", SYS_unlink, "n");
    CALL("link", SYS_link, "f", "l");
    CALL("symlink", SYS_symlink, "no/path", "l2");
    CALL("rename", SYS_rename, "l2", "d/l3");
#endif
    CALL("mkdirat", SYS_mkdirat, dir, "e", 0700);
    CALL("mkdirat again", SYS_mkdirat, dir, "e", 0700);
    CALL("mknodat", SYS_mknodat, dir, "n", S_IFREG | 0600, 0);
    CALL("unlinkat", SYS_unlinkat, dir, "n", 0);
    CALL("unlinkat directory", SYS_unlinkat, dir, "e", AT_REMOVEDIR);
    CALL("linkat", SYS_linkat, at, "f", dir, "l", 0);
    CALL("linkat fails", SYS_linkat, at, "f", dir, "l", 0);
    CALL("symlinkat", SYS_symlinkat, "f", dir, "sl");
    CALL("renameat", SYS_renameat, dir, "l", at, "l4");
    CALL("renameat2 exchange", SYS_renameat2, at, "l4", at, "f", RENAME_EXCHANGE);
    CALL("renameat2 noreplace", SYS_renameat2, at, "l4", at, "f", RENAME_NOREPLACE);
    CALL("renameat2 whiteout", SYS_renameat2, at, "l4", at, "l5", RENAME_WHITEOUT);
}

static void attributes(void) {
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    struct {
        __u64 value;
        __u32 size, flags;
    } args = {(uintptr_t)"v", 1, 0};
    long attr[4] = {0};
    CALL("truncate", SYS_truncate, "f", 8192L);
    CALL("ftruncate", SYS_ftruncate, file, 8192L);
#ifdef __x86_64__
    CALL("fallocate", SYS_fallocate, file, 0, 0L, 8192L);
#else
    CALL("fallocate", SYS_fallocate, file, 0, 0L, 0L, 8192L, 0L);
#endif
#ifdef SYS_open
    CALL("chmod", SYS_chmod, "f", 0600);
    CALL("chown", SYS_chown, "s", -1, -1);
    CALL("lchown", SYS_lchown, "s", -1, -1);
    CALL("utime", SYS_utime, "f", NULL);
    CALL("utimes", SYS_utimes, "f", NULL);
    CALL("futimesat", SYS_futimesat, dir, "g", NULL);
#endif
    CALL("fchmod", SYS_fchmod, file, 0600);
    CALL("fchmodat", SYS_fchmodat, dir, "g", 0600);
    CALL("fchmodat2", NR_fchmodat2, file, "", 0600, AT_EMPTY_PATH);
    CALL("fchmod by proc", SYS_fchmodat, at, by("/proc/thread-self/fd/%d", file), 0600);
    CALL("fchown", SYS_fchown, file, -1, -1);
    CALL("fchownat", SYS_fchownat, at, "s", -1, -1, AT_SYMLINK_NOFOLLOW);
    CALL("fchownat itself", SYS_fchownat, file, "", -1, -1, AT_EMPTY_PATH);
    CALL("utimensat", SYS_utimensat, dir, "g", times, 0);
    CALL("utimensat itself", SYS_utimensat, file, NULL, times, 0);
    CALL("setxattr", SYS_setxattr, "f", "user.x", "v", 1, 0);
    CALL("lsetxattr", SYS_lsetxattr, "f", "user.x", "v", 1, 0);
    CALL("fsetxattr", SYS_fsetxattr, file, "user.x", "v", 1, 0);
    CALL("setxattrat", NR_setxattrat, dir, "g", 0, "user.x", &args, sizeof args);
    CALL("getxattr", SYS_getxattr, "f", "user.x", big, 9);
    CALL("lgetxattr", SYS_lgetxattr, "f", "user.x", big, 9);
    CALL("fgetxattr", SYS_fgetxattr, file, "user.x", big, 9);
    CALL("getxattrat", NR_getxattrat, file, "", AT_EMPTY_PATH, "user.x", &args, sizeof args);
    CALL("listxattr", SYS_listxattr, "f", big, 99);
    CALL("llistxattr", SYS_llistxattr, "f", big, 99);
    CALL("flistxattr", SYS_flistxattr, file, big, 99);
    CALL("listxattrat", NR_listxattrat, at, "f", 0, big, 99);
    CALL("removexattr", SYS_removexattr, "f", "user.x");
    CALL("lremovexattr", SYS_lremovexattr, "f", "user.x");
    CALL("fremovexattr", SYS_fremovexattr, file, "user.x");
    CALL("removexattrat", NR_removexattrat, dir, "g", 0, "user.x");
    CALL("file_getattr", NR_file_getattr, at, "f", attr, 24, 0);
    CALL("file_setattr", NR_file_setattr, file, "", attr, 24, AT_EMPTY_PATH);
}

static void questions(void) {
    long room[2] = {0, 4096}, pages[8];
#ifdef SYS_open
    CALL("stat", SYS_stat, "s", big);
    CALL("lstat", SYS_lstat, "s", big);
    CALL("access", SYS_access, "missing", F_OK);
    CALL("readlink", SYS_readlink, "s", big, 99);
    CALL("getdents", SYS_getdents, dir, big, 999);
    CALL("stat by proc", SYS_stat, by("/proc/self/fd/%d", file), big);
    CALL("lstat by proc", SYS_lstat, by("/proc/self/fd/%d", file), big);
    by("/proc/%d/cwd/f", getpid());
    CALL("stat by pid", SYS_stat, path, big);
    CALL("stat standard input", SYS_stat, "/dev/stdin", big);
#endif
#ifdef SYS_newfstatat
    CALL("newfstatat", SYS_newfstatat, dir, "g", big, 0);
    CALL("newfstatat itself", SYS_newfstatat, file, "", big, AT_EMPTY_PATH);
    CALL("newfstatat cwd", SYS_newfstatat, at, "", big, AT_EMPTY_PATH);
    CALL("newfstatat empty", SYS_newfstatat, file, "", big, 0);
    CALL("newfstatat closed", SYS_newfstatat, 999, "", big, AT_EMPTY_PATH);
#endif
    CALL("fstat", SYS_fstat, file, big);
    CALL("fstat closed", SYS_fstat, 999, big);
    CALL("statx", SYS_statx, at, "s", AT_SYMLINK_NOFOLLOW, 0, big);
    CALL("statx null", SYS_statx, file, NULL, AT_EMPTY_PATH, 0, big);
    CALL("faccessat", SYS_faccessat, dir, "g", R_OK);
    CALL("faccessat2", SYS_faccessat2, file, "", R_OK, AT_EMPTY_PATH);
    CALL("readlinkat", SYS_readlinkat, at, "s", big, 99);
    CALL("readlink by proc", SYS_readlinkat, at, by("/proc/self/fd/%d", file), big, 99);
    CALL("openat link itself", SYS_openat, at, "s", O_PATH | O_NOFOLLOW);
    CALL("readlinkat itself", SYS_readlinkat, (int)got, "", big, 99);
    CALL("statfs", SYS_statfs, "f", big);
    CALL("fstatfs", SYS_fstatfs, file, big);
    CALL("cachestat", NR_cachestat, file, room, pages, 0);
    CALL("getcwd", SYS_getcwd, big, sizeof big);
    CALL("getdents64", SYS_getdents64, dir, big, 999);
    CALL("chdir", SYS_chdir, "d");
    CALL("stat from there", SYS_statx, at, "g", 0, 0, big);
    CALL("chdir back", SYS_chdir, "..");
    CALL("fchdir", SYS_fchdir, dir);
    CALL("fchdir back", SYS_chdir, "..");
}

static void mounts(void) {
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOATIME};
    CALL("mount bind", SYS_mount, "d", "m", NULL, MS_BIND, NULL);
    CALL("mount remount", SYS_mount, "none", "m", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
    CALL("mount tmpfs", SYS_mount, "none", "m", "tmpfs", 0, NULL);
    CALL("mount device", SYS_mount, "/dev/no-disk", "m", "ext4", 0, NULL);
    CALL("umount2", SYS_umount2, "m", MNT_DETACH);
    CALL("open_tree", SYS_open_tree, at, "d", 1 /* OPEN_TREE_CLONE */);
    int tree = (int)got;
    CALL("mount_setattr", NR_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr);
    CALL("move_mount", SYS_move_mount, tree, "", at, "m", 4 /* MOVE_MOUNT_F_EMPTY_PATH */);
    CALL("open_tree_attr", NR_open_tree_attr, at, "m", 1, &attr, sizeof attr);
    CALL("fspick", SYS_fspick, at, "m", 0);
    CALL("fsopen", SYS_fsopen, "tmpfs", 0);
    int context = (int)got;
    CALL("fsconfig source", SYS_fsconfig, context, 1, "source", "/dev/no-disk", 0);
    CALL("fsconfig option", SYS_fsconfig, context, 1, "mode", "0700", 0);
    CALL("fsconfig path", SYS_fsconfig, context, 3, "upper", "g", dir);
    CALL("fsconfig fd", SYS_fsconfig, context, 5, "lower", NULL, file);
    CALL("fsconfig create", SYS_fsconfig, context, 6, NULL, NULL, 0);
    CALL("fsmount", SYS_fsmount, context, 0, 0);
    CALL("swapon", SYS_swapon, "f", 0);
    CALL("swapoff", SYS_swapoff, "f");
    CALL("quotactl", SYS_quotactl, QCMD(Q_GETINFO, 0), "f", 0, big);
    CALL("quotactl all", SYS_quotactl, QCMD(Q_SYNC, 0), NULL, 0, NULL);
    CALL("quotactl_fd", NR_quotactl_fd, file, QCMD(Q_GETINFO, 0), 0, big);
    CALL("acct", SYS_acct, "d");
    CALL("acct off", SYS_acct, NULL);
    CALL("pivot_root", SYS_pivot_root, "d", "d");
}

static void transfers(void) {
    struct iovec io = {big, 4};
    int ends[2], other[2];
    must(pipe(ends) | pipe(other), "pipe");
    int out = (int)must(open("out", O_RDWR | O_CREAT, 0600), "out");
    CALL("read", SYS_read, file, big, 4);
    CALL("read closed", SYS_read, 999, big, 4);
    CALL("read pipe", SYS_write, ends[1], big, 4);
    CALL("pread64", SYS_pread64, file, big, 4, 0L, 0L);
    CALL("readv", SYS_readv, file, &io, 1);
    CALL("preadv", SYS_preadv, file, &io, 1, 0L, 0L);
    CALL("preadv2", SYS_preadv2, file, &io, 1, 0L, 0L, 0);
    CALL("write", SYS_write, out, big, 4);
    CALL("pwrite64", SYS_pwrite64, out, big, 4, 0L, 0L);
    CALL("writev", SYS_writev, out, &io, 1);
    CALL("pwritev", SYS_pwritev, out, &io, 1, 0L, 0L);
    CALL("pwritev2", SYS_pwritev2, out, &io, 1, 0L, 0L, 0);
    CALL("sendfile", SYS_sendfile, out, file, NULL, 4);
    CALL("copy_file_range", SYS_copy_file_range, file, NULL, out, NULL, 4, 0);
    CALL("splice", SYS_splice, file, NULL, ends[1], NULL, 4, 0);
    CALL("tee", SYS_tee, ends[0], other[1], 4, 0);
    CALL("vmsplice", SYS_vmsplice, ends[1], &io, 1, 0);
    CALL("readahead", SYS_readahead, file, 0L, 4L, 0L);
    CALL("fadvise64", SYS_fadvise64, file, 0L, 0L, 0, 0);
    CALL("fsync", SYS_fsync, out);
    CALL("fdatasync", SYS_fdatasync, out);
    CALL("sync_file_range", SYS_sync_file_range, out, 0L, 0L, 0L, 0L, 0);
    CALL("syncfs", SYS_syncfs, dir);
    CALL("flock", SYS_flock, file, LOCK_SH);
}

static void commands(void) {
    struct flock lock = {.l_type = F_RDLCK};
    struct file_clone_range clone = {.src_fd = file};
    struct {
        struct file_dedupe_range head;
        struct file_dedupe_range_info info[2];
    } dedupe = {.head = {.src_length = 4096, .dest_count = 2}};
    struct landlock_ruleset_attr rules = {.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE};
    union bpf_attr pin = {.pathname = (uintptr_t)"pinned", .bpf_fd = 999};
    aio_context_t context = 0;
    int out = (int)must(open("out", O_RDWR), "out");
    long flags = 0;
    dedupe.info[0].dest_fd = dedupe.info[1].dest_fd = out;
    CALL("fcntl lock", SYS_fcntl, file, F_SETLK, &lock);
    CALL("fcntl dup", SYS_fcntl, file, F_DUPFD, 100);
    CALL("fcntl seals", SYS_fcntl, file, F_ADD_SEALS, 0);
    CALL("fcntl notify", SYS_fcntl, dir, F_NOTIFY, 0);
    CALL("ioctl clone", SYS_ioctl, out, FICLONE, file);
    CALL("ioctl clone range", SYS_ioctl, out, FICLONERANGE, &clone);
    CALL("ioctl dedupe", SYS_ioctl, file, FIDEDUPERANGE, &dedupe);
    CALL("ioctl get flags", SYS_ioctl, file, FS_IOC_GETFLAGS, &flags);
    CALL("ioctl set flags", SYS_ioctl, file, FS_IOC_SETFLAGS, &flags);
    CALL("ioctl other", SYS_ioctl, file, FIOCLEX, 0);
    CALL("bpf pin", SYS_bpf, BPF_OBJ_PIN, &pin, sizeof pin);
    CALL("bpf get", SYS_bpf, BPF_OBJ_GET, &pin, sizeof pin);
    struct landlock_path_beneath_attr beneath[2] = {{LANDLOCK_ACCESS_FS_READ_FILE, dir}};
    CALL("landlock_create_ruleset", SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    CALL("landlock_add_rule", SYS_landlock_add_rule, (int)got, LANDLOCK_RULE_PATH_BENEATH, beneath,
         0);
    struct iocb reads = {.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = file,
                         .aio_buf = (uintptr_t)big, .aio_nbytes = 4};
    struct iocb writes = {.aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = out,
                          .aio_buf = (uintptr_t)big, .aio_nbytes = 4};
    struct iocb *both[] = {&reads, &writes}, *many[9] = {[0 ... 8] = &reads};
    must(syscall(SYS_io_setup, 16, &context), "io_setup");
    CALL("io_submit", SYS_io_submit, context, 2L, both);
    CALL("io_submit many", SYS_io_submit, context, 9L, many);
    CALL("finit_module", SYS_finit_module, file, "", 0);
#ifdef SYS_kexec_file_load
    CALL("kexec_file_load", SYS_kexec_file_load, file, out, 1L, "", 0L);
#endif
    int self = (int)must(syscall(SYS_pidfd_open, getpid(), 0), "pidfd_open");
    CALL("pidfd_getfd", SYS_pidfd_getfd, self, file, 0);
    CALL("dup", SYS_dup, file);
    int copy = (int)got;
#ifdef SYS_dup2
    CALL("dup2", SYS_dup2, copy, out);
#endif
    CALL("dup3", SYS_dup3, copy, out, 0);
    CALL("dup3 new", SYS_dup3, copy, 200, 0);
    CALL("close", SYS_close, out);
    CALL("close closed", SYS_close, 999);
    CALL("close_range", SYS_close_range, 200, 200, 0);
}

static void maps(void) {
    void *map;
#ifdef __x86_64__
#define MAP SYS_mmap
#else
#define MAP SYS_mmap2
#endif
    CALL("mmap read", MAP, NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0L);
    CALL("mmap exec", MAP, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0L);
    CALL("mmap private", MAP, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0L);
    CALL("mmap anonymous", MAP, NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, file, 0L);
    CALL("mmap shared", MAP, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0L);
    map = (void *)got;
    CALL("msync", SYS_msync, map, 4096, MS_SYNC);
}

static void watches(void) {
    int notify = (int)must(inotify_init1(0), "inotify");
    CALL("inotify_add_watch", SYS_inotify_add_watch, notify, "d", IN_OPEN);
    int fan = (int)must(syscall(SYS_fanotify_init, FAN_CLASS_NOTIF, 0), "fanotify_init");
#ifdef __x86_64__
#define MASK FAN_OPEN
#else
#define MASK FAN_OPEN, 0
#endif
    CALL("fanotify_mark", SYS_fanotify_mark, fan, FAN_MARK_ADD, MASK, dir, "g");
    CALL("fanotify_mark itself", SYS_fanotify_mark, fan, FAN_MARK_ADD, MASK, dir, NULL);
    CALL("fanotify_mark flush", SYS_fanotify_mark, fan, FAN_MARK_FLUSH, MASK, at, NULL);
}

static void sockets(void) {
    struct sockaddr_un name = {AF_UNIX, "sock"}, full = {AF_UNIX, "/no/sock"},
                       none = {AF_UNIX, "\0tracerd-file-calls"};
    socklen_t length = sizeof name;
    struct iovec io = {big, 4};
    char control[CMSG_SPACE(sizeof(int))] = {0}, room[sizeof control];
    struct msghdr named = {.msg_name = &name, .msg_namelen = length, .msg_iov = &io,
                           .msg_iovlen = 1};
    struct msghdr plain = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control,
                           .msg_controllen = sizeof control};
    struct msghdr filled = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = room,
                            .msg_controllen = sizeof room};
    struct mmsghdr several[2] = {{.msg_hdr = named}, {.msg_hdr = named}};
    struct mmsghdr each = {.msg_hdr = filled};
    struct cmsghdr *rights = (struct cmsghdr *)control;
    *rights = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(rights), &file, sizeof file);
    int bound = (int)must(socket(AF_UNIX, SOCK_DGRAM, 0), "socket"), pair[2];
    int free_one = (int)must(socket(AF_UNIX, SOCK_DGRAM, 0), "socket");
    must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), "socketpair");
    CALL("bind", SYS_bind, bound, &name, length);
    CALL("bind again", SYS_bind, bound, &name, length);
    CALL("connect", SYS_connect, free_one, &name, length);
    CALL("connect absolute", SYS_connect, free_one, &full, length);
    CALL("connect abstract", SYS_connect, free_one, &none, length);
    CALL("sendto", SYS_sendto, free_one, big, 4, 0, &name, length);
    CALL("sendmsg", SYS_sendmsg, free_one, &named, 0);
    CALL("sendmmsg", SYS_sendmmsg, free_one, several, 2, 0);
    must(sendmsg(pair[0], &plain, 0) + sendmsg(pair[0], &plain, 0), "sendmsg");
    CALL("recvmsg", SYS_recvmsg, pair[1], &filled, 0);
    CALL("recvmmsg", SYS_recvmmsg, pair[1], &each, 1, 0, NULL);
}

#ifdef __i386__
static void old_calls(void) {
    long mmap_args[] = {0, 4096, PROT_READ, MAP_PRIVATE, file, 0};
    struct sockaddr_un name = {AF_UNIX, "sock"};
    long connect_args[] = {(long)socket(AF_UNIX, SOCK_DGRAM, 0), (long)&name, sizeof name};
    struct flock64 lock = {.l_type = F_RDLCK};
    struct mmsghdr none = {0};
    CALL("oldstat", SYS_oldstat, "f", big);
    CALL("oldlstat", SYS_oldlstat, "s", big);
    CALL("oldfstat", SYS_oldfstat, file, big);
    CALL("stat64", SYS_stat64, "f", big);
    CALL("lstat64", SYS_lstat64, "s", big);
    CALL("fstat64", SYS_fstat64, file, big);
    CALL("fstatat64", SYS_fstatat64, file, "", big, AT_EMPTY_PATH);
    CALL("statfs64", SYS_statfs64, "f", 84, big);
    CALL("fstatfs64", SYS_fstatfs64, file, 84, big);
    CALL("truncate64", SYS_truncate64, "f", 8192L, 0L);
    CALL("ftruncate64", SYS_ftruncate64, file, 8192L, 0L);
    CALL("chown32", SYS_chown32, "f", -1, -1);
    CALL("lchown32", SYS_lchown32, "s", -1, -1);
    CALL("fchown32", SYS_fchown32, file, -1, -1);
    CALL("fcntl64 lock", SYS_fcntl64, file, F_SETLK64, &lock);
    CALL("mmap old", SYS_mmap, mmap_args);
    CALL("sendfile64", SYS_sendfile64, file, file, NULL, 0);
    CALL("fadvise64_64", SYS_fadvise64_64, file, 0L, 0L, 0L, 0L, 0);
    CALL("readdir", SYS_readdir, dir, big, 1);
    CALL("utimensat_time64", SYS_utimensat_time64, file, NULL, NULL, 0);
    CALL("socketcall", SYS_socketcall, 3 /* SYS_CONNECT */, connect_args);
    CALL("recvmmsg_time64", SYS_recvmmsg_time64, file, &none, 1, 0, NULL);
    CALL("umount", SYS_umount, "m");
}
#endif

static void executes(void) {
    CALL("execve", SYS_execve, "f", NULL, NULL);
    CALL("execveat", SYS_execveat, dir, "g", NULL, NULL, 0);
    CALL("execveat itself", SYS_execveat, file, "", NULL, NULL, AT_EMPTY_PATH);
    if (!must(fork(), "fork")) {
        CALL("chroot", SYS_chroot, "d");
        CALL("stat in there", SYS_statx, at, "/g", 0, 0, big);
        _exit(0);
    }
    wait(NULL);
    CALL("unshare", SYS_unshare, 0);
    CALL("setns", SYS_setns, -1, 0);
    CALL("io_uring_setup", SYS_io_uring_setup, 0, NULL);
    CALL("io_uring_enter", SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0);
    CALL("io_uring_register", SYS_io_uring_register, -1, 0, NULL, 0);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    must(unshare(CLONE_NEWNS), "unshare");
    must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
    must(mount("none", argv[1], "tmpfs", 0, NULL), "tmpfs");
    must(chdir(argv[1]), "chdir");
    file = (int)must(open("f", O_RDWR | O_CREAT, 0600), "f");
    must(write(file, big, sizeof big), "write");
    must(mkdir("d", 0700) + mkdir("m", 0700), "mkdir");
    must(close(open("d/g", O_RDWR | O_CREAT, 0600)), "g");
    must(symlink("f", "s"), "symlink");
    dir = (int)must(open("d", O_RDONLY | O_DIRECTORY), "d");
    opens();
    names();
    attributes();
    questions();
    transfers();
    commands();
    maps();
    watches();
    sockets();
    executes();
    mounts();
#ifdef __i386__
    old_calls();
#endif
    return 0;
}

#endif
