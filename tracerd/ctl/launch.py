"""Starting a program so that nothing but the tracing differs from starting it directly.

We fork; the child waits until it is under trace, then becomes the program.  So
terminal, working directory, environment, limits, process group, inherited
descriptors and parent are the user's own, and the daemon runs nothing.

If not all calls are of interest, the child may put itself under a seccomp filter that stops it
for those that are, right before it becomes the program: the others then run at native speed.
It must be under trace by then, for without a tracer filtered calls fail.

What Python changed for itself is undone in the child: SIGPIPE and SIGXFSZ are
back at their defaults (whether they were ignored when we started, Python does
not tell), and a LC_CTYPE that Python added to the environment is taken out.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import struct
from typing import TYPE_CHECKING, Final, NoReturn

from tracerd.ctl.errors import OWN_FAILURE
from tracerd.ctl.text.escape import escape

if TYPE_CHECKING:
    from tracerd.ctl.wakeup import Wakeup

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
"""As shells have it."""

_KEEP_LOOKING: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT}
)
"""Errors of one directory of PATH that do not end the search, as in execvp(3)."""

PR_SET_PTRACER: Final = 0x59616D61
YAMA: Final = "/proc/sys/kernel/yama/ptrace_scope"

_WORD: Final = struct.Struct("=I")
"""What release() writes: the length of the filter, then the filter."""


class Child:
    """The program to be, waiting.  Exactly one of release() and abandon() is due."""

    def __init__(
        self,
        command: list[str],
        wakeup: Wakeup,
        tracer: int,
        *,
        no_new_privs: bool = False,
        no_io_uring: bool = False,
    ) -> None:
        """Fork.  `tracer`: the daemon's pid, which the child allows to trace it under Yama.

        no_new_privs: see seccomp.install.  no_io_uring: see seccomp.without_io_uring.
        """
        reader, writer = os.pipe()
        # Until the child has its own dispositions, a Ctrl-C would reach our handlers in it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, wakeup.signals)
        self.pid = os.fork()
        if self.pid == 0:
            os.close(writer)
            _become(command, wakeup, mask, reader, tracer, no_new_privs, no_io_uring)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(reader)
        self._writer = writer
        self.status: int | None = None
        """Wait status, once it has ended."""

    def release(self, seccomp: bytes = b"") -> None:
        """Let it exec, under a seccomp filter if one is given."""
        with (
            contextlib.suppress(BrokenPipeError),  # killed meanwhile
            open(self._writer, "wb") as pipe,
        ):
            pipe.write(_WORD.pack(len(seccomp)) + seccomp)

    def abandon(self) -> None:
        """Let it end without having been anything."""
        os.close(self._writer)
        self.wait()

    def poll(self) -> int | None:
        """Take notice of what SIGCHLD may be about; return a signal that stopped it, if one did."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                return os.WSTOPSIG(status)
            if pid:
                self.status = status
        return None

    def wait(self) -> int:
        """Wait for its end; return its wait status."""
        while self.status is None:
            _pid, self.status = os.waitpid(self.pid, 0)
        return self.status

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.status is None:
            os.kill(self.pid, number)


def _become(
    command: list[str],
    wakeup: Wakeup,
    mask: set[signal.Signals | int],
    reader: int,
    tracer: int,
    no_new_privs: bool,
    no_io_uring: bool,
) -> NoReturn:
    """Be the child: wait for the word, then exec.  Never returns, never raises."""
    code = NOT_EXECUTABLE
    try:
        if tracer and _yama_restricts():
            _allow(tracer)
        for number, former in wakeup.inherited.items():
            signal.signal(number, former if former == signal.SIG_IGN else signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        with open(reader, "rb") as pipe:
            word = pipe.read()
        if word and len(word) == _WORD.size + _WORD.unpack_from(word)[0]:
            filter_ = word[_WORD.size :]
            code = _filter_and_exec(filter_, command, no_new_privs, no_io_uring)
    except BaseException as error:  # noqa: BLE001  nothing may unwind into the parent's code
        _say(f"{command[0]}: {error}")
    finally:
        os._exit(code)


def _filter_and_exec(
    filter_: bytes, command: list[str], no_new_privs: bool, no_io_uring: bool
) -> int:
    """Exec, or say why not and return the exit code for it."""
    if filter_ or no_io_uring:
        from tracerd.client import seccomp  # noqa: PLC0415  slow to import, and seldom needed

        try:
            if no_io_uring:
                seccomp.install(seccomp.without_io_uring(), no_new_privs=no_new_privs)
            if filter_:
                seccomp.install(filter_, no_new_privs=no_new_privs)
        except OSError as error:
            # The tracer counts on it: without it, it would see nothing.
            _say(f"cannot install a seccomp filter (--no-seccomp does without): {error.strerror}")
            return OWN_FAILURE
    return _exec(command)


def _exec(command: list[str]) -> int:
    """Exec, or say why not and return the exit code for it."""
    name = command[0]
    environment = own_environment()
    refused: OSError | None = None
    for path in candidates(name, environment):
        try:
            _exec_path(path, command, environment)
        except OSError as error:
            if error.errno not in _KEEP_LOOKING:
                refused = error
                break
            if refused is None or error.errno == errno.EACCES:
                refused = error
    if refused is None or refused.errno in {errno.ENOENT, errno.ENOTDIR}:
        text = "No such file or directory" if "/" in name else "command not found"
        _say(f"{name}: {text}")
        return NOT_FOUND
    _say(f"{name}: {refused.strerror}")
    return NOT_EXECUTABLE


def _exec_path(path: bytes, command: list[str], environment: dict[bytes, bytes]) -> None:
    try:
        os.execve(path, command, environment)  # noqa: S606  no shell is the point
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        # A script without `#!`: POSIX has the shell read it.
        os.execve(b"/bin/sh", [b"sh", path, *map(os.fsencode, command[1:])], environment)  # noqa: S606


def candidates(name: str, environment: dict[bytes, bytes]) -> list[bytes]:
    """Return the paths to try for a command's name, as execvp(3) does."""
    encoded = os.fsencode(name)
    if b"/" in encoded or not encoded:
        return [encoded]
    search = environment.get(b"PATH", os.fsencode(os.defpath))
    return [os.path.join(directory or b".", encoded) for directory in search.split(b":")]


def own_environment() -> dict[bytes, bytes]:
    """Return the environment we were given.

    In the C locale Python sets LC_CTYPE for itself (PEP 538), which would reach the program.
    """
    environment = dict(os.environb)
    try:
        with open("/proc/self/environ", "rb") as file:
            given = file.read()
    except OSError:
        return environment
    environment.pop(b"LC_CTYPE", None)
    for entry in given.split(b"\0"):
        if entry.startswith(b"LC_CTYPE="):
            environment[b"LC_CTYPE"] = entry.partition(b"=")[2]
    return environment


def _yama_restricts() -> bool:
    try:
        with open(YAMA, "rb") as file:
            return file.read().strip() == b"1"
    except OSError:
        return False


def _allow(tracer: int) -> None:
    """Let `tracer` trace us although it is no ancestor (Yama, scope 1)."""
    import ctypes  # noqa: PLC0415  slow to import, and seldom needed

    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(tracer), 0, 0, 0)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"tracerctl: {escape(text)}\n".encode("utf-8", "backslashreplace"))


def end_as(status: int) -> int:
    """Return the exit code of a wait status; of a program killed by a signal, die of the same.

    Without a core of ours: it would take the place of the program's.
    """
    if not os.WIFSIGNALED(status):
        return os.waitstatus_to_exitcode(status)
    number = os.WTERMSIG(status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(OSError, ValueError):  # SIGKILL has no disposition
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 + number
