/* A file for gcc to chew on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int count(const char *text, char what);

int count(const char *text, char what) {
    int found = 0;
    for (; *text; text++) found += *text == what;
    return found;
}
