"""The filter says what it should of every call, and the kernel takes it and heeds it.

What it says is checked by an interpreter of classic BPF that is written here; what comes of it,
by processes that install it and make the calls, with no tracer or with a small one of our own.
"""

import ctypes
import errno
import os
import signal
import struct
import subprocess
import sys
import time

import pytest
from build import command
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracerd.client import seccomp
from tracerd.client.seccomp import ARCHITECTURES, LONGEST, MARK, RET_ALLOW, RET_TRACE, X32_BIT

STOP = RET_TRACE | MARK
X86_64, I386 = ARCHITECTURES["x86_64"], ARCHITECTURES["i386"]
ARM = 0xC00000B7
RET_ERRNO = 0x00050000

NUMBERS = st.sets(st.integers(0, 470) | st.integers(0, X32_BIT - 1), max_size=200)
EVERY_OTHER = set(range(0, 6000, 2))


def instructions(filter_):
    """Return a filter's instructions; how many the kernel takes is checked."""
    code = list(struct.iter_unpack("=HBBI", filter_))
    assert 0 < len(code) <= LONGEST
    return code


def answer(code, arch, nr):
    """Run a filter on a call, and return what it returns."""
    data = struct.pack("=iIQ6Q", nr - (1 << 32) if nr >> 31 else nr, arch, 0, *range(6))
    at, accumulator = 0, None
    while True:
        what, if_true, if_false, k = code[at]
        at += 1
        match what:
            case 0x20:
                assert k % 4 == 0
                (accumulator,) = struct.unpack_from("=I", data, k)
            case 0x05:
                at += k
            case 0x15:
                at += if_true if accumulator == k else if_false
            case 0x35:
                at += if_true if accumulator >= k else if_false
            case 0x54:
                accumulator &= k
            case 0x06:
                return k
            case _:
                pytest.fail(f"instruction {what:#x}")


def around(numbers):
    """Return numbers at which a filter for some can go wrong."""
    near = {number + step for number in numbers for step in (-1, 0, 1)}
    more = {0, 1, 470, 0x7FFFFFFF, X32_BIT - 1, (1 << 32) - 1}
    return sorted(number for number in near | more if 0 <= number < 1 << 32)


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
@example(set(), set())
@example({0}, {0xFFFFFFFF})
@example({X32_BIT - 1, X32_BIT + 5}, set(range(400)))
@example(set(range(0, 980, 2)), set(range(1, 980, 2)))
def test_it_stops_for_the_calls_it_was_made_for(wide, narrow):
    filter_ = instructions(seccomp.program({"x86_64": wide, "i386": narrow}))

    for nr in around(wide | {X32_BIT}):
        wanted = nr in wide or nr >= X32_BIT
        assert answer(filter_, X86_64, nr) == (STOP if wanted else RET_ALLOW), nr
    for nr in around(narrow):
        assert answer(filter_, I386, nr) == (STOP if nr in narrow else RET_ALLOW), nr


@settings(deadline=None)
@given(NUMBERS)
def test_what_is_not_known_stops(numbers):
    filter_ = instructions(seccomp.program({"x86_64": numbers}))

    for nr in (0, 59, 0xFFFFFFFF, *numbers):
        assert answer(filter_, ARM, nr) == STOP
        assert answer(filter_, I386, nr) == STOP
        assert answer(filter_, X86_64, nr | X32_BIT) == STOP
    assert answer(filter_, X86_64, 0xFFFFFFFF) == STOP


@pytest.mark.parametrize("numbers", [EVERY_OTHER, {n * n for n in range(3000)}], ids=len)
def test_numbers_too_scattered_for_the_kernel(numbers):
    """More stops then than they have to; none too few."""
    filter_ = instructions(seccomp.program({"x86_64": numbers, "i386": numbers}))

    assert {answer(filter_, arch, nr) for arch in (X86_64, I386) for nr in numbers} == {STOP}
    assert answer(filter_, I386, max(numbers) + 1) == RET_ALLOW
    # The narrowest gaps are closed first.
    widest = sorted(numbers)[-200:]
    if widest[1] - widest[0] > 2:
        assert {answer(filter_, X86_64, nr + 1) for nr in widest} == {RET_ALLOW}


@settings(deadline=None)
@given(st.integers(0, (1 << 32) - 1))
@example(424)
@example(425)
@example(427)
@example(428)
@example(X32_BIT | 426)
def test_io_uring_alone_is_refused(nr):
    filter_ = instructions(seccomp.without_io_uring())
    refused = 425 <= nr & ~X32_BIT <= 427

    for arch in (X86_64, I386, ARM):
        expected = RET_ERRNO | errno.ENOSYS if refused else RET_ALLOW
        assert answer(filter_, arch, nr) == expected
    assert answer(filter_, 0x16, nr) == RET_ALLOW  # s390: a number may mean something else


def test_a_search_is_short():
    """It is made for every call that stops, and by old kernels for all of them."""
    code = instructions(seccomp.program({"x86_64": range(0, 400, 2), "i386": ()}))

    def steps(at, done=0):
        what, if_true, if_false, k = code[at]
        if what == 0x06:
            return done + 1
        following = [at + 1 + k] if what == 0x05 else [at + 1 + if_true, at + 1 + if_false]
        if what == 0x20:
            following = [at + 1]
        return max(steps(each, done + 1) for each in following)

    assert steps(0) <= 20


@pytest.mark.parametrize("number", [-1, 1 << 32])
def test_what_is_no_number_is_refused(number):
    with pytest.raises(ValueError, match="not the number"):
        seccomp.program({"x86_64": [number]})


# ---- with the kernel


def in_child(work):
    """Return what a function said in a forked child: its text, and the child's wait status."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            os.write(writer, str(work()).encode())
            os._exit(0)
        except BaseException as error:  # noqa: BLE001  nothing may unwind into the test
            os.write(writer, repr(error).encode())
        finally:
            os._exit(1)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pipe.read().decode()
    return said, os.waitpid(pid, 0)[1]


def call(number):
    """Make a system call without arguments; return its result or error."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(ctypes.c_long(number))
    return errno.errorcode[ctypes.get_errno()] if result == -1 else "done"


GETPPID, GETUID, GETPID = 110, 102, 39


@pytest.mark.parametrize(
    "numbers",
    [{GETPPID}, {GETPPID, GETUID, 3000}, {*range(1000, 3000, 2), GETPPID}],
    ids=["one", "some", "as many as there can be"],
)
def test_the_kernel_takes_it(numbers):
    filter_ = seccomp.program({"x86_64": numbers, "i386": numbers}, stop=RET_ERRNO | errno.EDOM)

    def work():
        seccomp.install(filter_, no_new_privs=True)
        return [call(nr) for nr in (GETPPID, GETUID, GETPID)]

    said, status = in_child(work)

    assert status == 0
    assert said == str(["EDOM", "EDOM" if GETUID in numbers else "done", "done"])


def test_without_a_tracer_it_fails_the_calls():
    def work():
        seccomp.install(seccomp.program({"x86_64": {GETPPID}}), no_new_privs=True)
        return [call(GETPPID), call(GETPID)]

    assert in_child(work)[0] == str(["ENOSYS", "done"])


def test_i386_numbers_are_their_own(tmp_path):
    """Here by a 64-bit program."""

    def filtered(**numbers):
        filter_ = seccomp.program(numbers, stop=RET_ERRNO | errno.EDOM)
        done = subprocess.run(
            command("abi_int80", tmp_path), check=False, capture_output=True, text=True,
            preexec_fn=lambda: seccomp.install(filter_, no_new_privs=True),
        )  # fmt: skip
        return dict(line.rsplit(" ", 1) for line in done.stdout.splitlines() if "x32" not in line)

    alone = filtered(x86_64=(), i386=())
    assert alone["writev"] == "6"
    assert alone["pread64"] == "3"

    assert (alone["rename"], alone["openat"], alone["unlink"]) == ("0", str(-errno.ENOENT), "0")

    # i386's rename is 38, x86-64's setitimer; 146 is writev there, and sched_get_priority_max.
    some = filtered(x86_64=(146, 195), i386=(38,))
    assert (some["rename"], some["unlink"]) == (str(-errno.EDOM), str(-errno.ENOENT))
    assert int(some["openat"]) > 0  # the file has kept its name
    same = {"write", "writev", "pread64", "stat64"}
    assert {name: some[name] for name in same} == {name: alone[name] for name in same}


def test_it_is_known_beforehand_whether_the_kernel_takes_it():
    assert seccomp.refusal(no_new_privs=True) is None
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t") for line in file.read().splitlines())
    assert status["Seccomp"] == "0"  # it was tried, but not here
    assert status["NoNewPrivs"] == "0"


AS_NOBODY = f"""
import os, sys
sys.path.insert(0, {str(os.path.dirname(os.path.dirname(os.path.dirname(seccomp.__file__))))!r})
from tracerd.client import seccomp
os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
print(seccomp.refusal(), seccomp.refusal(no_new_privs=True))
filter_ = seccomp.program({{"x86_64": (), "i386": ()}})
try:
    seccomp.install(filter_)
except PermissionError as error:
    print(error.errno)
seccomp.install(filter_, no_new_privs=True)
print([line for line in open("/proc/self/status") if line[:4] in ("NoNe", "Secc")])
print(seccomp.refusal())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="changes users")
def test_without_privileges_it_takes_no_new_privs():
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY], check=True, capture_output=True, text=True
    )

    tried, number, status, again = done.stdout.splitlines()
    assert tried == "[Errno 13] Permission denied None"
    assert number == "13"
    assert "NoNewPrivs:\\t1" in status
    assert "Seccomp:\\t2" in status
    assert again == "None"  # with that attribute nobody is asked for more


def test_with_privileges_it_does_not():
    if seccomp.refusal() is not None:
        pytest.skip("needs CAP_SYS_ADMIN")

    def work():
        seccomp.install(seccomp.program({"x86_64": ()}, stop=RET_ALLOW), no_new_privs=True)
        with open("/proc/self/status") as file:
            return [line for line in file.read().splitlines() if line.startswith("NoNewPrivs")]

    assert in_child(work)[0] == str(["NoNewPrivs:\t0"])


@pytest.mark.parametrize(
    ("action", "expected"),
    [(RET_ERRNO | errno.ENOSYS, errno.ENOSYS), (0x80000000, errno.EPERM), (0x30000, errno.EPERM)],
    ids=["errno", "kill", "trap"],
)
def test_a_sandbox_that_does_not_allow_it(action, expected):
    """It may even kill who asks: not us."""

    def work():
        sandbox = seccomp.program({"x86_64": {317}, "i386": ()}, stop=action)
        seccomp.install(sandbox, no_new_privs=True)
        return seccomp.refusal(no_new_privs=True).errno

    assert in_child(work) == (str(expected), 0)


# ---- with a tracer

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = (ctypes.c_long,) * 4
libc.ptrace.restype = ctypes.c_long
SEIZE, CONT, GETEVENTMSG, PEEKUSER = 0x4206, 7, 0x4201, 3
O_TRACEEXEC, O_TRACESECCOMP, O_EXITKILL = 0x10, 0x80, 0x100000
EVENT_EXEC, EVENT_SECCOMP = 4, 7
ORIG_RAX = 8 * 15


def ptrace(request, pid, address=0, data=0):
    result = libc.ptrace(request, pid, address, data)
    assert result != -1, errno.errorcode[ctypes.get_errno()]
    return result


class Traced:
    """A forked child that is seized while it waits for the word."""

    def __init__(self, work):
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(writer)
                os.read(reader, 1)
                work()
            finally:
                os._exit(99)
        os.close(reader)
        ptrace(SEIZE, self.pid, 0, O_TRACEEXEC | O_TRACESECCOMP | O_EXITKILL)
        os.write(writer, b"x")
        os.close(writer)

    def run(self):
        """Return what it stopped for, to its end: numbers of calls, `exec`, and the wait status."""
        seen = []
        deadline = time.monotonic() + 30
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            assert time.monotonic() < deadline
            if not pid:
                continue
            if not os.WIFSTOPPED(status):
                return [*seen, status]
            event, signo = status >> 16, 0
            if event == EVENT_SECCOMP:
                data = ctypes.c_ulong()
                ptrace(GETEVENTMSG, self.pid, 0, ctypes.addressof(data))
                assert data.value == MARK
                seen.append(ptrace(PEEKUSER, self.pid, ORIG_RAX))
            elif event == EVENT_EXEC:
                seen.append("exec")
            elif not event:
                signo = os.WSTOPSIG(status)
            ptrace(CONT, self.pid, 0, signo)


EXECVE, SET_GROUP_ID, EXIT_GROUP = 59, 106, 231


def test_a_tracer_is_told_of_these_calls_and_no_others():
    filter_ = seccomp.program({"x86_64": {GETPPID, EXIT_GROUP}, "i386": ()})

    def work():
        seccomp.install(filter_, no_new_privs=True)
        parent = os.getppid()
        os.getuid()
        os.getpid()
        os._exit(7 if parent == os.getppid() > 1 else 8)

    assert Traced(work).run() == [GETPPID, GETPPID, EXIT_GROUP, 7 << 8]


def test_the_filter_goes_on_after_an_exec():
    """The exec is one of the calls that it stops for, and succeeds."""
    filter_ = seccomp.program({"x86_64": {EXECVE, GETPPID}, "i386": ()})

    def work():
        seccomp.install(filter_, no_new_privs=True)
        for path in ("/nowhere/sh", "/bin/sh"):
            try:
                os.execve(path, ["sh", "-c", "exit 5"], {})
            except FileNotFoundError:
                os.getuid()

    seen = Traced(work).run()

    assert seen[:3] == [EXECVE, EXECVE, "exec"]
    assert set(seen[3:-1]) <= {GETPPID}  # dash asks for its parent
    assert seen[-1] == 5 << 8


def test_it_dies_with_its_tracer():
    """Or all filtered calls would fail, and nobody would know why."""

    def trace():
        def work():
            seccomp.install(seccomp.program({"x86_64": {GETPPID}}), no_new_privs=True)
            signal.pause()

        traced = Traced(work)
        os.write(writer, str(traced.pid).encode())
        os.read(held, 1)

    reader, writer = os.pipe()
    held, holder = os.pipe()
    tracer = os.fork()
    if tracer == 0:
        try:
            os.close(holder)
            trace()
        finally:
            os._exit(0)
    os.close(held)
    program = os.pidfd_open(int(os.read(reader, 20)))
    os.close(holder)
    os.waitpid(tracer, 0)

    import select

    assert select.select([program], [], [], 30)[0]
    for fd in (reader, writer, program):
        os.close(fd)
