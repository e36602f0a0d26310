/* Provokes: a call on a file system whose server never answers, while another process goes on.
 *
 * dead_mount DIR: mounts one over DIR (in mounts of its own), where a child opens a file with
 * O_CREAT, and waits.  Says READY when it does, asks for its own directory, gives the server up,
 * and prints what the child's open failed with.  Needs root. */
#include "tracee.h"
#include <sched.h>
#include <sys/mount.h>

static char state_of(int pid) {
    char path[64], text[512] = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int fd = (int)must(open(path, O_RDONLY), path);
    must(read(fd, text, sizeof text - 1), path);
    close(fd);
    return strrchr(text, ')')[2];
}

int main(int argc, char **argv) {
    char options[128], file[512], here[512];
    if (argc != 2) return 2;
    alarm(300);
    must(unshare(CLONE_NEWNS), "unshare");
    must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
    int server = open("/dev/fuse", O_RDWR);
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", server);
    if (server == -1 || mount("dead", argv[1], "fuse", 0, options) == -1) return 77;
    snprintf(file, sizeof file, "%s/file", argv[1]);
    int child = (int)must(fork(), "fork");
    if (!child) {
        close(server);
        open(file, O_RDWR | O_CREAT, 0600);
        printf("%s\n", strerrorname_np(errno));
        return 0;
    }
    for (char state = 'R'; state != 'S' && state != 'D'; state = state_of(child)) usleep(1000);
    ready();
    if (!getcwd(here, sizeof here)) die("getcwd");
    close(server);
    wait(NULL);
    return 0;
}
