"""Names of the constants that calls on descriptors take."""

from __future__ import annotations

from typing import Final

from tracerd.core.decode.sets import FlagSet, ValueSet

SEEK: Final = ValueSet(
    {
        "SEEK_SET": 0,
        "SEEK_CUR": 1,
        "SEEK_END": 2,
        "SEEK_DATA": 3,
        "SEEK_HOLE": 4,
    }
)

FCNTL: Final = ValueSet(
    {
        "F_DUPFD": 0,
        "F_GETFD": 1,
        "F_SETFD": 2,
        "F_GETFL": 3,
        "F_SETFL": 4,
        "F_GETLK": 5,
        "F_SETLK": 6,
        "F_SETLKW": 7,
        "F_SETOWN": 8,
        "F_GETOWN": 9,
        "F_SETSIG": 10,
        "F_GETSIG": 11,
        "F_SETOWN_EX": 15,
        "F_GETOWN_EX": 16,
        "F_GETOWNER_UIDS": 17,
        "F_OFD_GETLK": 36,
        "F_OFD_SETLK": 37,
        "F_OFD_SETLKW": 38,
        "F_SETLEASE": 1024,
        "F_GETLEASE": 1025,
        "F_NOTIFY": 1026,
        "F_CANCELLK": 1029,
        "F_DUPFD_CLOEXEC": 1030,
        "F_SETPIPE_SZ": 1031,
        "F_GETPIPE_SZ": 1032,
        "F_ADD_SEALS": 1033,
        "F_GET_SEALS": 1034,
        "F_GET_RW_HINT": 1035,
        "F_SET_RW_HINT": 1036,
        "F_GET_FILE_RW_HINT": 1037,
        "F_SET_FILE_RW_HINT": 1038,
        "F_DUPFD_QUERY": 1027,
        "F_CREATED_QUERY": 1028,
    }
)

FD: Final = FlagSet(
    {
        "FD_CLOEXEC": 1,
    }
)

SEALS: Final = FlagSet(
    {
        "F_SEAL_SEAL": 0x1,
        "F_SEAL_SHRINK": 0x2,
        "F_SEAL_GROW": 0x4,
        "F_SEAL_WRITE": 0x8,
        "F_SEAL_FUTURE_WRITE": 0x10,
        "F_SEAL_EXEC": 0x20,
    }
)

LEASE: Final = ValueSet({"F_RDLCK": 0, "F_WRLCK": 1, "F_UNLCK": 2})

OWNER: Final = ValueSet({"F_OWNER_TID": 0, "F_OWNER_PID": 1, "F_OWNER_PGRP": 2})

RW_HINT: Final = ValueSet(
    {
        "RWH_WRITE_LIFE_NOT_SET": 0,
        "RWH_WRITE_LIFE_NONE": 1,
        "RWH_WRITE_LIFE_SHORT": 2,
        "RWH_WRITE_LIFE_MEDIUM": 3,
        "RWH_WRITE_LIFE_LONG": 4,
        "RWH_WRITE_LIFE_EXTREME": 5,
    }
)

NOTIFY: Final = FlagSet(
    {
        "DN_ACCESS": 0x1,
        "DN_MODIFY": 0x2,
        "DN_CREATE": 0x4,
        "DN_DELETE": 0x8,
        "DN_RENAME": 0x10,
        "DN_ATTRIB": 0x20,
        "DN_MULTISHOT": 0x80000000,
    }
)

FLOCK: Final = FlagSet(
    {
        "LOCK_SH": 1,
        "LOCK_EX": 2,
        "LOCK_NB": 4,
        "LOCK_UN": 8,
    }
)

FADVISE: Final = ValueSet(
    {
        "POSIX_FADV_NORMAL": 0,
        "POSIX_FADV_RANDOM": 1,
        "POSIX_FADV_SEQUENTIAL": 2,
        "POSIX_FADV_WILLNEED": 3,
        "POSIX_FADV_DONTNEED": 4,
        "POSIX_FADV_NOREUSE": 5,
    }
)

SYNC_RANGE: Final = FlagSet(
    {
        "SYNC_FILE_RANGE_WAIT_BEFORE": 1,
        "SYNC_FILE_RANGE_WRITE": 2,
        "SYNC_FILE_RANGE_WAIT_AFTER": 4,
    }
)

SPLICE: Final = FlagSet(
    {
        "SPLICE_F_MOVE": 1,
        "SPLICE_F_NONBLOCK": 2,
        "SPLICE_F_MORE": 4,
        "SPLICE_F_GIFT": 8,
    }
)

RWF: Final = FlagSet(
    {
        "RWF_HIPRI": 0x1,
        "RWF_DSYNC": 0x2,
        "RWF_SYNC": 0x4,
        "RWF_NOWAIT": 0x8,
        "RWF_APPEND": 0x10,
        "RWF_NOAPPEND": 0x20,
        "RWF_ATOMIC": 0x40,
        "RWF_DONTCACHE": 0x80,
    }
)

CLOSE_RANGE: Final = FlagSet(
    {
        "CLOSE_RANGE_UNSHARE": 2,
        "CLOSE_RANGE_CLOEXEC": 4,
    }
)

POLL: Final = FlagSet(
    {
        "POLLIN": 0x1,
        "POLLPRI": 0x2,
        "POLLOUT": 0x4,
        "POLLERR": 0x8,
        "POLLHUP": 0x10,
        "POLLNVAL": 0x20,
        "POLLRDNORM": 0x40,
        "POLLRDBAND": 0x80,
        "POLLWRNORM": 0x100,
        "POLLWRBAND": 0x200,
        "POLLMSG": 0x400,
        "POLLREMOVE": 0x1000,
        "POLLRDHUP": 0x2000,
    }
)

EPOLL: Final = FlagSet(
    {
        "EPOLLIN": 0x1,
        "EPOLLPRI": 0x2,
        "EPOLLOUT": 0x4,
        "EPOLLERR": 0x8,
        "EPOLLHUP": 0x10,
        "EPOLLRDNORM": 0x40,
        "EPOLLRDBAND": 0x80,
        "EPOLLWRNORM": 0x100,
        "EPOLLWRBAND": 0x200,
        "EPOLLMSG": 0x400,
        "EPOLLRDHUP": 0x2000,
        "EPOLLEXCLUSIVE": 0x10000000,
        "EPOLLWAKEUP": 0x20000000,
        "EPOLLONESHOT": 0x40000000,
        "EPOLLET": 0x80000000,
    }
)

EPOLL_CTL: Final = ValueSet(
    {
        "EPOLL_CTL_ADD": 1,
        "EPOLL_CTL_DEL": 2,
        "EPOLL_CTL_MOD": 3,
    }
)

EPOLL_CREATE: Final = FlagSet({"EPOLL_CLOEXEC": 0o2000000})

EVENTFD: Final = FlagSet({"EFD_SEMAPHORE": 1, "EFD_CLOEXEC": 0o2000000, "EFD_NONBLOCK": 0o4000})

SIGNALFD: Final = FlagSet({"SFD_CLOEXEC": 0o2000000, "SFD_NONBLOCK": 0o4000})

TIMERFD_CREATE: Final = FlagSet({"TFD_CLOEXEC": 0o2000000, "TFD_NONBLOCK": 0o4000})

TIMERFD_SETTIME: Final = FlagSet({"TFD_TIMER_ABSTIME": 1, "TFD_TIMER_CANCEL_ON_SET": 2})

PIDFD: Final = FlagSet({"PIDFD_NONBLOCK": 0o4000, "PIDFD_THREAD": 0o200})

MEMFD: Final = FlagSet(
    {
        "MFD_CLOEXEC": 0x1,
        "MFD_ALLOW_SEALING": 0x2,
        "MFD_HUGETLB": 0x4,
        "MFD_NOEXEC_SEAL": 0x8,
        "MFD_EXEC": 0x10,
    },
    mask=0xFC000000,
    field={
        "MFD_HUGE_64KB": 0x40000000,
        "MFD_HUGE_512KB": 0x4C000000,
        "MFD_HUGE_1MB": 0x50000000,
        "MFD_HUGE_2MB": 0x54000000,
        "MFD_HUGE_8MB": 0x5C000000,
        "MFD_HUGE_16MB": 0x60000000,
        "MFD_HUGE_32MB": 0x64000000,
        "MFD_HUGE_256MB": 0x70000000,
        "MFD_HUGE_512MB": 0x74000000,
        "MFD_HUGE_1GB": 0x78000000,
        "MFD_HUGE_2GB": 0x7C000000,
        "MFD_HUGE_16GB": 0x88000000,
    },
)

SECRET: Final = FlagSet({"O_CLOEXEC": 0o2000000})

USERFAULTFD: Final = FlagSet(
    {"UFFD_USER_MODE_ONLY": 1, "O_CLOEXEC": 0o2000000, "O_NONBLOCK": 0o4000}
)

PERF: Final = FlagSet(
    {
        "PERF_FLAG_FD_NO_GROUP": 1,
        "PERF_FLAG_FD_OUTPUT": 2,
        "PERF_FLAG_PID_CGROUP": 4,
        "PERF_FLAG_FD_CLOEXEC": 8,
    }
)

URING_ENTER: Final = FlagSet(
    {
        "IORING_ENTER_GETEVENTS": 0x1,
        "IORING_ENTER_SQ_WAKEUP": 0x2,
        "IORING_ENTER_SQ_WAIT": 0x4,
        "IORING_ENTER_EXT_ARG": 0x8,
        "IORING_ENTER_REGISTERED_RING": 0x10,
        "IORING_ENTER_ABS_TIMER": 0x20,
        "IORING_ENTER_EXT_ARG_REG": 0x40,
        "IORING_ENTER_NO_IOWAIT": 0x80,
    }
)

BPF: Final = ValueSet(
    {
        "BPF_MAP_CREATE": 0,
        "BPF_MAP_LOOKUP_ELEM": 1,
        "BPF_MAP_UPDATE_ELEM": 2,
        "BPF_MAP_DELETE_ELEM": 3,
        "BPF_MAP_GET_NEXT_KEY": 4,
        "BPF_PROG_LOAD": 5,
        "BPF_OBJ_PIN": 6,
        "BPF_OBJ_GET": 7,
        "BPF_PROG_ATTACH": 8,
        "BPF_PROG_DETACH": 9,
        "BPF_PROG_TEST_RUN": 10,
        "BPF_PROG_GET_NEXT_ID": 11,
        "BPF_MAP_GET_NEXT_ID": 12,
        "BPF_PROG_GET_FD_BY_ID": 13,
        "BPF_MAP_GET_FD_BY_ID": 14,
        "BPF_OBJ_GET_INFO_BY_FD": 15,
        "BPF_PROG_QUERY": 16,
        "BPF_RAW_TRACEPOINT_OPEN": 17,
        "BPF_BTF_LOAD": 18,
        "BPF_BTF_GET_FD_BY_ID": 19,
        "BPF_TASK_FD_QUERY": 20,
        "BPF_MAP_LOOKUP_AND_DELETE_ELEM": 21,
        "BPF_MAP_FREEZE": 22,
        "BPF_BTF_GET_NEXT_ID": 23,
        "BPF_MAP_LOOKUP_BATCH": 24,
        "BPF_MAP_LOOKUP_AND_DELETE_BATCH": 25,
        "BPF_MAP_UPDATE_BATCH": 26,
        "BPF_MAP_DELETE_BATCH": 27,
        "BPF_LINK_CREATE": 28,
        "BPF_LINK_UPDATE": 29,
        "BPF_LINK_GET_FD_BY_ID": 30,
        "BPF_LINK_GET_NEXT_ID": 31,
        "BPF_ENABLE_STATS": 32,
        "BPF_ITER_CREATE": 33,
        "BPF_LINK_DETACH": 34,
        "BPF_PROG_BIND_MAP": 35,
        "BPF_TOKEN_CREATE": 36,
    }
)

URING_REGISTER: Final = ValueSet(
    {
        "IORING_REGISTER_BUFFERS": 0,
        "IORING_UNREGISTER_BUFFERS": 1,
        "IORING_REGISTER_FILES": 2,
        "IORING_UNREGISTER_FILES": 3,
        "IORING_REGISTER_EVENTFD": 4,
        "IORING_UNREGISTER_EVENTFD": 5,
        "IORING_REGISTER_FILES_UPDATE": 6,
        "IORING_REGISTER_EVENTFD_ASYNC": 7,
        "IORING_REGISTER_PROBE": 8,
        "IORING_REGISTER_PERSONALITY": 9,
        "IORING_UNREGISTER_PERSONALITY": 10,
        "IORING_REGISTER_RESTRICTIONS": 11,
        "IORING_REGISTER_ENABLE_RINGS": 12,
        "IORING_REGISTER_FILES2": 13,
        "IORING_REGISTER_FILES_UPDATE2": 14,
        "IORING_REGISTER_BUFFERS2": 15,
        "IORING_REGISTER_BUFFERS_UPDATE": 16,
        "IORING_REGISTER_IOWQ_AFF": 17,
        "IORING_UNREGISTER_IOWQ_AFF": 18,
        "IORING_REGISTER_IOWQ_MAX_WORKERS": 19,
        "IORING_REGISTER_RING_FDS": 20,
        "IORING_UNREGISTER_RING_FDS": 21,
        "IORING_REGISTER_PBUF_RING": 22,
        "IORING_UNREGISTER_PBUF_RING": 23,
        "IORING_REGISTER_SYNC_CANCEL": 24,
        "IORING_REGISTER_FILE_ALLOC_RANGE": 25,
    }
)

KEXEC_FILE: Final = FlagSet(
    {"KEXEC_FILE_UNLOAD": 1, "KEXEC_FILE_ON_CRASH": 2, "KEXEC_FILE_NO_INITRAMFS": 4}
)

MODULE: Final = FlagSet(
    {
        "MODULE_INIT_IGNORE_MODVERSIONS": 1,
        "MODULE_INIT_IGNORE_VERMAGIC": 2,
        "MODULE_INIT_COMPRESSED_FILE": 4,
    }
)
