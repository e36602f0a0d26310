"""From records and facts to protocol events.

Calls are described by the teller, long after the task was resumed: from what the pump captured and
who the process was then, never from the kernel.  All else is described by the tracer thread, some
of it while the task is stopped.  `seq` is 0 until the teller gives the event one.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Any

from tracerd.core import files, kernel, procfs
from tracerd.core.decode.errnos import errno_name
from tracerd.core.decode.signals import si_code_name, signal_name
from tracerd.core.pump import Call
from tracerd.core.state_calls import EXECS
from tracerd.core.syscalls import decode_args, decode_ret
from tracerd.core.syscalls.model import Captured, OpenedFile, Words
from tracerd.core.tracee import Details, Identity
from tracerd.core.wait_status import Kind, WaitStatus
from tracerd.protocol import events
from tracerd.protocol.text import shown

RESTARTS = frozenset({512, 513, 514, 516})
"""ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK: never seen by the program."""
FAULTS = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP})
PAIRS = {"pipe": "fildes", "pipe2": "fildes", "socketpair": "usockvec", "socketcall": "usockvec"}
"""Calls that give two values, through memory on this architecture, and the argument it is at."""
SIGRETURNS = frozenset({"rt_sigreturn", "sigreturn"})
"""Calls that return nothing: what stands in the register is what was interrupted."""
SENT = frozenset({0, -1, -3, -6})
"""si_code of signals that say who sent them: SI_USER, SI_QUEUE, SI_MESGQ, SI_TKILL."""
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
        found |= _own_ids(process, tid)
    return found


def entered(
    process: Identity, comm: str, entry: Call, time_ns: int, resumes: str | None
) -> events.SyscallEnter:
    """Describe a syscall-enter-stop.  resumes: see events.SyscallEnter."""
    entry, _ = files.part_told(entry, None)
    syscall = entry.action.syscall
    return events.SyscallEnter(
        **head(process, entry.tid, time_ns, comm),
        syscall=syscall.name,
        nr=entry.nr,
        abi=syscall.abi,
        args=decode_args(syscall, Words(entry.args), entry.captured, ()),
        fds=_fds(entry),
        resumes=resumes,
    )


def returned(
    process: Identity,
    comm: str,
    entry: Call,
    back: Call | None,
    time_ns: int,
    resumes: str | None = None,
    *,
    implied: Sequence[events.FileAccess] = (),
) -> events.SyscallExit:
    """Describe a call that came back, or (back is None) never will.

    resumes: see events.SyscallEnter.  implied: what the kernel opened by itself, of an exec.
    """
    entry, back = files.part_told(entry, back)
    syscall = entry.action.syscall
    words = (
        Words(entry.args)
        if back is None
        else Words(entry.args, back.ret, back.failed, returned=True)
    )
    args = decode_args(syscall, words, entry.captured, () if back is None else back.captured)
    result: dict[str, Any]
    result = {"unfinished": True} if back is None else _result(entry, back, args)
    if process.inner:
        result |= _own_ids(process, entry.tid)
    found = files.entries(process, entry, back) if syscall.level else []
    if entry.action.noted and syscall.name in EXECS and back is not None and not back.failed:
        found += implied
    return events.SyscallExit(
        seq=0,
        time_ns=time_ns,
        pid=process.pid,
        tid=entry.tid,
        start=process.start,
        comm=comm,
        syscall=syscall.name,
        nr=entry.nr,
        abi=syscall.abi,
        args=args,
        fds=_fds(entry),
        files=found,
        resumes=resumes,
        **result,
    )


def _result(entry: Call, back: Call, args: dict[str, Any]) -> dict[str, Any]:
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
    syscall = entry.action.syscall
    result["ret"] = decode_ret(syscall, back.ret)
    if syscall.name in PAIRS and isinstance(pair := args.get(PAIRS[syscall.name]), list):
        result["rets"] = pair
    at = entry.action.plan.opened
    if 0 <= at < len(back.captured):
        got = back.captured[at]
        if isinstance(got, OpenedFile):
            result["ret_path"] = _link_text(got)
    return result


def signalled(
    process: Identity, comm: str, tid: int, signo: int, time_ns: int
) -> events.SignalStop:
    """Describe a signal-delivery-stop.  The task must still be stopped."""
    info = kernel.signal_info(tid)
    details: dict[str, Any] = {}
    if info is not None:
        details["code"] = si_code_name(signo, info.code)
        if info.code > 0 and signo in FAULTS:
            details["addr"] = hex(info.addr)
        elif info.code in SENT or (signo == signal.SIGCHLD and info.code > 0):
            details["sender_pid"] = info.pid
            details["sender_uid"] = info.uid
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
    envp: bool,
) -> events.Exec:
    """Describe an exec.  place: what was executed, if that is known.

    argv is read from the new image, which has just been given it.
    """
    path, b64 = process.exe, None
    if place is not None:
        path, b64 = place.path, place.path_b64
    argv, whole = procfs.cmdline(tid)
    return events.Exec(
        **head(process, tid, time_ns, process.comm),
        path=path,
        path_b64=b64,
        argv=[shown(item) for item in argv],
        envp=[shown(item) for item in procfs.environ(tid)[0]] if envp else None,
        former_tid=former if former != tid else None,
        truncated=not whole,
    )


def _own_ids(process: Identity, tid: int) -> dict[str, int | None]:
    """Return what a task of a process in another pid namespace is called there."""
    return {"ns_pid": process.inner.get(process.pid), "ns_tid": process.inner.get(tid)}


def _fds(entry: Call) -> dict[str, str]:
    """Return what descriptor arguments refer to, by argument name."""
    syscall, plan = entry.action.syscall, entry.action.plan
    named: dict[str, str] = {}
    if not (plan.links or plan.base):
        return named
    for position, at in plan.links.items():
        text = _link_text(entry.captured[at])
        if text is not None:
            named[syscall.args[position].name] = text
    for position, at in plan.base.items():
        arg = syscall.args[position]
        text = _link_text(entry.captured[at])
        if text is not None and arg.at:
            named[arg.at] = text
    return named


def _link_text(link: Captured) -> str | None:
    if isinstance(link, bytes):
        return shown(link)
    if isinstance(link, OpenedFile):
        return shown(link.link) + (" (deleted)" if link.deleted else "")
    return None
