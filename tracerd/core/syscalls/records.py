"""The words for structures: which decoder, how many bytes, and at which stop.

A structure that the program fills is read at the enter-stop, one that the kernel fills at
the exit-stop; one that the kernel changes at both.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from tracerd.core.decode import (
    aio,
    bpf,
    depending,
    dirents,
    fileargs,
    ipc,
    landlock,
    locks,
    mounts,
    perf,
    policies,
    process,
    signals,
    stages,
    stat,
    system,
    times,
    uring,
    waiting,
    words,
)
from tracerd.core.decode.names.descriptors import URING_REGISTER
from tracerd.core.decode.structs import size_of
from tracerd.core.syscalls.model import Decode, How
from tracerd.core.syscalls.vocabulary import BUFFER_LIMIT, Draft, Want, mode

ARRAY_LIMIT: Final = 32
"""Elements of an array (of polled descriptors, of events) that are looked at."""
FD_SET_SIZE: Final = 128
"""As the C library's fd_set: 1,024 descriptors."""
DIRENTS_LIMIT: Final = 2048
"""Some eighty entries with short names."""
CPUS_SIZE: Final = 128
"""As the C library's cpu_set_t: 1,024 processors."""


def struct_in(name: str, kind: str, decode: Decode, size: int) -> Draft:
    """Return a structure that the program has filled."""
    return Draft(name, kind, decode, enter=Want(How.BYTES, size))


def struct_out(name: str, kind: str, decode: Decode, size: int) -> Draft:
    """Return a structure that the kernel fills."""
    return Draft(name, kind, decode, exit=Want(How.BYTES, size))


def struct_both(name: str, kind: str, decode: Decode, size: int) -> Draft:
    """Return a structure that the program fills and the kernel changes.  decode takes a Pair."""
    want = Want(How.BYTES, size)
    return Draft(name, kind, decode, enter=want, exit=want, both=True)


def array_in(name: str, kind: str, decode: Decode, element: int, length: str) -> Draft:
    """Return an array that the program has filled; argument `length` says of how many."""
    want = Want(How.ARRAY, ARRAY_LIMIT * element, length, element)
    return Draft(name, kind, decode, enter=want)


def array_out(name: str, kind: str, decode: Decode, element: int, length: str = "") -> Draft:
    """Return an array that the kernel fills, with `length` elements or as many as it returns."""
    want = Want(How.ARRAY, ARRAY_LIMIT * element, length, element)
    return Draft(name, kind, decode, exit=want)


def sized_in(name: str, kind: str, decode: Decode, limit: int, length: str) -> Draft:
    """Return a structure of a size that the program says."""
    return Draft(name, kind, decode, enter=Want(How.ARRAY, limit, length, 1))


def sized_out(name: str, kind: str, decode: Decode, limit: int, length: str) -> Draft:
    """Return a structure that the kernel fills, of a size that the program says."""
    return Draft(name, kind, decode, exit=Want(How.ARRAY, limit, length, 1))


def only_with(draft: Draft, flags: str, bits: int) -> Draft:
    """Return an argument that the call has only if its flags have one of some bits."""
    return replace(draft, bind=lambda at: depending.only_with(at[flags], bits, draft.decode))


# Files.

stat_out: Final = struct_out("statbuf", "stat", stat.stat_, size_of(stat.STAT))
statx_out: Final = struct_out("buffer", "statx", stat.statx, size_of(stat.STATX))
statfs_out: Final = struct_out("buf", "statfs", stat.statfs, size_of(stat.STATFS_LAYOUT))
open_how: Final = sized_in("how", "open_how", fileargs.open_how, fileargs.OPEN_HOW_SIZE, "usize")
mount_attr: Final = sized_in(
    "uattr", "mount_attr", fileargs.mount_attr, fileargs.MOUNT_ATTR_SIZE, "usize"
)
open_mode: Final = only_with(mode, "flags", depending.MAKES_A_FILE)
mq_mode: Final = only_with(mode, "oflag", depending.MAKES_A_FILE)
file_attr_in: Final = sized_in(
    "ufattr", "file_attr", fileargs.file_attr, fileargs.FILE_ATTR_SIZE, "usize"
)
file_attr_out: Final = struct_out(
    "ufattr", "file_attr", fileargs.file_attr, fileargs.FILE_ATTR_SIZE
)
handle_in: Final = struct_in("handle", "file_handle", fileargs.file_handle, fileargs.HANDLE_SIZE)
handle_out: Final = struct_out("handle", "file_handle", fileargs.file_handle, fileargs.HANDLE_SIZE)
mq_attr_in: Final = struct_in("u_attr", "mq_attr", fileargs.mq_attr, fileargs.MQ_ATTR_SIZE)
mq_attr_out: Final = struct_out("u_omqstat", "mq_attr", fileargs.mq_attr, fileargs.MQ_ATTR_SIZE)


def pair_out(name: str) -> Draft:
    """Return the two descriptors that pipe and socketpair give."""
    return struct_out(name, "fds", fileargs.ints, 8)


def int_out(name: str) -> Draft:
    """Return a pointer to an int that the kernel sets."""
    return struct_out(name, "ints", fileargs.ints, 4)


def size_both(name: str) -> Draft:
    """Return a pointer to a size: of the room there is, and of what the kernel had for it."""
    return struct_both(name, "value_result", stages.value_result, 4)


def long_out(name: str) -> Draft:
    """Return a pointer to a long that the kernel sets."""
    return struct_out(name, "ints", fileargs.longs, 8)


def pointer_out(name: str) -> Draft:
    """Return a pointer to a pointer that the kernel sets."""
    return struct_out(name, "addresses", policies.pointer, 8)


def int_in(name: str) -> Draft:
    """Return a pointer to an int that the program has set."""
    return struct_in(name, "ints", fileargs.ints, 4)


def offset(name: str) -> Draft:
    """Return a pointer to a file offset that the call moves."""
    return struct_both(name, "offs", stages.offset, 8)


def dirents_out(name_at: int) -> Draft:
    """Return the directory entries that the call gives, whose names begin at `name_at`."""
    want = Want(How.ARRAY, DIRENTS_LIMIT, element=1)
    return Draft("dirent", "dirents", dirents.dirents(name_at), exit=want)


dirents_old: Final = dirents_out(dirents.DIRENT_NAME)
dirents64: Final = dirents_out(dirents.DIRENT64_NAME)
xattr_args: Final = struct_in("uargs", "xattr_args", fileargs.xattr_args, fileargs.XATTR_ARGS_SIZE)
mnt_id_req: Final = struct_in("req", "mnt_id_req", fileargs.mnt_id_req, fileargs.MNT_ID_REQ_SIZE)
ns_id_req: Final = struct_in("req", "ns_id_req", fileargs.ns_id_req, fileargs.NS_ID_REQ_SIZE)


def ids_out(name: str) -> Draft:
    """Return as many numbers of 64 bits as the call returns."""
    return Draft(name, "ids", fileargs.ids, exit=Want(How.ARRAY, ARRAY_LIMIT * 8, element=8))


statmount_out: Final = sized_out(
    "buf", "statmount", mounts.statmount, mounts.STATMOUNT_LIMIT, "bufsize"
)
cachestat_range: Final = struct_in("cstat_range", "cachestat_range", fileargs.cachestat_range, 16)
cachestat: Final = struct_out("cstat", "cachestat", fileargs.cachestat, fileargs.CACHESTAT_SIZE)


# Times.


def timespec_in(name: str) -> Draft:
    """Return a struct timespec that the program has filled."""
    return struct_in(name, "timespec", times.timespec, 16)


def timespec_out(name: str) -> Draft:
    """Return a struct timespec that the kernel fills."""
    return struct_out(name, "timespec", times.timespec, 16)


def timespec_both(name: str) -> Draft:
    """Return the time a call waits at most; the kernel puts there what is left of it."""
    return struct_both(name, "timespec", times.timespec_left, 16)


def timeval_both(name: str) -> Draft:
    """Return the same as a struct timeval."""
    return struct_both(name, "timeval", times.timeval_left, 16)


def timeval_in(name: str) -> Draft:
    """Return a struct timeval that the program has filled."""
    return struct_in(name, "timeval", times.timeval, 16)


def timeval_out(name: str) -> Draft:
    """Return a struct timeval that the kernel fills."""
    return struct_out(name, "timeval", times.timeval, 16)


def itimerspec_in(name: str) -> Draft:
    """Return a struct itimerspec that the program has filled."""
    return struct_in(name, "itimerspec", times.itimerspec, 32)


def itimerspec_out(name: str) -> Draft:
    """Return a struct itimerspec that the kernel fills."""
    return struct_out(name, "itimerspec", times.itimerspec, 32)


def itimerval_in(name: str) -> Draft:
    """Return a struct itimerval that the program has filled."""
    return struct_in(name, "itimerval", times.itimerval, 32)


def itimerval_out(name: str) -> Draft:
    """Return a struct itimerval that the kernel fills."""
    return struct_out(name, "itimerval", times.itimerval, 32)


file_times: Final = struct_in("utimes", "file_times", times.file_times, 32)
timevals: Final = struct_in("utimes", "timevals", times.timevals, 32)
utimbuf: Final = struct_in("times", "utimbuf", times.utimbuf, 16)

# Waiting for descriptors.

epoll_event_in: Final = struct_in(
    "event", "epoll_event", waiting.epoll_event, waiting.EPOLL_EVENT_SIZE
)
epoll_events_out: Final = Draft(
    "events",
    "epoll_events",
    waiting.epoll_events,
    exit=Want(
        How.ARRAY,
        ARRAY_LIMIT * waiting.EPOLL_EVENT_SIZE,
        element=waiting.EPOLL_EVENT_SIZE,
    ),
)
_POLLFDS: Final = Want(
    How.ARRAY, ARRAY_LIMIT * waiting.POLLFD_SIZE, "nfds", element=waiting.POLLFD_SIZE
)
pollfds: Final = Draft("ufds", "pollfds", waiting.pollfds, enter=_POLLFDS, exit=_POLLFDS)
"""As asked for; once the call has returned, with what was found."""


def fd_set(name: str) -> Draft:
    """Return a set of descriptors below argument `n`: those asked for, and those ready."""
    draft = struct_both(name, "fd_set", words.ptr, FD_SET_SIZE)
    return replace(draft, bind=lambda at: waiting.fd_set(at["n"]))


ruleset_in: Final = sized_in(
    "attr", "landlock_ruleset", landlock.ruleset, landlock.RULESET_SIZE, "size"
)
uring_params: Final = struct_both(
    "params", "io_uring_params", stages.answered(uring.params, uring.params), uring.PARAMS_SIZE
)
uring_arg: Final = replace(
    struct_in("argp", "any", words.ptr, uring.GETEVENTS_SIZE),
    bind=lambda at: uring.enter_arg(at["flags"]),
)


def uring_register(ranges: Decode, size: int) -> Draft:
    """Return what io_uring_register takes.  ranges: decoder of iovecs of `size` bytes each."""
    return replace(
        struct_in("arg", "any", words.ptr, uring.REGISTER_LIMIT),
        bind=lambda at: uring.register_arg(
            at["opcode"], at["nr_args"], URING_REGISTER.values, ranges, size
        ),
    )


bpf_attr: Final = replace(
    sized_in("uattr", "any", words.ptr, bpf.ATTR_LIMIT, "size"),
    bind=lambda at: bpf.attr(at["cmd"]),
)
perf_attr: Final = struct_in("attr_uptr", "perf_attr", perf.attr, perf.ATTR_SIZE)


# Memory, System V IPC, asynchronous transfers, locks.


def nodes_in(name: str, count: str = "maxnode") -> Draft:
    """Return a mask of nodes that the program has filled, of so many bits but one."""
    draft = struct_in(name, "nodes", words.ptr, policies.NODES_SIZE)
    return replace(draft, bind=lambda at: policies.nodes(at[count]))


nodes_out: Final = replace(
    struct_out("nmask", "nodes", words.ptr, policies.NODES_SIZE),
    bind=lambda at: policies.nodes(at["maxnode"]),
)
policy_out: Final = struct_out("policy", "policy", policies.policy, 4)
pages: Final = array_in("pages", "addresses", policies.addresses, 8, "nr_pages")
page_nodes: Final = array_in("nodes", "ints", fileargs.ints, 4, "nr_pages")
page_status: Final = array_out("status", "ints", fileargs.ints, 4, "nr_pages")
resident: Final = replace(
    struct_out("vec", "resident", words.ptr, ARRAY_LIMIT),
    bind=lambda at: policies.resident(at["len"]),
)


def ranges_in(name: str, length: str) -> Draft:
    """Return iovecs whose memory is not looked at."""
    return array_in(name, "ranges", policies.ranges, policies.RANGE_SIZE, length)


sembufs: Final = array_in("tsops", "sembufs", ipc.sembufs, ipc.SEMBUF_SIZE, "nsops")
ipc_key: Final = Draft("key", "ipc_key", ipc.key)
_MSGBUF: Final = BUFFER_LIMIT + 8
msgbuf_in: Final = Draft(
    "msgp", "msgbuf", ipc.msgbuf, enter=Want(How.BYTES_LEN, _MSGBUF, "msgsz", 8)
)
msgbuf_out: Final = Draft(
    "msgp", "msgbuf", ipc.msgbuf, exit=Want(How.BYTES_RET, _MSGBUF, element=8)
)
iocbs: Final = Draft(
    "iocbpp", "iocbs", aio.iocbs, enter=Want(How.POINTED, ARRAY_LIMIT * 64, "nr", aio.IOCB_SIZE)
)
iocb: Final = struct_in("iocb", "iocb", aio.iocb, aio.IOCB_SIZE)
io_events: Final = array_out("events", "io_events", aio.events, aio.EVENT_SIZE)
io_event: Final = struct_out("result", "io_events", aio.events, aio.EVENT_SIZE)
futex_timeout: Final = struct_in("utime", "any", locks.timeout, 16)
futex_waiters: Final = array_in(
    "waiters", "futex_waiters", locks.waiters, locks.WAITER_SIZE, "nr_futexes"
)
futex_pair: Final = struct_in("waiters", "futex_waiters", locks.waiters, 2 * locks.WAITER_SIZE)

# The system as a whole, rights.

sysinfo: Final = struct_out("info", "sysinfo", system.sysinfo, system.SYSINFO_SIZE)
tms: Final = struct_out("tbuf", "tms", system.tms, system.TMS_SIZE)
ustat: Final = struct_out("ubuf", "ustat", system.ustat, system.USTAT_SIZE)
kexec_segments: Final = array_in(
    "segments", "kexec_segments", system.kexec_segments, system.KEXEC_SEGMENT_SIZE, "nr_segments"
)
cap_header: Final = struct_in("header", "cap_header", system.cap_header, system.CAP_HEADER_SIZE)
cap_data_in: Final = struct_in("data", "cap_data", system.cap_data, system.CAP_DATA_SIZE)
cap_data_out: Final = struct_out("dataptr", "cap_data", system.cap_data, system.CAP_DATA_SIZE)
timezone_in: Final = struct_in("tz", "timezone", system.timezone, system.TIMEZONE_SIZE)
timezone_out: Final = struct_out("tz", "timezone", system.timezone, system.TIMEZONE_SIZE)
personality: Final = Draft("personality", "flags", system.personality)
ioprio: Final = Draft("ioprio", "ioprio", system.ioprio)
quota_command: Final = Draft("cmd", "quota_cmd", system.quota_command)
quota_argument: Final = replace(
    struct_both("addr", "any", words.ptr, system.QUOTA_SIZE),
    bind=lambda at: system.quota_argument(at["cmd"]),
)
lsm_ids: Final = array_out("ids", "lsm_ids", system.lsm_ids, 8)
groups_in: Final = array_in("grouplist", "groups", fileargs.uints, 4, "gidsetsize")
groups_out: Final = array_out("grouplist", "groups", fileargs.uints, 4)


def timex(name: str) -> Draft:
    """Return a struct timex, as the clock was told to be and as it then is."""
    return struct_both(name, "timex", TIMEX, system.TIMEX_SIZE)


TIMEX: Final = stages.answered(system.timex, system.timex)


def lsm_context_in(name: str) -> Draft:
    """Return a struct lsm_ctx that the program has filled."""
    return struct_in(name, "lsm_context", system.lsm_context, system.LSM_CONTEXT_SIZE)


def lsm_context_out(name: str) -> Draft:
    """Return a struct lsm_ctx that the kernel fills."""
    return struct_out(name, "lsm_context", system.lsm_context, system.LSM_CONTEXT_SIZE)


# Processes and signals.

signal: Final = Draft("sig", "signal", signals.signal)
wait_status: Final = struct_out("stat_addr", "wstatus", process.when_reaped(process.wstatus), 4)
rusage_out: Final = struct_out("ru", "rusage", process.rusage, process.RUSAGE_SIZE)
rusage_reaped: Final = replace(rusage_out, decode=process.when_reaped(process.rusage))
siginfo_in: Final = struct_in("uinfo", "siginfo", signals.siginfo, signals.SIGINFO_SIZE)
siginfo_out: Final = struct_out("infop", "siginfo", signals.siginfo, signals.SIGINFO_SIZE)
clone_args: Final = sized_in(
    "uargs", "clone_args", process.clone_args, process.CLONE_ARGS_SIZE, "size"
)
segment_set: Final = struct_both("u_info", "segment", process.segment_set, process.SEGMENT_SIZE)
segment_out: Final = struct_out("u_info", "segment", process.segment, process.SEGMENT_SIZE)
exit_status: Final = Draft("error_code", "int", process.exit_status)
sched_attr_in: Final = struct_in("uattr", "sched_attr", process.sched_attr, process.SCHED_ATTR_SIZE)
sched_attr_out: Final = sized_out(
    "uattr", "sched_attr", process.sched_attr, process.SCHED_ATTR_SIZE, "usize"
)
cpus_in: Final = sized_in("user_mask_ptr", "cpus", process.cpus, CPUS_SIZE, "len")
cpus_out: Final = Draft(
    "user_mask_ptr", "cpus", process.cpus, exit=Want(How.ARRAY, CPUS_SIZE, element=1)
)
sigevent_in: Final = struct_in(
    "timer_event_spec", "sigevent", signals.sigevent, signals.SIGEVENT_SIZE
)
sigmask_at: Final = Draft(
    "sig", "sigset", signals.sigmask_at, enter=Want(How.BYTES_AT, signals.SIGSET_SIZE)
)
"""The last argument of pselect6: a struct of the set's address and its size."""
utsname_out: Final = struct_out("name", "utsname", process.utsname, process.UTSNAME_SIZE)


def stack_in(name: str) -> Draft:
    """Return a stack_t that the program has filled."""
    return struct_in(name, "signal_stack", signals.stack, signals.STACK_SIZE)


def stack_out(name: str) -> Draft:
    """Return a stack_t that the kernel fills."""
    return struct_out(name, "signal_stack", signals.stack, signals.STACK_SIZE)


def sigset_in(name: str) -> Draft:
    """Return a set of signals that the program has filled."""
    return struct_in(name, "sigset", signals.sigset, signals.SIGSET_SIZE)


def sigset_out(name: str) -> Draft:
    """Return a set of signals that the kernel fills."""
    return struct_out(name, "sigset", signals.sigset, signals.SIGSET_SIZE)


def sigaction_in(name: str) -> Draft:
    """Return a struct sigaction that the program has filled."""
    return struct_in(name, "sigaction", process.sigaction, process.SIGACTION_SIZE)


def sigaction_out(name: str) -> Draft:
    """Return a struct sigaction that the kernel fills."""
    return struct_out(name, "sigaction", process.sigaction, process.SIGACTION_SIZE)


def rlimit_in(name: str) -> Draft:
    """Return a struct rlimit that the program has filled."""
    return struct_in(name, "rlimit", process.rlimit, 16)


def rlimit_out(name: str) -> Draft:
    """Return a struct rlimit that the kernel fills."""
    return struct_out(name, "rlimit", process.rlimit, 16)
