"""Asks the kernel what a tracer may rely on, of a child of its own; says what it answers.

It is a tracer itself and shall not be traced.  jobs_requests.py stops: requests at a
signal-delivery-stop and in a group-stop.  jobs_requests.py kinds PROGRAM ARGS: the kinds of
stop PROGRAM makes, with every option set.
"""

import ctypes
import os
import signal
import sys
from collections import Counter

from ptrace.binding import func as binding

from tracerd.core import kernel
from tracerd.core.wait_status import Kind, classify

LIBC = ctypes.CDLL(None, use_errno=True)
ALL_OPTIONS = kernel.OPTIONS | kernel.O_EXITKILL | 1 << 5 | 1 << 6 | 1 << 7
"""With VFORKDONE, EXIT and SECCOMP, which the daemon leaves out."""


def ask(request, tid):
    """Make a request; return the name of its error, None if it succeeded."""
    room = ctypes.create_string_buffer(128)
    LIBC.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    data = ctypes.addressof(room) if request == binding.PTRACE_GETSIGINFO else 0
    if LIBC.ptrace(request, tid, 0, data) == 0:
        return None
    return signal_error(ctypes.get_errno())


def signal_error(number):
    return {3: "ESRCH", 5: "EIO", 22: "EINVAL"}.get(number, str(number))


def wait(tid):
    return classify(os.waitpid(tid, kernel.WALL)[1])


def start(options, *argv):
    """Fork a child that execs once it is traced."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(ours, 1)
        os.execvp(argv[0], argv)
    kernel.seize(pid, options)
    os.write(theirs, b"g")
    return pid


def stops():
    pid = start(kernel.OPTIONS | kernel.O_EXITKILL, "sleep", "60")
    assert wait(pid).kind is Kind.EXEC
    kernel.cont(pid)
    os.kill(pid, signal.SIGSTOP)
    print("stopped:", *wait(pid)[:2])
    print("listen:", ask(kernel.LISTEN, pid))
    print("siginfo:", kernel.signal_info(pid)[:3] == (signal.SIGSTOP, 0, os.getpid()))
    kernel.cont(pid, signal.SIGSTOP)
    print("stopped:", *wait(pid)[:2])
    print("siginfo:", ask(binding.PTRACE_GETSIGINFO, pid), kernel.signal_info(pid)[1] >> 8)
    print("listen:", kernel.listen(pid))
    for request in (kernel.DETACH, kernel.CONT, kernel.LISTEN, binding.PTRACE_GETSIGINFO):
        print("listening:", ask(request, pid))
    print("interrupt:", kernel.interrupt(pid))
    print("stopped:", *wait(pid)[:2])
    # Killed: it is not there any more for a request, and its end is still to be waited for.
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | kernel.WALL)
    print("killed:", ask(binding.PTRACE_GETSIGINFO, pid), kernel.signal_info(pid))
    print("listen:", kernel.listen(pid), kernel.event_message(pid), kernel.detach(pid))
    print("ended:", *wait(pid)[:2])


def kinds(*argv):
    seen = Counter()
    first = start(ALL_OPTIONS, *argv)
    while True:
        try:
            tid, raw = os.waitpid(-1, kernel.WALL)
        except ChildProcessError:
            break
        status = classify(raw)
        seen[status.kind] += 1
        if status.kind is Kind.GROUP_STOP:
            kernel.listen(tid)
        elif not status.ended:
            signo = status.value if status.kind is Kind.SIGNAL else 0
            kernel.resume(kernel.SYSCALL, tid, signo)
        if tid == first and status.ended:
            code = status.value
    print("exit code", code)
    print("seen", *sorted(kind.name for kind in seen))


if __name__ == "__main__":
    signal.alarm(60)
    {"stops": stops, "kinds": kinds}[sys.argv[1]](*sys.argv[2:])
