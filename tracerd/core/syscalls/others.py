"""All other calls: names and argument names, plain words, and what is cheap to say more.

Rules as in files.py.  A call may move from here to a file of its own family when its
arguments are described; their names stay.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from tracerd.core.decode import results
from tracerd.core.decode.names import ipc as ipc_names
from tracerd.core.decode.names import kernel, system
from tracerd.core.decode.names import memory as names
from tracerd.core.decode.names import process as process_names
from tracerd.core.syscalls import commands, records
from tracerd.core.syscalls.keys import keyctl
from tracerd.core.syscalls.model import Syscall
from tracerd.core.syscalls.vocabulary import (
    Draft,
    bytes_in,
    bytes_out,
    dev,
    enum,
    fd,
    flags,
    gid,
    int_,
    iovec_in,
    iovec_out,
    long_,
    octal,
    off,
    pid,
    ptr,
    sc,
    size,
    string,
    string_out,
    uid,
    uint,
    ulong,
    word,
)

memory = partial(sc, classes="memory")
signals = partial(sc, classes="signal")
ipc = partial(sc, classes="ipc")
creds = partial(sc, classes="creds")
clock = partial(sc, classes="clock")

start, length = ptr("start"), size("len")
prot = flags("prot", names.PROT, 64)
moved = names.MREMAP.parse(["MREMAP_FIXED", "MREMAP_DONTUNMAP"])
new_addr = records.only_with(ptr("new_addr"), "flags", moved)
map_flags = flags("flags", names.MAP, 64)
sigsetsize = size("sigsetsize")
key, semid, shmid, msqid = records.ipc_key, int_("semid"), int_("shmid"), int_("msqid")
shm_cmd, sem_cmd = enum("cmd", ipc_names.SHM_CONTROL), enum("cmd", ipc_names.SEM_CONTROL)
msg_cmd = enum("cmd", ipc_names.MSG_CONTROL)
msg_flags = flags("msgflg", ipc_names.MSG_FLAGS)
which_ioprio = enum("which", system.IOPRIO_WHO)
lsm_attr = enum("attr", system.LSM_ATTR, signed=False)
lsm_flags = flags("flags", system.LSM_FLAGS)
which_clock = enum("which_clock", names.CLOCK)
timer_id = int_("timer_id")
timer_flags = flags("flags", names.TIMER)
policy = enum("policy", process_names.SCHED)
nmask, maxnode = records.nodes_in("nmask"), ulong("maxnode")
ctx, ctx_id = ptr("ctx"), ptr("ctx_id")
lvec_in, lvec_out = iovec_in("lvec", "liovcnt"), iovec_out("lvec", "liovcnt")
rvec = records.ranges_in("rvec", "riovcnt")
uaddr = ptr("uaddr")
futex_flags = flags("flags", names.FUTEX2)
plain_flags = uint("flags")
membarrier_flags = flags("flags", names.MEMBARRIER_FLAGS)
membarrier_cpu = records.only_with(int_("cpu_id"), "flags", 1)

ids = records.int_out
requeue = ("REQUEUE", "CMP_REQUEUE", "WAKE_OP", "WAIT_REQUEUE_PI", "CMP_REQUEUE_PI")
bitset = ("WAIT_BITSET", "WAKE_BITSET")
futex_rest = (
    commands.futex_arg(uint("val"), "WAIT", "WAKE", "FD", *bitset, *requeue),
    records.futex_timeout,
    commands.futex_arg(ptr("uaddr2"), *requeue),
    commands.futex_arg(uint("val3"), *bitset, *requeue[1:]),
)


def words(count: int) -> tuple[Draft, ...]:
    """Return arguments without a name of their own."""
    return tuple([word(f"arg{n}") for n in range(count)])


# fmt: off
OTHERS: Final[tuple[Syscall, ...]] = (
    # Memory
    sc(9, "mmap", ptr, length, prot, map_flags, fd(op="map"), off("off"),
       classes="desc memory", level="io", ret="ptr"),
    memory(10, "mprotect", start, length, prot),
    memory(11, "munmap", ptr, length),
    memory(12, "brk", ptr("brk"), ret="ptr"),
    memory(25, "mremap", ptr, size("old_len"), size("new_len"), flags("flags", names.MREMAP, 64),
           new_addr, ret="ptr"),
    memory(26, "msync", start, length, flags("flags", names.MSYNC), level="io"),
    memory(27, "mincore", start, length, records.resident),
    memory(28, "madvise", start, size("len_in"), enum("behavior", names.MADVISE)),
    memory(149, "mlock", start, length),
    memory(325, "mlock2", start, length, flags("flags", names.MLOCK2)),
    memory(150, "munlock", start, length),
    memory(151, "mlockall", flags("flags", names.MLOCKALL)),
    memory(152, "munlockall"),
    memory(216, "remap_file_pages", start, size, prot, ulong("pgoff"), map_flags),
    memory(237, "mbind", start, length, flags("mode", kernel.POLICY), nmask, maxnode,
           flags("flags", kernel.POLICY_BIND)),
    memory(238, "set_mempolicy", flags("mode", kernel.POLICY), nmask, maxnode),
    memory(239, "get_mempolicy", records.policy_out, records.nodes_out, maxnode, ptr,
           flags("flags", kernel.POLICY_GET)),
    memory(256, "migrate_pages", pid, maxnode, records.nodes_in("old_nodes"),
           records.nodes_in("new_nodes")),
    memory(279, "move_pages", pid, ulong("nr_pages"), records.pages, records.page_nodes,
           records.page_status, flags("flags", kernel.POLICY_BIND)),
    memory(450, "set_mempolicy_home_node", start, length, ulong("home_node"), ulong("flags")),
    memory(329, "pkey_mprotect", start, length, prot, int_("pkey")),
    sc(330, "pkey_alloc", ulong("flags"), ulong("init_val")),
    sc(331, "pkey_free", int_("pkey")),
    memory(453, "map_shadow_stack", ptr, size, plain_flags, ret="ptr"),
    memory(462, "mseal", start, length, ulong("flags")),
    sc(310, "process_vm_readv", pid, lvec_out, ulong("liovcnt"), rvec, ulong("riovcnt"),
       ulong("flags"), ret="size"),
    sc(311, "process_vm_writev", pid, lvec_in, ulong("liovcnt"), rvec, ulong("riovcnt"),
       ulong("flags"), ret="size"),
    # Signals
    signals(13, "rt_sigaction", records.signal, records.sigaction_in("act"),
            records.sigaction_out("oact"), sigsetsize),
    signals(14, "rt_sigprocmask", enum("how", process_names.SIGPROCMASK), records.sigset_in("nset"),
            records.sigset_out("oset"), sigsetsize),
    signals(15, "rt_sigreturn", ret="long"),
    signals(34, "pause"),
    signals(127, "rt_sigpending", records.sigset_out("uset"), sigsetsize),
    signals(128, "rt_sigtimedwait", records.sigset_in("uthese"), records.siginfo_out("uinfo"),
            records.timespec_in("uts"), sigsetsize),
    signals(130, "rt_sigsuspend", records.sigset_in("unewset"), sigsetsize),
    signals(131, "sigaltstack", records.stack_in("uss"), records.stack_out("uoss")),
    # System V IPC
    ipc(29, "shmget", key, size, flags("shmflg", ipc_names.SHM_GET)),
    ipc(30, "shmat", shmid, ptr("shmaddr"), flags("shmflg", ipc_names.SHM_AT),
        classes="memory ipc", ret="ptr"),
    ipc(31, "shmctl", shmid, shm_cmd, commands.shm_arg),
    ipc(67, "shmdt", ptr("shmaddr"), classes="memory ipc"),
    ipc(64, "semget", key, int_("nsems"), flags("semflg", ipc_names.IPC_GET)),
    ipc(65, "semop", semid, records.sembufs, uint("nsops")),
    ipc(220, "semtimedop", semid, records.sembufs, uint("nsops"), records.timespec_in("timeout")),
    ipc(66, "semctl", semid, int_("semnum"), sem_cmd, commands.sem_arg),
    ipc(68, "msgget", key, flags("msgflg", ipc_names.IPC_GET)),
    ipc(69, "msgsnd", msqid, records.msgbuf_in, size("msgsz"), msg_flags),
    ipc(70, "msgrcv", msqid, records.msgbuf_out, size("msgsz"), long_("msgtyp"), msg_flags,
        ret="size"),
    ipc(71, "msgctl", msqid, msg_cmd, commands.msg_arg),
    # Users, groups, capabilities
    creds(102, "getuid", classes="creds pure"),
    creds(104, "getgid", classes="creds pure"),
    creds(107, "geteuid", classes="creds pure"),
    creds(108, "getegid", classes="creds pure"),
    creds(105, "setuid", uid),
    creds(106, "setgid", gid),
    creds(113, "setreuid", uid("ruid"), uid("euid")),
    creds(114, "setregid", gid("rgid"), gid("egid")),
    creds(115, "getgroups", int_("gidsetsize"), records.groups_out),
    creds(116, "setgroups", int_("gidsetsize"), records.groups_in),
    creds(117, "setresuid", uid("ruid"), uid("euid"), uid("suid")),
    creds(118, "getresuid", ids("ruidp"), ids("euidp"), ids("suidp")),
    creds(119, "setresgid", gid("rgid"), gid("egid"), gid("sgid")),
    creds(120, "getresgid", ids("rgidp"), ids("egidp"), ids("sgidp")),
    creds(122, "setfsuid", uid),
    creds(123, "setfsgid", gid),
    creds(125, "capget", records.cap_header, records.cap_data_out),
    creds(126, "capset", records.cap_header, records.cap_data_in),
    # Clocks and timers
    clock(96, "gettimeofday", records.timeval_out("tv"), records.timezone_out),
    clock(164, "settimeofday", records.timeval_in("tv"), records.timezone_in),
    clock(201, "time", records.long_out("tloc"), ret="long"),
    clock(159, "adjtimex", records.timex("txc_p"), named=results.time_state),
    clock(227, "clock_settime", which_clock, records.timespec_in("tp")),
    clock(228, "clock_gettime", which_clock, records.timespec_out("tp")),
    clock(229, "clock_getres", which_clock, records.timespec_out("tp")),
    clock(305, "clock_adjtime", which_clock, records.timex("utx"), named=results.time_state),
    sc(230, "clock_nanosleep", which_clock, timer_flags, records.timespec_in("rqtp"), ptr("rmtp")),
    sc(35, "nanosleep", records.timespec_in("rqtp"), ptr("rmtp")),
    sc(36, "getitimer", enum("which", names.ITIMER), records.itimerval_out("value")),
    sc(38, "setitimer", enum("which", names.ITIMER), records.itimerval_in("value"),
       records.itimerval_out("ovalue")),
    sc(37, "alarm", uint("seconds")),
    sc(222, "timer_create", which_clock, records.sigevent_in,
       records.int_out("created_timer_id")),
    sc(223, "timer_settime", timer_id, timer_flags, records.itimerspec_in("new_setting"),
       records.itimerspec_out("old_setting")),
    sc(224, "timer_gettime", timer_id, records.itimerspec_out("setting")),
    sc(225, "timer_getoverrun", timer_id),
    sc(226, "timer_delete", timer_id),
    sc(100, "times", records.tms, ret="long"),
    # Locks between threads
    sc(202, "futex", uaddr, flags("op", names.FUTEX), *futex_rest),
    sc(449, "futex_waitv", records.futex_waiters, uint("nr_futexes"), plain_flags,
       records.timespec_in("timeout"), enum("clockid", names.CLOCK)),
    sc(454, "futex_wake", uaddr, word("mask"), int_("nr"), futex_flags),
    sc(455, "futex_wait", uaddr, ulong("val"), word("mask"), futex_flags,
       records.timespec_in("timeout"), enum("clockid", names.CLOCK)),
    sc(456, "futex_requeue", records.futex_pair, plain_flags, int_("nr_wake"), int_("nr_requeue")),
    sc(273, "set_robust_list", ptr("head"), length),
    sc(274, "get_robust_list", pid, records.pointer_out("head_ptr"), records.long_out("len_ptr")),
    sc(334, "rseq", ptr("rseq"), uint("rseq_len"), flags("flags", names.RSEQ), word("sig")),
    sc(471, "rseq_slice_yield"),
    sc(324, "membarrier", enum("cmd", names.MEMBARRIER), membarrier_flags,
       membarrier_cpu, named=results.membarrier),
    # Scheduling
    sc(24, "sched_yield"),
    sc(142, "sched_setparam", pid, records.int_in("param")),
    sc(143, "sched_getparam", pid, records.int_out("param")),
    sc(144, "sched_setscheduler", pid, policy, records.int_in("param")),
    sc(145, "sched_getscheduler", pid, named=results.scheduler),
    sc(146, "sched_get_priority_max", policy),
    sc(147, "sched_get_priority_min", policy),
    sc(148, "sched_rr_get_interval", pid, records.timespec_out("interval")),
    sc(203, "sched_setaffinity", pid, uint("len"), records.cpus_in),
    sc(204, "sched_getaffinity", pid, uint("len"), records.cpus_out),
    sc(314, "sched_setattr", pid, records.sched_attr_in, plain_flags),
    sc(315, "sched_getattr", pid, records.sched_attr_out, uint("usize"), plain_flags),
    sc(251, "ioprio_set", which_ioprio, int_("who"), records.ioprio),
    sc(252, "ioprio_get", which_ioprio, int_("who"), named=results.ioprio),
    sc(309, "getcpu", records.int_out("cpup"), records.int_out("nodep"), ptr("unused")),
    # Asynchronous transfers
    memory(206, "io_setup", uint("nr_events"), records.pointer_out("ctxp")),
    memory(207, "io_destroy", ctx),
    sc(208, "io_getevents", ctx_id, long_("min_nr"), long_("nr"), records.io_events,
       records.timespec_in("timeout"), ret="long"),
    sc(333, "io_pgetevents", ctx_id, long_("min_nr"), long_("nr"), records.io_events,
       records.timespec_in("timeout"), records.sigmask_at("usig"), ret="long"),
    sc(209, "io_submit", ctx_id, long_("nr"), records.iocbs, level="io", ret="long"),
    sc(210, "io_cancel", ctx_id, records.iocb, records.io_event),
    # Keys
    sc(248, "add_key", string("_type"), string("_description"),
       bytes_in("_payload", "plen"), size("plen"), commands.keyring("ringid")),
    sc(249, "request_key", string("_type"), string("_description"), string("_callout_info"),
       commands.keyring("destringid")),
    keyctl(250),
    # Security modules
    sc(459, "lsm_get_self_attr", lsm_attr, records.lsm_context_out("ctx"),
       records.size_both("size"), lsm_flags),
    sc(460, "lsm_set_self_attr", lsm_attr, records.lsm_context_in("ctx"), uint("size"),
       plain_flags),
    sc(461, "lsm_list_modules", records.lsm_ids, records.size_both("size"), plain_flags),
    # The system as a whole
    sc(63, "uname", records.utsname_out),
    sc(95, "umask", octal("mask"), ret="mode"),
    sc(99, "sysinfo", records.sysinfo),
    sc(103, "syslog", enum("type", system.SYSLOG), bytes_out(), int_("len")),
    sc(135, "personality", records.personality, named=results.personality),
    sc(136, "ustat", dev, records.ustat),
    sc(139, "sysfs", int_("option"), word("arg1"), word("arg2")),
    sc(153, "vhangup"),
    sc(154, "modify_ldt", int_("func"), ptr("ptr"), ulong("bytecount")),
    sc(156, "_sysctl", ptr("args")),
    sc(162, "sync"),
    sc(169, "reboot", enum("magic1", system.REBOOT_MAGIC1, signed=False),
       enum("magic2", system.REBOOT_MAGIC2), enum("cmd", system.REBOOT, signed=False),
       commands.reboot_arg),
    sc(170, "sethostname", bytes_in("name", "len"), int_("len")),
    sc(171, "setdomainname", bytes_in("name", "len"), int_("len")),
    sc(172, "iopl", uint("level")),
    sc(173, "ioperm", ulong("from"), ulong("num"), int_("turn_on")),
    sc(175, "init_module", ptr("umod"), ulong("len"), string("uargs")),
    sc(176, "delete_module", string("name_user"), flags("flags", system.DELETE_MODULE)),
    sc(205, "set_thread_area", records.segment_set),
    sc(211, "get_thread_area", records.segment_out),
    sc(212, "lookup_dcookie", ulong("cookie64"), string_out("buf", 4096), length),
    sc(219, "restart_syscall", ret="long"),
    sc(246, "kexec_load", ptr("entry"), ulong("nr_segments"), records.kexec_segments,
       flags("flags", system.KEXEC, 64)),
    sc(318, "getrandom", bytes_out("ubuf"), length, flags("flags", names.RANDOM), ret="size"),
    sc(335, "uretprobe", ret="word"),
    sc(336, "uprobe", ret="word"),
    # Numbers that no kernel answers any more
    sc(174, "create_module", string("name"), size),
    sc(177, "get_kernel_syms", ptr("table")),
    sc(178, "query_module", string("name"), int_("which"), ptr("buf"), size("bufsize"), ptr("ret")),
    sc(180, "nfsservctl", int_("cmd"), ptr("argp"), ptr("resp")),
    sc(181, "getpmsg", *words(5), classes="network"),
    sc(182, "putpmsg", *words(5), classes="network"),
    sc(183, "afs_syscall", *words(5)),
    sc(184, "tuxcall", *words(3)),
    sc(185, "security", *words(3)),
    sc(214, "epoll_ctl_old", int_("epfd"), int_("op"), int_("fd"), ptr("event")),
    sc(215, "epoll_wait_old", int_("epfd"), ptr("events"), int_("maxevents")),
    sc(236, "vserver", *words(5)),
)
# fmt: on
