/* Becomes the unprivileged user 65534, then another program.
 *
 * priv_drop no-new-privs|plain PROGRAM WORDS... */
#include "tracee.h"

#include <grp.h>
#include <sys/prctl.h>

#define NOBODY 65534

int main(int count, char **words) {
    if (count < 3) return 98;
    must(setgroups(0, NULL), "setgroups");
    must(setresgid(NOBODY, NOBODY, NOBODY), "setresgid");
    must(setresuid(NOBODY, NOBODY, NOBODY), "setresuid");
    if (!strcmp(words[1], "no-new-privs"))
        must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    execv(words[2], words + 2);
    die(words[2]);
}
