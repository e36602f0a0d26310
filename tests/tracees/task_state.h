/* What tracees ask of /proc about each other's tasks. */
#ifndef TASK_STATE_H
#define TASK_STATE_H

#include "tracee.h"

#include <dirent.h>

static inline char state_of(pid_t pid, pid_t tid) { /* '?' if it is gone. */
    char path[64], text[512], *at;
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
    FILE *file = fopen(path, "r");
    if (!file) return '?';
    at = fgets(text, sizeof text, file) ? strrchr(text, ')') : NULL;
    fclose(file);
    return at ? at[2] : '?';
}

static inline int sleeps_in(pid_t pid, pid_t tid, long call) {
    char path[64];
    long nr = -1;
    snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", pid, tid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    if (fscanf(file, "%ld", &nr) != 1) nr = -1;
    fclose(file);
    return nr == call && state_of(pid, tid) == 'S';
}

static inline void until_asleep(pid_t pid, long call) { /* Until a task of pid sleeps in call. */
    char path[64];
    int found = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    while (!found) {
        struct dirent *entry;
        DIR *tasks = opendir(path);
        if (!tasks) die(path);
        while ((entry = readdir(tasks))) found |= sleeps_in(pid, atoi(entry->d_name), call);
        closedir(tasks);
        usleep(1000);
    }
}

#endif
