/* Provokes: a program that may not be looked into, at work.
 *
 * priv_hides: does some file calls, by path and by descriptor; then makes itself non-dumpable and
 * does them again, also in a child, a thread and a new image (priv_hides IMAGE again) of itself, or of
 * the copy that is named as its argument.  What it says is how each went. */
#include "tracee.h"

#include <sys/prctl.h>

static void work(const char *where) {
    char text[8];
    int dir = (int)must(open("/", O_PATH | O_DIRECTORY), "open /");
    int fd = (int)must(openat(dir, "etc/passwd", O_RDONLY), "openat");
    must(read(fd, text, sizeof text), "read");
    if (openat(dir, "no/such", O_RDONLY) != -1 || errno != ENOENT) die("openat no/such");
    must(close(fd), "close");
    must(close(dir), "close");
    printf("%s: dumpable %d\n", where, prctl(PR_GET_DUMPABLE));
    fflush(stdout);
}

static void *works(void *unused) {
    work("thread");
    return unused;
}

int main(int count, char **words) {
    char *image = count > 1 ? words[1] : words[0];
    int status;
    alarm(300);
    work(count > 2 ? words[2] : "before");
    if (count > 2) return 0;
    must(prctl(PR_SET_DUMPABLE, 0), "PR_SET_DUMPABLE");
    work("after");
    pthread_join(thread(works, NULL), NULL);
    if (fork() == 0) {
        work("child");
        execl(image, image, image, "again", (char *)NULL);
        die("execl");
    }
    must(wait(&status), "wait");
    printf("status %#x\n", (unsigned)status);
    return 0;
}
