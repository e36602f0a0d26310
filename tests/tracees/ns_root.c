/* Provokes: paths that lead elsewhere than ours, for the root or the mounts are others.
 *
 * ns_root MODE DIRECTORY [wait]: changes its world, then (after READY and SIGUSR1, if told to wait)
 * opens files in it by absolute path, by relative path and relative to a descriptor, creates one,
 * and prints what is in them.  The directory has f, sub/f and a/f.
 *   chroot  the directory becomes the root; the working directory is in it
 *   escape  the same, but the working directory is left outside
 *   pivot   the directory becomes the root of a mount namespace, the old root is gone
 *   tmpfs   in a mount namespace, a file system of its own lies over the directory
 *   bind    in a mount namespace, DIRECTORY/a lies over DIRECTORY/sub */
#include "tracee.h"

#include <sched.h>
#include <sys/mount.h>

static char text[64];

static void show(const char *what, int fd) {
    ssize_t size = fd == -1 ? -1 : read(fd, text, sizeof text - 1);
    if (size == -1) printf("%s: %s\n", what, strerrorname_np(errno));
    else printf("%s: %.*s\n", what, (int)size, text);
    if (fd != -1) close(fd);
    fflush(stdout);
}

static void fill(const char *directory) {
    const char *paths[] = {"f", "sub/f"};
    must(chdir(directory), "chdir");
    must(mkdir("sub", 0755), "mkdir");
    for (int n = 0; n < 2; n++) {
        int fd = (int)must(open(paths[n], O_CREAT | O_WRONLY, 0644), paths[n]);
        dprintf(fd, "tmpfs %s", paths[n]);
        close(fd);
    }
    must(chdir("/"), "chdir /");
}

static void own_mounts(void) {
    must(unshare(CLONE_NEWNS), "unshare");
    must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount /");
}

static const char *change(const char *mode, const char *directory) {
    char over[512];
    if (!strcmp(mode, "chroot")) {
        must(chroot(directory), "chroot");
        must(chdir("/"), "chdir /");
        return "";
    }
    if (!strcmp(mode, "escape")) {
        must(chdir("/"), "chdir /");
        must(chroot(directory), "chroot");
        return "";
    }
    own_mounts();
    if (!strcmp(mode, "pivot")) {
        must(mount(directory, directory, NULL, MS_BIND, NULL), "bind");
        must(chdir(directory), "chdir");
        must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
        must(umount2(".", MNT_DETACH), "umount");
        must(chdir("/"), "chdir /");
        return "";
    }
    if (!strcmp(mode, "tmpfs")) {
        must(mount("none", directory, "tmpfs", 0, NULL), "tmpfs");
        fill(directory);
        return directory;
    }
    snprintf(over, sizeof over, "%s/sub", directory);
    must(chdir(directory), "chdir");
    must(mount("a", over, NULL, MS_BIND, NULL), "bind");
    must(chdir("/"), "chdir /");
    return directory;
}

int main(int count, char **words) {
    char path[512];
    const char *prefix;
    int dir;
    if (count < 3) return 98;
    alarm(300);
    block(SIGUSR1);
    prefix = change(words[1], words[2]);
    if (count > 3) {
        ready();
        await(SIGUSR1);
    }
    snprintf(path, sizeof path, "%s/f", prefix);
    show("absolute", open(path, O_RDONLY));
    snprintf(path, sizeof path, "%s/sub", prefix);
    show("relative to the directory left", open("etc/passwd", O_PATH));
    dir = (int)must(open(path, O_PATH | O_DIRECTORY), "open sub");
    show("relative to a descriptor", openat(dir, "f", O_RDONLY));
    must(fchdir(dir), "fchdir");
    show("relative", open("f", O_RDONLY));
    show("created", openat(dir, "new", O_CREAT | O_RDWR, 0644));
    show("there", openat(dir, "f", O_CREAT | O_RDWR, 0644));
    show("the outer name", open(words[2], O_RDONLY | O_DIRECTORY));
    return 0;
}
