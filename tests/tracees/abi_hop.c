/* Opens the file "mark" in the working directory, then execs its first argument with the others. */
#include "tracee.h"

int main(int argc, char **argv) {
    printf("%zu\n", 8 * sizeof(void *));
    fflush(stdout);
    alarm(300);
    close(open("mark", O_RDONLY));
    if (argc > 1) {
        execv(argv[1], argv + 1);
        die(argv[1]);
    }
    return 5;
}
