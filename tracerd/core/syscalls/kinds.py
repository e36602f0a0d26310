"""The kinds of argument and of result, and the JSON value of each.

Whatever its kind, an argument is null for a NULL pointer, and `{"ptr": "0x…"}` for a pointer
that was not followed (memory not readable, nothing filled in yet, content not asked for).
"""

from __future__ import annotations

from typing import Final

KINDS: Final[dict[str, str]] = {
    # Words
    "int": "number",
    "uint": "number",
    "long": "number",
    "ulong": "number",
    "size": "number of bytes or of elements",
    "off": "number: a file offset or length",
    "ptr": "address in hex",
    "word": "any 64 bits, in hex",
    "fd": "descriptor",
    "dirfd": 'descriptor, or "AT_FDCWD"',
    "pid": "process or thread id, or what wait4 and kill take for one",
    "uid": "user id; -1: as it is",
    "gid": "group id; -1: as it is",
    "mode": "permissions, and type of file if given, in octal",
    "dev": '"major:minor"',
    "flags": "list of names; bits without a name as one last item in hex",
    "enum": "name; a number if it has none",
    "signal": "name; a number if it has none",
    "none": "not shown: told with another argument (the upper half of 64 bits), or not looked at",
    "any": "what the command in another argument says: number, name, list, structure or address",
    # Text and contents
    "path": "text; {text, truncated} if it was cut",
    "string": "text; {text, truncated} if it was cut",
    "strings": "list of text; {items, truncated} if it is not all",
    "buffer": "{text, size}, and truncated if text is not all",
    "iovec": "{count, text, size, lengths}, and truncated if text is not all; lengths: of each",
    "msghdr": "{name, namelen, text, size, lengths, iovlen, controllen, control, flags}; "
    "name: a sockaddr or null; namelen: a number, or two, before and after; "
    "control: list of {level, type} with fds, pid, uid and gid, or data in hex",
    "mmsghdr": "{count, messages}: how many, and each as msghdr; truncated if they are not all",
    "dirents": "{entries, names}; {names, size, truncated} if not all of the buffer was read",
    # Pointers to words
    "ints": "list of numbers",
    "offs": "list of one file offset; of two, before and after, once the call has returned",
    "fds": "list of the two descriptors made",
    "fd_set": "list of descriptors; {asked, ready} once the call has returned",
    "sigset": "list of names; {all_but} if they are more than half",
    "option": "list of numbers or names, structure or text; {data, size} in hex for others",
    "wstatus": "{exited}, {signaled, core_dumped}, {stopped, syscall, event} or {continued}",
    # Structures, by the names of the C library without their prefix (st_, tv_, …)
    "sockaddr": "{family, …}: path or unnamed; addr and port; …; data in hex for others",
    "stat": "struct stat; times as {sec, nsec}",
    "statx": "struct statx",
    "statfs": "struct statfs",
    "open_how": "struct open_how",
    "file_handle": "{handle_bytes, handle_type}",
    "mount_attr": "struct mount_attr",
    "file_attr": "struct file_attr",
    "mq_attr": "struct mq_attr",
    "timespec": "{sec, nsec}",
    "timeval": "{sec, usec}",
    "file_times": 'two of {sec, nsec}, "UTIME_NOW" or "UTIME_OMIT"',
    "timevals": "two of {sec, usec}",
    "utimbuf": "{actime, modtime}",
    "itimerspec": "{interval, value}",
    "itimerval": "{interval, value}",
    "epoll_event": "{events, data}",
    "epoll_events": "list of {events, data}",
    "pollfds": "list of {fd, events, revents}",
    "rusage": "struct rusage",
    "rlimit": '{cur, max}; "RLIM_INFINITY" for none',
    "siginfo": "{signo, code, …}",
    "sigaction": "{handler, mask, flags, restorer}",
    "clone_args": "struct clone_args without what is zero",
    "utsname": "struct utsname",
    "cpus": "list of processors; {items, truncated} if it was cut",
    "sched_attr": "struct sched_attr",
    "sigevent": "{notify, signo, value}, and tid for SIGEV_THREAD_ID",
    "cachestat_range": "{off, len}",
    "cachestat": "struct cachestat",
    "xattr_args": "struct xattr_args",
    "mnt_id_req": "struct mnt_id_req",
    "ns_id_req": "struct ns_id_req",
    "ids": "list of numbers in hex",
    "landlock_ruleset": "struct landlock_ruleset_attr",
    "io_uring_params": "struct io_uring_params without the offsets",
}
"""Kind -> its value, in words."""
