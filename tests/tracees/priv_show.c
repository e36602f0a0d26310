/* Says what privileges it runs with: what an exec can give it, or withhold.
 *
 * priv_show wait: READY after that, then waits to be ended by a signal. */
#include "tracee.h"

#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

static void line(const char *start) { /* Of /proc/self/status. */
    char text[256];
    FILE *status = fopen("/proc/self/status", "r");
    if (!status) die("/proc/self/status");
    while (fgets(text, sizeof text, status))
        if (!strncmp(text, start, strlen(start))) fputs(text, stdout);
    fclose(status);
}

int main(int count, char **words) {
    alarm(300);
    line("Uid");
    line("Gid");
    line("CapPrm");
    line("CapEff");
    line("NoNewPrivs");
    printf("secure %lu, dumpable %d\n", getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE));
    if (count > 1 && !strcmp(words[1], "wait")) {
        ready();
        pause();
    }
    return 0;
}
