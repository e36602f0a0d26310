"""An event as it is shown to who may know that something happened, but not what was said.

Paths, names, numbers and results stay; contents go: what is in buffers, argv, the environment, and
other strings.  Which arguments have contents is a table, by the kind of the argument (see the
method Syscalls); what is in no table is hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from tracerd.protocol.events import Attached, Event, Exec, SyscallEnter, SyscallExit


class Redaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is hidden.  strings: those that are neither paths nor any of the others."""

    argv: bool = True
    env: bool = True
    buffers: bool = True
    strings: bool = True


Content: TypeAlias = Literal["argv", "env", "buffers", "strings"]

NOTHING: Final = Redaction(argv=False, env=False, buffers=False, strings=False)

CONTENTS: Final[Mapping[str, Content]] = {
    "buffer": "buffers",
    "iovec": "buffers",
    "msghdr": "buffers",
    "mmsghdr": "buffers",
    "msgbuf": "buffers",
    "option": "buffers",
    "string": "strings",
    "any": "strings",
    "strings": "argv",
}
"""Kinds of arguments that have contents, or may.  Of the kind `strings` are argv and envp."""

_PLAIN: Final = """
    addresses cachestat cachestat_range cap_data cap_header clone_args cpus dev dirents dirfd enum
    epoll_event epoll_events fd fd_set fds file_attr file_handle file_times flags futex_waiters
    gid groups ids int ints io_events io_uring_params iocb iocbs ioprio ipc_key itimerspec
    itimerval kexec_segments landlock_ruleset long lsm_context lsm_ids mnt_id_req mode mount_attr
    mq_attr nodes none ns_id_req off offs open_how path perf_attr pid policy pollfds ptr quota_cmd
    ranges resident rlimit rusage sched_attr segment sembufs sigaction sigevent siginfo signal
    signal_stack sigset size sockaddr stat statfs statmount statx sysinfo timespec timeval
    timevals timex timezone tms uid uint ulong ustat utimbuf utsname value_result word wstatus
    xattr_args
"""
PLAIN: Final[frozenset[str]] = frozenset(_PLAIN.split())
"""Kinds that have none."""


def redacted(event: Event, kinds: Mapping[str, str], what: Redaction) -> Event:
    """Return an event without what is to be hidden; the same one if there is nothing of it.

    kinds: of the arguments, by name.  In the place of a value that was hidden is
    `{"redacted": size}`, with its size where that is known, else -1.
    """
    if isinstance(event, Exec):
        return _exec(event, what)
    if isinstance(event, Attached):
        return replace(event, argv=[], redacted=True) if what.argv and event.argv else event
    if not isinstance(event, SyscallEnter | SyscallExit):
        return event
    args = {
        name: _hidden(value) if _hides(name, value, kinds.get(name, ""), what) else value
        for name, value in event.args.items()
    }
    return event if args == event.args else replace(event, args=args, redacted=True)


def _exec(event: Exec, what: Redaction) -> Event:
    argv = [] if what.argv else event.argv
    envp = None if what.env else event.envp
    if argv == event.argv and envp == event.envp:
        return event
    return replace(event, argv=argv, envp=envp, redacted=True)


def _hides(name: str, value: Any, kind: str, what: Redaction) -> bool:
    """Whether a value is content, and to be hidden."""
    if value is None or isinstance(value, int) or kind in PLAIN:
        return False
    if isinstance(value, dict) and value.keys() == {"ptr"}:
        return False  # it was not read
    content = CONTENTS.get(kind)
    if content is None:
        return what != NOTHING
    if content == "argv" and name == "envp":
        content = "env"
    return bool(getattr(what, content))


def _hidden(value: Any) -> dict[str, int]:
    size = value.get("size") if isinstance(value, dict) else len(value)
    return {"redacted": size if isinstance(size, int) else -1}
