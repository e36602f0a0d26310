/* What the C tracees share.  A tracee that waits for something says READY on stdout first. */
#ifndef TRACEE_H
#define TRACEE_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void die(const char *what) {
    perror(what);
    exit(99);
}

static inline long must(long value, const char *what) {
    if (value == -1) die(what);
    return value;
}

static inline void ready(void) {
    puts("READY");
    if (fflush(stdout)) die("READY");
}

static inline pthread_t thread(void *(*body)(void *), void *argument) {
    pthread_t made;
    if ((errno = pthread_create(&made, NULL, body, argument))) die("pthread_create");
    return made;
}

static inline void block(int signo) { /* In this thread and in those it makes later. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    if ((errno = pthread_sigmask(SIG_BLOCK, &set, NULL))) die("pthread_sigmask");
}

static inline void await(int signo) { /* A signal that block() keeps pending. */
    sigset_t set;
    int got;
    sigemptyset(&set);
    sigaddset(&set, signo);
    if ((errno = sigwait(&set, &got))) die("sigwait");
}

#endif
