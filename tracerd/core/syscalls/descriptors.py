"""Calls on descriptors: transfers, positions, duplicates, waiting, and the special kinds.

Rules as in files.py.  `io` calls count as file access from that level on; calls that
make or wait for descriptors of other kinds never do.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from tracerd.core.decode import policies, results
from tracerd.core.decode.names import descriptors as names
from tracerd.core.decode.names import files, memory, watches
from tracerd.core.syscalls import commands, records
from tracerd.core.syscalls.model import Syscall
from tracerd.core.syscalls.vocabulary import (
    bytes_in,
    bytes_out,
    dirfd,
    enum,
    fd,
    flags,
    int_,
    iovec_in,
    iovec_out,
    off,
    path,
    pid,
    sc,
    size,
    string,
    uint,
    ulong,
)

io = partial(sc, classes="desc", level="io")
desc = partial(sc, classes="desc")
desc_fd = partial(sc, classes="desc", ret="fd")

read_fd, write_fd = fd(op="read"), fd(op="write")
synced, replaced = fd(op="sync"), fd("newfd", op="close")
count, length, pos = size("count"), size("len"), off("pos")
pos_l, pos_h = ulong("pos_l"), ulong("pos_h")
vlen = ulong("vlen")
vec_in, vec_out = iovec_in("vec", "vlen"), iovec_out("vec", "vlen")
rwf = flags("flags", names.RWF)
splice = flags("flags", names.SPLICE)
pipe_flags = flags("flags", files.DESCRIPTOR)
no_flags = uint("flags")
off_in, off_out = records.offset("off_in"), records.offset("off_out")
sigmask, sigsetsize = records.sigset_in("sigmask"), size("sigsetsize")
sets = (records.fd_set("inp"), records.fd_set("outp"), records.fd_set("exp"))
epfd, maxevents = fd("epfd"), int_("maxevents")
itimer_in, itimer_out = records.itimerspec_in("utmr"), records.itimerspec_out("otmr")
timer_flags = flags("flags", names.TIMERFD_CREATE)
set_flags = flags("flags", names.TIMERFD_SETTIME)
wait_time = records.timespec_both("tsp")
close_flags = flags("flags", names.CLOSE_RANGE)
user_mask, sizemask = records.sigset_in("user_mask"), size("sizemask")
advice = enum("advice", names.FADVISE)
uring_enter = flags("flags", names.URING_ENTER)
uring_arg = records.uring_register(policies.ranges, policies.RANGE_SIZE)

# fmt: off
DESCRIPTORS: Final[tuple[Syscall, ...]] = (
    # Transfers
    io(0, "read", read_fd, bytes_out(), count, ret="size"),
    io(1, "write", write_fd, bytes_in("buf", "count"), count, ret="size"),
    io(17, "pread64", read_fd, bytes_out(), count, pos, ret="size"),
    io(18, "pwrite64", write_fd, bytes_in("buf", "count"), count, pos, ret="size"),
    io(19, "readv", read_fd, vec_out, vlen, ret="size"),
    io(20, "writev", write_fd, vec_in, vlen, ret="size"),
    io(295, "preadv", read_fd, vec_out, vlen, pos_l, pos_h, ret="size"),
    io(296, "pwritev", write_fd, vec_in, vlen, pos_l, pos_h, ret="size"),
    io(327, "preadv2", read_fd, vec_out, vlen, pos_l, pos_h, rwf, ret="size"),
    io(328, "pwritev2", write_fd, vec_in, vlen, pos_l, pos_h, rwf, ret="size"),
    io(40, "sendfile", fd("out_fd", op="write"), fd("in_fd", op="read"),
       records.offset("offset"), count, classes="desc network", ret="size"),
    io(326, "copy_file_range", fd("fd_in", op="read"), off_in, fd("fd_out", op="write"), off_out,
       length, no_flags, ret="size"),
    io(275, "splice", fd("fd_in", op="read"), off_in, fd("fd_out", op="write"), off_out,
       length, splice, ret="size"),
    io(276, "tee", fd("fdin", op="read"), fd("fdout", op="write"), length, splice, ret="size"),
    io(278, "vmsplice", write_fd, iovec_in("uiov", "nr_segs"), ulong("nr_segs"), splice,
       ret="size"),
    io(187, "readahead", read_fd, off, count),
    # Position, size, state
    desc(8, "lseek", fd, off, enum("whence", names.SEEK), ret="off"),
    io(77, "ftruncate", fd(op="truncate"), off("length")),
    io(285, "fallocate", write_fd, flags("mode", files.FALLOCATE), off, off("len")),
    io(221, "fadvise64", fd, off, length, advice),
    io(74, "fsync", synced),
    io(75, "fdatasync", synced),
    io(277, "sync_file_range", synced, off, off("nbytes"), flags("flags", names.SYNC_RANGE)),
    io(306, "syncfs", synced),
    io(73, "flock", fd(op="lock"), flags("cmd", names.FLOCK)),
    io(72, "fcntl", fd(op="fcntl"), enum("cmd", names.FCNTL), commands.fcntl_arg,
       named=results.fcntl),
    io(16, "ioctl", fd(op="ioctl"), commands.ioctl_cmd, commands.ioctl_arg),
    io(451, "cachestat", fd(op="stat"), records.cachestat_range, records.cachestat, no_flags),
    # Life of descriptors
    io(3, "close", fd(op="close")),
    io(436, "close_range", uint("fd"), uint("max_fd"), close_flags, classes=""),
    io(32, "dup", fd("fildes"), ret="fd"),
    io(33, "dup2", fd("oldfd"), replaced, ret="fd"),
    io(292, "dup3", fd("oldfd"), replaced, pipe_flags, ret="fd"),
    desc(22, "pipe", records.pair_out("fildes")),
    desc(293, "pipe2", records.pair_out("fildes"), pipe_flags),
    # Waiting
    desc(7, "poll", records.pollfds, uint("nfds"), int_("timeout_msecs")),
    desc(271, "ppoll", records.pollfds, uint("nfds"), wait_time, sigmask, sigsetsize),
    desc(23, "select", int_("n"), *sets, records.timeval_both("tvp")),
    desc(270, "pselect6", int_("n"), *sets, wait_time, records.sigmask_at),
    desc_fd(213, "epoll_create", int_("size")),
    desc_fd(291, "epoll_create1", flags("flags", names.EPOLL_CREATE)),
    desc(233, "epoll_ctl", epfd, enum("op", names.EPOLL_CTL), fd, records.epoll_event_in),
    desc(232, "epoll_wait", epfd, records.epoll_events_out, maxevents, int_("timeout")),
    desc(281, "epoll_pwait", epfd, records.epoll_events_out, maxevents, int_("timeout"),
         sigmask, sigsetsize),
    desc(441, "epoll_pwait2", epfd, records.epoll_events_out, maxevents,
         records.timespec_in("timeout"), sigmask, sigsetsize),
    # Events, signals, timers as descriptors
    desc_fd(284, "eventfd", uint("count")),
    desc_fd(290, "eventfd2", uint("count"), flags("flags", names.EVENTFD)),
    sc(282, "signalfd", fd("ufd"), user_mask, sizemask, classes="desc signal", ret="fd"),
    sc(289, "signalfd4", fd("ufd"), user_mask, sizemask, flags("flags", names.SIGNALFD),
       classes="desc signal", ret="fd"),
    desc_fd(283, "timerfd_create", enum("clockid", memory.CLOCK), timer_flags),
    desc(286, "timerfd_settime", fd("ufd"), set_flags, itimer_in, itimer_out),
    desc(287, "timerfd_gettime", fd("ufd"), itimer_out),
    # Watching files
    desc_fd(253, "inotify_init"),
    desc_fd(294, "inotify_init1", flags("flags", watches.INOTIFY_INIT)),
    sc(254, "inotify_add_watch", fd, path("pathname", "watch"), flags("mask", watches.INOTIFY_MASK),
       classes="file desc", level="path"),
    desc(255, "inotify_rm_watch", fd, int_("wd")),
    desc_fd(300, "fanotify_init", flags("flags", watches.FANOTIFY_INIT),
            flags("event_f_flags", files.OPEN)),
    sc(301, "fanotify_mark", fd("fanotify_fd"), flags("flags", watches.FANOTIFY_MARK),
       flags("mask", watches.FANOTIFY_EVENTS, 64), dirfd,
       path("pathname", "watch", at="dfd", empty="null"), classes="file desc", level="path"),
    # Message queues
    desc_fd(240, "mq_open", string("u_name"), flags("oflag", files.OPEN), records.mq_mode,
            records.mq_attr_in, level="path"),
    sc(241, "mq_unlink", string("u_name"), level="path"),
    desc(242, "mq_timedsend", fd("mqdes"), bytes_in("u_msg_ptr", "msg_len"), size("msg_len"),
         uint("msg_prio"), records.timespec_in("u_abs_timeout")),
    desc(243, "mq_timedreceive", fd("mqdes"), bytes_out("u_msg_ptr"), size("msg_len"),
         records.int_out("u_msg_prio"), records.timespec_in("u_abs_timeout"), ret="size"),
    desc(244, "mq_notify", fd("mqdes"), records.sigevent_in("u_notification")),
    desc(245, "mq_getsetattr", fd("mqdes"), records.mq_attr_in("u_mqstat"), records.mq_attr_out),
    # Processes and namespaces as descriptors
    desc_fd(434, "pidfd_open", pid, flags("flags", names.PIDFD)),
    desc_fd(438, "pidfd_getfd", fd("pidfd"), int_("fd"), no_flags, level="io"),
    desc(440, "process_madvise", fd("pidfd"), records.ranges_in("vec", "vlen"), size("vlen"),
         enum("behavior", memory.MADVISE), no_flags, ret="size"),
    desc(448, "process_mrelease", fd("pidfd"), no_flags),
    # Kernel interfaces as descriptors
    desc_fd(298, "perf_event_open", records.perf_attr, pid, int_("cpu"), fd("group_fd"),
            flags("flags", names.PERF, 64)),
    desc_fd(323, "userfaultfd", flags("flags", names.USERFAULTFD)),
    desc(321, "bpf", enum("cmd", names.BPF), records.bpf_attr, uint("size"), level="fd"),
    desc(313, "finit_module", read_fd, string("uargs"), flags("flags", names.MODULE), level="fd"),
    desc(320, "kexec_file_load", fd("kernel_fd", op="read"), fd("initrd_fd", op="read"),
         ulong("cmdline_len"), bytes_in("cmdline_ptr", "cmdline_len"),
         flags("flags", names.KEXEC_FILE, 64), level="fd"),
    desc_fd(425, "io_uring_setup", uint("entries"), records.uring_params, level="path"),
    sc(426, "io_uring_enter", fd, uint("to_submit"), uint("min_complete"), uring_enter,
       records.uring_arg, size("argsz"), classes="desc signal", level="io"),
    sc(427, "io_uring_register", fd, enum("opcode", names.URING_REGISTER, signed=False),
       uring_arg, uint("nr_args"), classes="desc memory", level="io"),
    desc_fd(444, "landlock_create_ruleset", records.ruleset_in, size, uint("flags")),
    desc(445, "landlock_add_rule", fd("ruleset_fd"), enum("rule_type", watches.LANDLOCK_RULE),
         commands.landlock_rule, uint("flags"), level="fd"),
    desc(446, "landlock_restrict_self", fd("ruleset_fd"), uint("flags")),
)
# fmt: on
