/* Provokes: an exec that fails when there is no way back.
 *
 * edge_exec thread|leader FILE: makes FILE a program that cannot be mapped, for it wants an address
 * of the kernel's, and execs it.  By then the other threads are gone, the caller has the leader's
 * tid and the old memory is given up: it is killed by SIGSEGV. */
#include "tracee.h"
#include <elf.h>
#include <sys/resource.h>

static void *execs(void *file) {
    char *const words[] = {file, NULL};
    execv(file, words);
    die(file);
    return NULL;
}

int main(int argc, char **argv) {
    Elf64_Ehdr head = {.e_ident = ELFMAG "\2\1\1", .e_type = ET_EXEC, .e_machine = EM_X86_64};
    Elf64_Phdr part = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_align = 4096};
    struct rlimit none = {0, 0};
    if (argc != 3) return 2;
    alarm(300);
    must(setrlimit(RLIMIT_CORE, &none), "setrlimit");
    head.e_version = 1;
    head.e_phoff = head.e_ehsize = sizeof head;
    head.e_phentsize = sizeof part;
    head.e_phnum = 1;
    part.p_vaddr = head.e_entry = 0xffff800000000000;
    part.p_filesz = part.p_memsz = sizeof head + sizeof part;
    int fd = must(open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0700), argv[2]);
    must(write(fd, &head, sizeof head), "write");
    must(write(fd, &part, sizeof part), "write");
    close(fd);
    if (!strcmp(argv[1], "thread")) thread(execs, argv[2]);
    else execs(argv[2]);
    for (;;) pause();
}
