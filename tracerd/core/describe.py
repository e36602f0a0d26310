"""From records and facts to protocol events.

Runs after the task was resumed.  What had to be true of the moment of the call
was captured by the pump; what is read here (command name, identity) changes only
by events that are seen.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable
from typing import Any

from tracerd.core import files, kernel, procfs
from tracerd.core.decode.errnos import errno_name
from tracerd.core.decode.signals import si_code_name, signal_name
from tracerd.core.interpreters import Interpreters
from tracerd.core.pump import Call
from tracerd.core.state_calls import EXECS
from tracerd.core.syscalls import decode_args, decode_ret
from tracerd.core.syscalls.model import Captured, OpenedFile, Words
from tracerd.core.tracee import Process
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


class Describer:
    """Builds events.  `seq` is the newest number given out."""

    def __init__(self) -> None:
        self.seq = 0
        self._interpreters = Interpreters()

    def head(
        self, process: Process, tid: int, time_ns: int, comm: str | None = None
    ) -> dict[str, Any]:
        """Return the fields every event carries, and give out the next seq."""
        self.seq += 1
        head: dict[str, Any] = {
            "seq": self.seq,
            "time_ns": time_ns,
            "pid": process.pid,
            "tid": tid,
            "start": process.start,
            "comm": process.comm if comm is None else comm,
        }
        if process.inner:
            head |= _own_ids(process, tid)
        return head

    def entered(
        self, process: Process, comm: str, entry: Call, time_ns: int, resumes: str | None
    ) -> events.SyscallEnter:
        """Describe a syscall-enter-stop.  resumes: see events.SyscallEnter."""
        entry, _ = files.part_told(entry, None)
        syscall = entry.action.syscall
        return events.SyscallEnter(
            **self.head(process, entry.tid, time_ns, comm),
            syscall=syscall.name,
            nr=entry.nr,
            abi=syscall.abi,
            args=decode_args(syscall, Words(entry.args), entry.captured, ()),
            fds=_fds(entry),
            resumes=resumes,
        )

    def returned(
        self,
        process: Process,
        comm: str,
        entry: Call,
        back: Call | None,
        time_ns: int,
        resumes: str | None = None,
    ) -> events.SyscallExit:
        """Describe a call that came back, or (back is None) never will."""
        entry, back = files.part_told(entry, back)
        syscall = entry.action.syscall
        self.seq += 1
        words = (
            Words(entry.args)
            if back is None
            else Words(entry.args, back.ret, back.failed, returned=True)
        )
        args = decode_args(syscall, words, entry.captured, () if back is None else back.captured)
        result: dict[str, Any]
        result = {"unfinished": True} if back is None else self._result(entry, back, args)
        if process.inner:
            result |= _own_ids(process, entry.tid)
        found = files.entries(process, entry, back) if syscall.level else []
        if entry.action.noted and syscall.name in EXECS and back is not None and not back.failed:
            found += self._implied(process, entry.tid, found)
        return events.SyscallExit(
            seq=self.seq,
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

    def _result(self, entry: Call, back: Call, args: dict[str, Any]) -> dict[str, Any]:
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

    def _implied(
        self, process: Process, tid: int, found: list[events.FileAccess]
    ) -> Iterable[events.FileAccess]:
        if not found or found[0].path_b64 is not None:
            return []
        path = found[0].path.encode()
        return [files.implied(process, each) for each in self._interpreters.implied(tid, path)]

    def signalled(
        self, process: Process, comm: str, tid: int, signo: int, time_ns: int
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
            **self.head(process, tid, time_ns, comm),
            signal=signal_name(signo),
            signo=signo,
            **details,
        )

    def ended(
        self,
        process: Process,
        comm: str,
        tid: int,
        status: WaitStatus,
        time_ns: int,
        *,
        whole: bool,
    ) -> events.Exit | events.SignalExit:
        """Describe the end of a task.  whole: of the process with it."""
        head = self.head(process, tid, time_ns, comm)
        if status.kind is Kind.EXITED:
            return events.Exit(**head, code=status.value, process=whole)
        return events.SignalExit(
            **head,
            signal=signal_name(status.value),
            signo=status.value,
            core_dumped=status.core_dumped,
            process=whole,
        )

    def executed(
        self,
        process: Process,
        tid: int,
        former: int,
        entry: Call | None,
        time_ns: int,
        *,
        envp: bool,
    ) -> events.Exec:
        """Describe an exec.  entry: the execve call, if it was seen.

        argv is read from the new image, which has just been given it.
        """
        path, b64 = process.exe, None
        place = files.executed(process, tid, entry)
        if place is not None:
            path, b64 = place.path, place.path_b64
        argv, whole = procfs.cmdline(tid)
        return events.Exec(
            **self.head(process, tid, time_ns),
            path=path,
            path_b64=b64,
            argv=[shown(item) for item in argv],
            envp=[shown(item) for item in procfs.environ(tid)[0]] if envp else None,
            former_tid=former if former != tid else None,
            truncated=not whole,
        )


def _own_ids(process: Process, tid: int) -> dict[str, int | None]:
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
