/* Provokes: a path that another thread changes while a call is looking at it.
 *
 * edge_changing during DIR: opens the fifo DIR/before, and while the call waits for a writer another
 * thread makes the string DIR/behind; prints what was opened, then opens that fifo too, undisturbed.
 * edge_changing storm DIR N: opens DIR/a N times while another thread flips the a to b and back;
 * prints how many opens succeeded. */
#include "tracee.h"
#include <stdatomic.h>

static char path[2048];
static char *last; /* The part of it that changes. */
static atomic_int opening, over;
static pid_t opener;

static int asleep(pid_t tid) { /* In a wait, and not stopped. */
    char name[64], line[512] = "";
    snprintf(name, sizeof name, "/proc/self/task/%d/stat", tid);
    FILE *file = fopen(name, "r");
    if (!file || !fgets(line, sizeof line, file)) die(name);
    fclose(file);
    return strrchr(line, ')')[2] == 'S';
}

static void *change_during(void *writing) {
    while (!opening || !asleep(opener)) usleep(2000);
    strcpy(last, "behind");
    must(open(writing, O_WRONLY | O_NONBLOCK), writing); /* Lets it go on. */
    return NULL;
}

static int opens(const char *name) {
    struct stat mine, there;
    int fd = must(open(path, O_RDONLY), path);
    must(fstat(fd, &mine), "fstat");
    must(stat(name, &there), name);
    printf("opened %s: %s\n", name, mine.st_ino == there.st_ino ? "yes" : "no");
    return fd;
}

static void during(const char *dir) {
    char before[1024], behind[1024];
    snprintf(before, sizeof before, "%s/before", dir);
    snprintf(behind, sizeof behind, "%s/behind", dir);
    unlink(before);
    unlink(behind);
    must(mkfifo(before, 0600), before);
    must(mkfifo(behind, 0600), behind);
    strcpy(last, "before");
    opener = gettid();
    pthread_t other = thread(change_during, before);
    opening = 1;
    opens(before);
    pthread_join(other, NULL);
    int end = must(open(behind, O_RDWR), behind); /* So that the next one need not wait. */
    opens(behind);
    close(end);
}

static void *flip(void *unused) {
    while (!over) *(volatile char *)last ^= 'a' ^ 'b';
    return unused;
}

static void storm(const char *dir, int times) {
    int done = 0;
    for (const char *name = "ab"; *name; name++) {
        sprintf(path, "%s/%c", dir, *name);
        close(must(open(path, O_WRONLY | O_CREAT, 0600), path));
    }
    strcpy(last, "a");
    pthread_t other = thread(flip, NULL);
    while (times--) {
        int fd = open(path, O_RDONLY);
        done += fd != -1;
        close(fd);
    }
    over = 1;
    pthread_join(other, NULL);
    printf("%d opens\n", done);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    alarm(300);
    last = path + sprintf(path, "%s/", argv[2]);
    if (!strcmp(argv[1], "during"))
        during(argv[2]);
    else
        storm(argv[2], atoi(argv[3]));
    return 0;
}
