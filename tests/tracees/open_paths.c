/* Provokes: every way to say where a file is.
 *
 * open_paths DIR: in DIR (empty; its name as realpath(3) gives it) makes calls with relative
 * paths and prints for each the JSON line {"syscall", "raw", "path", "real", "errno"}: `path` is
 * joined but not folded, `real` is what was opened (null: the call opens nothing). */
#include "tracee.h"

static char dir[2048];
static const char *under(const char *name) { /* "+name" stands for DIR/name. */
    static char text[4][4096];
    static unsigned turn;
    if (*name != '+') return name;
    snprintf(text[++turn % 4], sizeof *text, "%s/%s", dir, name + 1);
    return text[turn % 4];
}

static void line(const char *call, const char *raw, const char *path, const char *real, int error) {
    printf("{\"syscall\": \"%s\", \"raw\": \"%s\", ", call, under(raw));
    printf("\"path\": \"%s\", ", under(path));
    printf(real ? "\"real\": \"%s\", " : "\"real\": null, ", real ? under(real) : "");
    printf(error ? "\"errno\": \"%s\"}\n" : "\"errno\": null}\n", strerrorname_np(error));
}

static void opens(int at, const char *raw, const char *path, const char *real, int error) {
    long fd = syscall(SYS_openat, at, under(raw), O_RDONLY, 0);
    if ((fd == -1 ? errno : 0) != error) die(raw);
    line("openat", raw, path, real, error);
}

int main(int argc, char **argv) {
    struct stat about;
    if (argc != 2) return 2;
    snprintf(dir, sizeof dir, "%s", argv[1]);
    const char *made[] = {"+a/", "+a/b/", "+gone/", "+a/file", "+file"};
    for (int i = 0; i < 3; i++) must(mkdir(under(made[i]), 0755), made[i]);
    for (int i = 3; i < 5; i++) must(mknod(under(made[i]), S_IFREG | 0644, 0), made[i]);
    must(symlink("a/file", under("+link")), "symlink");
    must(symlink("a/b", under("+dirlink")), "symlink");
    int a = must(open(under("+a"), O_PATH), "a"), b = must(open(under("+a/b"), O_PATH), "b");
    opens(a, "file", "+a/file", "+a/file", 0);
    opens(a, "b/../file", "+a/b/../file", "+a/file", 0);
    opens(a, "+a/file", "+a/file", "+a/file", 0); /* Absolute: the descriptor does not count. */
    opens(999, "+file", "+file", "+file", 0);
    opens(AT_FDCWD, "+link", "+link", "+a/file", 0);
    opens(AT_FDCWD, "+dirlink/../file", "+dirlink/../file", "+a/file", 0); /* Not DIR/file. */
    must(chdir(under("+a")), "chdir");
    opens(AT_FDCWD, "file", "+a/file", "+a/file", 0);
    opens(AT_FDCWD, "../file", "+a/../file", "+file", 0);
    must(fchdir(b), "fchdir");
    opens(AT_FDCWD, "../file", "+a/b/../file", "+a/file", 0);
    opens(AT_FDCWD, "missing", "+a/b/missing", NULL, ENOENT);
    int file = must(open(under("+a/file"), O_PATH), "file");
    must(syscall(SYS_newfstatat, file, "", &about, AT_EMPTY_PATH), "newfstatat");
    line("newfstatat", "", "+a/file", NULL, 0);
    must(chdir(under("+gone")), "chdir");
    must(rmdir(under("+gone")), "rmdir");
    opens(AT_FDCWD, "file", "+gone/file", NULL, ENOENT); /* A working directory that was deleted. */
    return 0;
}
