"""Who may attach to what.

The kernel decides, asked as the peer (judging.py).  The rule is here a second time, as ptrace(2)
has it: it gives the reason, which is what people need; and it decides where the daemon cannot
become the peer, and so cannot ask.  Where it leaves doubt then, the answer is no.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakValueDictionary

import trio

from tracerd import errors
from tracerd.core import credentials, procfs, untraceable
from tracerd.core.credentials import OURS, UNKNOWN
from tracerd.server.judging import Judge, Verdict
from tracerd.server.log import Log
from tracerd.server.roles import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracerd.core.pidfd import PidFd
    from tracerd.server.access import Peer

log = Log(__name__)

_CAP_SYS_PTRACE: Final = 1 << 19
_YAMA: Final = "/proc/sys/kernel/yama/ptrace_scope"
_AT_A_TIME: Final = 4
"""Questions of one user.  Whoever holds his own up does not hold up those of others."""

_MAY_NOT: Final = {
    Role.WATCHER: "you may watch, not attach (you are in one of the watch_groups)",
    Role.ONLOOKER: "the configuration lets only administrators attach (owners_attach is false)",
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """A process that may be attached to; pid and start together name it for good."""

    pid: int
    start: int


class Permits:
    """Judges attaches.  Trio thread; the looking is done in others: /proc and users can be slow."""

    def __init__(self, judge: Judge, *, trace_init: bool = False) -> None:
        self._judge = judge
        self._trace_init = trace_init
        self._limiters: WeakValueDictionary[int, trio.CapacityLimiter] = WeakValueDictionary()

    async def check(self, peer: Peer, pid: int, held: PidFd) -> Target:
        """Judge an attach by `peer` to `pid`, which is `held`.

        Raises NoSuchProcess, OwnDaemon, InvalidParameter (a thread that is no process), what
        untraceable.refuse raises, OwnClient or PermissionDenied, in this order.
        """
        return await self._in_thread(peer, partial(self.judge, peer, pid, held))

    async def check_again(self, peer: Peer, target: Target, held: PidFd) -> None:
        """Judge again, once the target is traced: it may have changed between check and attach.

        Raises NoSuchProcess if it has ended (its pid may have been recycled), or PermissionDenied.
        """
        await self._in_thread(peer, partial(self.judge_again, peer, target, held))

    async def _in_thread(self, peer: Peer, judge: Callable[[], T]) -> T:
        limiter = self._limiters.get(peer.uid)
        if limiter is None:
            limiter = self._limiters[peer.uid] = trio.CapacityLimiter(_AT_A_TIME)
        return await trio.to_thread.run_sync(judge, limiter=limiter, abandon_on_cancel=True)

    def judge(self, peer: Peer, pid: int, held: PidFd) -> Target:
        """Do what `check` does, blocking."""
        stat = procfs.stat(pid) if pid > 0 else None
        status = _status(pid) if stat else {}
        if stat is None or not status:
            raise errors.NoSuchProcess(pid)
        tgid = int(status["Tgid"])
        if tgid in (os.getpid(), self._judge.pid):
            raise errors.OwnDaemon(pid)
        if tgid != pid:
            raise errors.InvalidParameter("pid", f"{pid} is a thread of process {tgid}")
        untraceable.refuse(pid, trace_init=self._trace_init)
        if pid != untraceable.INIT and pid in _with_ancestors(peer.pid):
            raise errors.OwnClient(pid)
        target = Target(pid, stat.start)
        self.judge_again(peer, target, held)
        return target

    def judge_again(self, peer: Peer, target: Target, held: PidFd) -> None:
        """Do what `check_again` does, blocking."""
        reason = "" if peer.powers.attaches_all else self._refusal(peer, target.pid, held)
        if not held.alive():  # looked at before: what was found may be another's
            raise errors.NoSuchProcess(target.pid)
        if reason:
            raise errors.PermissionDenied(target.pid, reason)

    def _refusal(self, peer: Peer, pid: int, held: PidFd) -> str:
        """Return why the peer may not trace a living user process, or "" if it may."""
        if not peer.powers.attaches:
            return _MAY_NOT.get(peer.role, "you may not attach to anything")
        if reason := _namespace_refusal(peer, pid):
            return reason
        verdict = self._judge.ask(peer, held, procfs.tasks(pid) or [pid])
        if verdict is Verdict.MAY:
            return ""
        if verdict is Verdict.SILENT:
            return "whether you may could not be found out in time"
        reason = _rule(peer, pid)
        if verdict is Verdict.REFUSED or (verdict is Verdict.READS and _yama_scope() != 1):
            reason = reason or "the kernel refuses (capabilities, or a security module)"
        # READS, and Yama wants an ancestor: the judge is nobody's.  The rule has looked at that.
        return reason


def explain_refusal(error: errors.PermissionDenied) -> errors.PermissionDenied:
    """Add what the administrator can change to a refusal that came from the kernel."""
    scope = _yama_scope()
    if scope and not _capable():
        hint = (
            f"the daemon lacks CAP_SYS_PTRACE and Yama's ptrace_scope is {scope}; run tracerd as "
            "root, or as root: sysctl kernel.yama.ptrace_scope=0"
        )
        return errors.PermissionDenied(error.pid, f"{error.reason} ({hint})")
    return error


def _namespace_refusal(peer: Peer, pid: int) -> str:
    """Return why a peer of another user namespace may not: the judge is always of ours."""
    if peer.user_ns == UNKNOWN:
        return "you cannot be told: the process that connected is gone"
    if peer.user_ns != OURS and credentials.user_namespace(pid)[0] != peer.user_ns:
        return "lives in another user namespace than you"
    return ""


def _rule(peer: Peer, pid: int) -> str:
    """Return the reason that the rule gives against an attach; "" if none."""
    statuses = [status for tid in procfs.tasks(pid) or [pid] if (status := _status(tid))]
    for status in statuses:
        if reason := _task_refusal(peer, status):
            return reason
    if credentials.user_namespace(pid)[0] != peer.user_ns:
        return "lives in another user namespace than you"
    if not procfs.dumpable(pid):
        return "is not dumpable: it has, or had, privileges of its own"
    return _yama_refusal(peer, pid)


def _task_refusal(peer: Peer, status: dict[str, str]) -> str:
    real, effective, saved = (int(uid) for uid in status["Uid"].split()[:3])
    if {real, effective, saved} != {peer.uid}:
        owner = real if real != peer.uid else effective if effective != peer.uid else saved
        return f"belongs to user {_user(owner)} (uid {owner}), you are uid {peer.uid}"
    gids = {int(gid) for gid in status["Gid"].split()[:3]}
    if gids != {peer.gid}:
        other = min(gids - {peer.gid})
        return f"runs with group id {other}, you have group id {peer.gid}"
    if int(status.get("CapPrm", "0"), 16):
        return "holds capabilities that you lack"
    return ""


def _yama_refusal(peer: Peer, pid: int) -> str:
    # Where the daemon has no privilege the kernel asks Yama by itself, and knows more than we
    # can (PR_SET_PTRACER).
    scope = _yama_scope()
    if not scope or not _capable():
        return ""
    if scope == 1 and peer.pid in _with_ancestors(pid):
        return ""
    allowed = "a process's own ancestors" if scope == 1 else "root"
    return (
        f"Yama's ptrace_scope is {scope}, which lets only {allowed} trace; "
        "as root: sysctl kernel.yama.ptrace_scope=0"
    )


def _yama_scope() -> int:
    text = procfs.read(_YAMA)
    return int(text) if text else 0


def _capable() -> bool:
    return bool(int(_status(os.getpid()).get("CapEff", "0"), 16) & _CAP_SYS_PTRACE)


def _status(pid: int) -> dict[str, str]:
    text = procfs.read(f"/proc/{pid}/status")
    if not text:
        return {}
    pairs = (line.partition(":") for line in text.decode("utf-8", "replace").splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _with_ancestors(pid: int) -> Iterator[int]:
    """Yield `pid`, its parent, and so on up to init.  Parents are older, so this ends."""
    while pid > 0:
        yield pid
        stat = procfs.stat(pid)
        pid = stat.ppid if stat else 0


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "?"
