"""From records and facts to protocol events.

Calls are described by the teller, long after the task was resumed: from what the pump captured and
who the process was then, never from the kernel (call_event.py puts the parts together).  All else
is described by the tracer thread, some of it while the task is stopped.  `seq` is 0 until the
teller gives the event one.
"""

from __future__ import annotations

from typing import Any

from tracerd.core import kernel, procfs
from tracerd.core.decode.descriptor import link_text
from tracerd.core.decode.errnos import errno_name
from tracerd.core.decode.signals import si_code_name, siginfo_of, signal_name
from tracerd.core.pump import Call
from tracerd.core.syscalls import decode_args, decode_ret
from tracerd.core.syscalls.model import OpenedFile, Words
from tracerd.core.tracee import Details, Identity
from tracerd.core.wait_status import Kind, WaitStatus
from tracerd.protocol import events
from tracerd.protocol.detail import Detail
from tracerd.protocol.text import shown

RESTARTS = frozenset({512, 513, 514, 516})
"""ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK: never seen by the program."""
PAIRS = {"pipe": "fildes", "pipe2": "fildes", "socketpair": "usockvec", "socketcall": "usockvec"}
"""Calls that give two values, through memory on this architecture, and the argument it is at."""
SIGRETURNS = frozenset({"rt_sigreturn", "sigreturn"})
"""Calls that return nothing: what stands in the register is what was interrupted."""
SENT = frozenset({0, -1, -3, -6})
"""si_code of signals that say who sent them: SI_USER, SI_QUEUE, SI_MESGQ, SI_TKILL."""
SIGINFO = {
    "pid": "sender_pid",
    "uid": "sender_uid",
    "addr": "addr",
    "status": "status",
    "utime": "utime",
    "stime": "stime",
    "value": "value",
    "timerid": "timer",
    "overrun": "overrun",
    "band": "band",
    "fd": "fd",
    "call_addr": "addr",
    "syscall": "nr",
    "arch": "arch",
}
"""Fields of siginfo_t, and those of events.SignalStop that carry them."""
KINDS: dict[Kind, str] = {Kind.FORK: "fork", Kind.VFORK: "vfork", Kind.CLONE: "clone"}


def head(process: Identity, tid: int, time_ns: int, comm: str) -> Details:
    """Return the fields every event carries."""
    found: Details = {
        "seq": 0,
        "time_ns": time_ns,
        "pid": process.pid,
        "tid": tid,
        "start": process.start,
        "comm": comm,
    }
    if process.inner:
        found |= own_ids(process, tid)
    return found


def shown_args(entry: Call, back: Call | None) -> dict[str, Any]:
    """Return the arguments of a call recorded for Detail.ARGS at least.

    back: its exit record; None if it has none.  Both are to be those of files.part_told.
    """
    syscall = entry.action.syscall
    if back is None:
        return decode_args(syscall, Words(entry.args), entry.captured, ())
    words = Words(entry.args, back.ret, back.failed, returned=True)
    return decode_args(syscall, words, entry.captured, back.captured)


def outcome(entry: Call, back: Call | None) -> dict[str, Any]:
    """Return how a call went: fields of a SyscallExit for which no memory is read.

    back: its exit record; None if it never returned.
    """
    if back is None:
        return {"unfinished": True}
    result: dict[str, Any] = {"duration_ns": back.when_ns - entry.when_ns}
    if entry.action.syscall.name in SIGRETURNS:
        return result
    if back.failed:
        number = -back.ret
        result["errno"] = errno_name(number)
        result["ret"] = -1
        if number in RESTARTS:
            result["restart"] = True
            result["ret"] = None
        return result
    result["ret"] = decode_ret(entry.action.syscall, back.ret)
    return result


def results(entry: Call, back: Call | None, args: dict[str, Any]) -> dict[str, Any]:
    """Return what a call returned beside a number, recorded for Detail.ARGS at least.

    back, both: as for shown_args.  args: the arguments, as shown.
    """
    result: dict[str, Any] = {}
    name = entry.action.syscall.name
    if back is None or back.failed or name in SIGRETURNS:
        return result
    if name in PAIRS and isinstance(pair := args.get(PAIRS[name]), list):
        result["rets"] = pair
    named = entry.action.syscall.named
    if named is not None:
        result["ret_names"] = named(back.ret, entry.args)
    at = entry.action.plan.opened
    if 0 <= at < len(back.captured):
        got = back.captured[at]
        if isinstance(got, OpenedFile):
            result["ret_path"] = link_text(got)
    return result


def signalled(
    process: Identity, comm: str, tid: int, signo: int, time_ns: int
) -> events.SignalStop:
    """Describe a signal-delivery-stop.  The task must still be stopped."""
    info = kernel.signal_info(tid)
    details: dict[str, Any] = {}
    if info is not None:
        said = siginfo_of(info.raw)
        details = {field: said[name] for name, field in SIGINFO.items() if name in said}
        details["code"] = si_code_name(signo, info.code)
        if info.code <= 0 and info.code not in SENT:
            details.pop("sender_pid", None)
            details.pop("sender_uid", None)
    return events.SignalStop(
        **head(process, tid, time_ns, comm),
        signal=signal_name(signo),
        signo=signo,
        **details,
    )


def ended(
    process: Identity,
    comm: str,
    tid: int,
    status: WaitStatus,
    time_ns: int,
    *,
    whole: bool,
) -> events.Exit | events.SignalExit:
    """Describe the end of a task.  whole: of the process with it."""
    fields = head(process, tid, time_ns, comm)
    if status.kind is Kind.EXITED:
        return events.Exit(**fields, code=status.value, process=whole)
    return events.SignalExit(
        **fields,
        signal=signal_name(status.value),
        signo=status.value,
        core_dumped=status.core_dumped,
        process=whole,
    )


def executed(
    process: Identity,
    tid: int,
    former: int,
    place: events.FileAccess | None,
    time_ns: int,
    *,
    detail: Detail,
    envp: bool,
) -> events.Exec:
    """Describe an exec.  place: what was executed, if that is known.

    argv is read from the new image, which has just been given it.
    """
    path, b64 = process.exe, None
    if place is not None:
        path, b64 = place.path, place.path_b64
    argv, whole = procfs.cmdline(tid) if detail >= Detail.ARGS else ([], True)
    return events.Exec(
        **head(process, tid, time_ns, process.comm),
        path=path,
        path_b64=b64,
        argv=[shown(item) for item in argv],
        envp=[shown(item) for item in procfs.environ(tid)[0]] if envp else None,
        former_tid=former if former != tid else None,
        truncated=not whole,
    )


def own_ids(process: Identity, tid: int) -> dict[str, int | None]:
    """Return what a task of a process in another pid namespace is called there."""
    return {"ns_pid": process.inner.get(process.pid), "ns_tid": process.inner.get(tid)}


def shown_fds(entry: Call) -> dict[str, str]:
    """Return what descriptor arguments refer to, by argument name."""
    syscall, plan = entry.action.syscall, entry.action.plan
    named: dict[str, str] = {}
    if not (plan.links or plan.base):
        return named
    for position, at in plan.links.items():
        text = link_text(entry.captured[at])
        if text is not None:
            named[syscall.args[position].name] = text
    for position, at in plan.base.items():
        arg = syscall.args[position]
        text = link_text(entry.captured[at])
        if text is not None and arg.at:
            named[arg.at] = text
    return named
