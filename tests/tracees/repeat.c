/* Provokes: the same call several times in a row, which a tracer that tells entry from exit by
 * comparing with the last call takes for one.
 *
 * repeat DIR: opens DIR/same six times, nothing in between, then unlinks DIR/gone0 to DIR/gone3
 * (made before) four times in a row, then DIR/gone0 twice more, which fails with ENOENT. */
#include "tracee.h"

int main(int argc, char **argv) {
    static char same[4096], gone[4][4096];
    if (argc != 2) return 2;
    snprintf(same, sizeof same, "%s/same", argv[1]);
    close(must(open(same, O_CREAT | O_WRONLY, 0644), same));
    for (int i = 0; i < 4; i++) {
        snprintf(gone[i], sizeof gone[i], "%s/gone%d", argv[1], i);
        close(must(open(gone[i], O_CREAT | O_WRONLY, 0644), gone[i]));
    }
    for (int i = 0; i < 6; i++) must(open(same, O_RDONLY), same);
    for (int i = 0; i < 4; i++) must(unlink(gone[i]), gone[i]);
    for (int i = 0; i < 2; i++)
        if (unlink(gone[0]) != -1 || errno != ENOENT) die("unlink of nothing");
    return 0;
}
