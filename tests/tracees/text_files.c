/* Provokes: what lines about files and descriptors can look like.
 *
 * text_files DIR: in DIR (empty) makes each call once or twice, always the same ones. */
#include "tracee.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <utime.h>

int main(int argc, char **argv) {
    char buffer[100];
    if (argc < 2 || chdir(argv[1])) return 2;
    int fd = open("file", O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0640), null;
    struct iovec two[2] = {{"ab\n", 3}, {"\1\377\"\\7", 5}};
    if (writev(fd, two, 2) < 0 || pwrite(fd, "x", 1, 3) < 0) return 3;
    struct iovec into[2] = {{buffer, 2}, {buffer + 2, 50}};
    lseek(fd, 0, SEEK_SET), readv(fd, into, 2), pread(fd, buffer, 4, 1), preadv(fd, into, 2, 1);
    struct flock lock = {F_WRLCK, SEEK_SET, 0, 10, 0};
    fcntl(fd, F_SETLK, &lock), fcntl(fd, F_GETLK, &lock), flock(fd, LOCK_EX | LOCK_NB);
    fcntl(fd, F_SETFL, O_NONBLOCK), fcntl(fd, F_DUPFD_CLOEXEC, 50), fcntl(fd, F_SETFD, 0);
    null = dup(fd), dup2(null, 70), dup3(null, 71, O_CLOEXEC), close(999);
    fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096), posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (ftruncate(fd, 1000) || fchmod(fd, 0) || chmod("file", 04755)) return 4;
    struct stat is;
    fstat(fd, &is), stat("/dev/null", &is), lstat("none", &is), access("file", R_OK | W_OK);
    struct timespec times[2] = {{5, 6}, {0, UTIME_NOW}};
    struct timeval older[2] = {{1, 2}, {3, 4}};
    futimens(fd, times), utimensat(AT_FDCWD, "file", NULL, 0), utimes("file", older);
    mkdir("dir", 0755), mknod("fifo", S_IFIFO | 0600, 0), rename("fifo", "dir/fifo");
    renameat2(AT_FDCWD, "dir/fifo", AT_FDCWD, "fifo", RENAME_NOREPLACE), unlink("fifo");
    if (symlink("x", "link") || readlink("link", buffer, 100) < 0 || link("file", "hard")) return 5;
    unlinkat(AT_FDCWD, "hard", 0), setxattr("file", "user.x", "v", 1, XATTR_CREATE);
    getxattr("file", "user.x", buffer, 10), removexattr("file", "user.none");
    int epoll = epoll_create1(EPOLL_CLOEXEC), event = eventfd(1, EFD_NONBLOCK);
    struct epoll_event wanted = {EPOLLIN | EPOLLET, {.u64 = 5}}, got[4];
    epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted), epoll_wait(epoll, got, 4, 0);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), watch = inotify_init1(IN_CLOEXEC);
    struct itimerspec when = {{0, 0}, {100, 5}}, former;
    timerfd_settime(timer, 0, &when, &former), read(timer, buffer, 8) < 0 ? 0 : exit(6);
    inotify_rm_watch(watch, inotify_add_watch(watch, "file", IN_MODIFY | IN_DELETE_SELF));
    char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
    mprotect(memory, 4096, PROT_NONE), madvise(memory, 4096, MADV_DONTNEED);
    fsync(fd), umask(077), rmdir("dir"), memfd_create("mem", MFD_CLOEXEC);
    syscall(500, 1, 2, 3, 4, 5, 6);
    return open("file/\n", O_RDONLY | O_DIRECTORY) < 0 ? 0 : 7;
}
