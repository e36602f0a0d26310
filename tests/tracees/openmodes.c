/* Provokes: every way to open a file.
 *
 * openmodes DIR [open|openat|openat2]: opens files in DIR (an existing, empty directory) and
 * prints for each call the JSON line {"case", "path", "ops", "created", "errno"} that a tracer
 * should be able to tell; ops are sorted.  The mode argument is 0666 throughout: a tracer that
 * looks there for the access mode takes every open for reading and writing. */
#include "tracee.h"
#include <linux/openat2.h>

#define OPS(...) #__VA_ARGS__

static const struct {
    const char *label, *file;
    long flags;
    const char *ops, *created;
    int error;
} cases[] = {
    {"rdonly", "existing", O_RDONLY, OPS("read"), "null", 0},
    {"wronly", "existing", O_WRONLY, OPS("write"), "null", 0},
    {"rdwr", "existing", O_RDWR, OPS("read", "write"), "null", 0},
    {"append", "existing", O_WRONLY | O_APPEND, OPS("write"), "null", 0},
    {"missing", "missing", O_RDONLY, OPS("read"), "null", ENOENT},
    {"new", "new", O_WRONLY | O_CREAT | O_TRUNC, OPS("create", "truncate", "write"), "true", 0},
    {"new-rdonly", "new-rdonly", O_RDONLY | O_CREAT, OPS("create", "read"), "true", 0},
    {"new-excl", "new-excl", O_RDWR | O_CREAT | O_EXCL, OPS("create", "read", "write"), "true", 0},
    {"excl-fails", "existing", O_WRONLY | O_CREAT | O_EXCL, OPS("write"), "false", EEXIST},
    {"creat-existing", "existing", O_RDWR | O_CREAT, OPS("read", "write"), "false", 0},
    {"creat-trunc", "existing", O_WRONLY | O_CREAT | O_TRUNC, OPS("truncate", "write"), "false", 0},
    {"trunc-rdonly", "existing", O_RDONLY | O_TRUNC, OPS("read", "truncate"), "null", 0},
    {"neither", "existing", O_ACCMODE, OPS("attr"), "null", 0}, /* Good for ioctl only. */
    {"path", "existing", O_PATH, OPS("stat"), "null", 0},
    {"directory", ".", O_RDONLY | O_DIRECTORY, OPS("list"), "null", 0},
    {"tmpfile", ".", O_RDWR | O_TMPFILE, OPS("create", "read", "write"), "true", 0},
};

int main(int argc, char **argv) {
    char path[4096];
    const char *via = argc > 2 ? argv[2] : "openat";
    if (argc < 2) return 2;
    snprintf(path, sizeof path, "%s/existing", argv[1]);
    must(mknod(path, S_IFREG | 0644, 0), path); /* No open that would have to be told apart. */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct open_how how = {.flags = cases[i].flags};
        if (cases[i].flags & O_CREAT || (cases[i].flags & O_TMPFILE) == O_TMPFILE) how.mode = 0666;
        snprintf(path, sizeof path, "%s/%s", argv[1], cases[i].file);
        long fd = !strcmp(via, "openat2") ? syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how)
                  : !strcmp(via, "openat") ? syscall(SYS_openat, AT_FDCWD, path, how.flags, 0666)
#ifdef SYS_open
                  : !strcmp(via, "open") ? syscall(SYS_open, path, how.flags, 0666)
#endif
                  : -1;
        if ((fd == -1) != !!cases[i].error || (fd == -1 && errno != cases[i].error)) die(path);
        close(fd);
        printf("{\"case\": \"%s\", \"path\": \"%s\", \"ops\": [%s], \"created\": %s, \"errno\": ",
               cases[i].label, path, cases[i].ops, cases[i].created);
        printf(cases[i].error ? "\"%s\"}\n" : "null}\n", strerrorname_np(cases[i].error));
    }
    return 0;
}
