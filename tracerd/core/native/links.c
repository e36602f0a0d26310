/* Links of /proc on the way of a path: the same as tracerd/core/links.py. */
#include "pump.h"

#include <stdio.h>
#include <string.h>

static const char *const LAST[] = {"cwd", "root", "exe"};
static const char *const STANDARD[] = {"stdin", "stdout", "stderr"};

static bool eat(struct cursor *from, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(from->end - from->at) < length || memcmp(from->at, word, length) != 0) return false;
    from->at += length;
    return true;
}

static bool eat_number(struct cursor *from) {
    const unsigned char *start = from->at;
    while (from->at < from->end && *from->at >= '0' && *from->at <= '9') from->at++;
    return from->at > start && from->at - start <= 10;
}

static bool at_end(const struct cursor *from) {
    return from->at == from->end || *from->at == '/' || *from->at == 0;
}

/* The one of three words that comes next; -1: none. */
static int eat_one(struct cursor *from, const char *const words[3]) {
    for (int at = 0; at < 3; at++)
        if (eat(from, words[at])) return at;
    return -1;
}

static bool of_dev(struct cursor *from, int tid, char *link, size_t room) {
    if (eat(from, "fd/")) {
        const unsigned char *number = from->at;
        if (!eat_number(from) || !at_end(from)) return false;
        snprintf(link, room, "/proc/%d/fd/%.*s", tid, (int)(from->at - number), number);
        return true;
    }
    int which = eat_one(from, STANDARD);
    if (which < 0 || !at_end(from)) return false;
    snprintf(link, room, "/proc/%d/fd/%d", tid, which);
    return true;
}

bool link_on_the_way(const unsigned char *path, size_t length, int tid, char *link, size_t room) {
    struct cursor from = {path, path + length};
    if (eat(&from, "/dev/")) return of_dev(&from, tid, link, room);
    if (!eat(&from, "/proc/")) return false;
    bool own = eat(&from, "self") || eat(&from, "thread-self");
    if (!own && !eat_number(&from)) return false;
    if (eat(&from, "/task/") && !eat_number(&from)) return false;
    if (!eat(&from, "/")) return false;
    const unsigned char *last = from.at;
    if (eat(&from, "fd/") ? !eat_number(&from) : eat_one(&from, LAST) < 0) return false;
    if (!at_end(&from)) return false;
    if (own) snprintf(link, room, "/proc/%d/%.*s", tid, (int)(from.at - last), last);
    else snprintf(link, room, "/proc/%d/root%.*s", tid, (int)(from.at - path), path);
    return true;
}
