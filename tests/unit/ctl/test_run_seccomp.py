"""When a program that tracerctl starts gets a seccomp filter, and what becomes of it then.

The daemon is a fake that traces nothing.  So the filters here are about a call that the
programs do not make, for it would fail.
"""

import contextlib
import ctypes
import errno
import json
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tracerd.client import seccomp
from tracerd.protocol import messages

ROOT = str(Path(__file__).parents[3])
START = (
    f"import sys; sys.path.insert(0, {ROOT!r}); from tracerd.ctl.main import main; sys.exit(main())"
)
CTL = [sys.executable, "-c", START]

NEVER = 3000
"""The number of no call."""
CALLS = {"x86_64": [NEVER], "i386": []}
FILTERS = [messages.Filter(syscall=["%file"])]

LOOK = "grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status; exit 3"
FREE, FILTERED, TIED = (
    f"NoNewPrivs:\t{attribute}\nSeccomp:\t{mode}\n" for attribute, mode in ((0, 0), (0, 2), (1, 2))
)

pytestmark = pytest.mark.skipif(
    seccomp.refusal() is not None, reason="needs CAP_SYS_ADMIN, and to be free of seccomp"
)


@pytest.fixture(autouse=True)
def narrow(daemon):
    """The daemon stops for some calls only, and is ready for a filter."""
    daemon.end_with_processes()
    attach = daemon.answers["Attach"]
    daemon.answers["Attach"] = lambda call: msgspec.structs.replace(
        attach(call), calls=CALLS if call.calls else msgspec.UNSET
    )
    daemon.answers["Subscribe"] = messages.SubscribeReply(
        id="s1", run="r1", filters=FILTERS, pushed_down=["openat"]
    )


def run(*words, verb="run", **options):
    options = {"capture_output": True, "text": True, "timeout": 30} | options
    return subprocess.run(
        [*CTL, verb, *words, "--", "sh", "-c", LOOK], check=False, **options
    )  # fmt: skip


def powerless():
    """Be root without CAP_SYS_ADMIN after the next exec."""
    ctypes.CDLL(None).prctl(24, ctypes.c_ulong(21), 0, 0, 0)  # PR_CAPBSET_DROP


def sandboxed():
    """Be where seccomp(2) is not allowed."""
    sandbox = seccomp.program({"x86_64": [317], "i386": []}, stop=0x50000 | errno.EPERM)
    seccomp.install(sandbox)


def crowded():
    """Be where there is room for a small filter, but not for a large one."""
    size = 4000
    filler = seccomp._instruction(5, 0) * (size - 1) + seccomp._instruction(6, seccomp.RET_ALLOW)
    with contextlib.suppress(OSError):
        while True:
            seccomp.install(filler)


@pytest.mark.parametrize("verb", ["run", "files"])
def test_it_is_installed_if_that_changes_nothing_else(daemon, verb):
    done = run(verb=verb)

    assert (done.returncode, done.stdout) == (3, FILTERED)
    [attached] = daemon.called("Attach")
    assert attached.calls == messages.CallSelection(filters=FILTERS)


def test_the_level_is_told(daemon):
    run("--level", "io")

    assert daemon.called("Attach")[0].calls.level == "io"


@pytest.mark.parametrize("verb", ["run", "files"])
def test_it_can_be_declined(daemon, verb):
    assert run("--no-seccomp", verb=verb).stdout == FREE
    assert daemon.called("Attach")[0].calls is None


@pytest.mark.parametrize("pushed_down", [["*"], [], None], ids=["all calls", "no calls", "unsaid"])
@pytest.mark.parametrize("option", [[], ["--seccomp"]])
def test_nothing_to_spare(daemon, pushed_down, option):
    daemon.answers["Subscribe"] = messages.SubscribeReply(
        id="s1", run="r1", filters=[], pushed_down=pushed_down
    )

    assert run(*option).stdout == FREE
    assert daemon.called("Attach")[0].calls is None


def test_the_daemon_has_the_last_word(daemon):
    """The program was traced before, say; its filtered calls would fail."""
    attach = daemon.answers["Attach"]
    daemon.answers["Attach"] = lambda call: msgspec.structs.replace(
        attach(call), calls=msgspec.UNSET
    )

    assert run("--seccomp").stdout == FREE
    assert daemon.called("Attach")[0].calls is not None


def test_without_privileges_only_if_told(daemon):
    """It takes an attribute that keeps set-user-ID programs from what they are for."""
    assert run(preexec_fn=powerless).stdout == FREE
    assert daemon.called("Attach")[0].calls is None

    assert run("--seccomp", preexec_fn=powerless).stdout == TIED


def test_with_that_attribute_there_is_nothing_to_lose():
    def bound():
        powerless()
        ctypes.CDLL(None).prctl(38, ctypes.c_ulong(1), 0, 0, 0)  # PR_SET_NO_NEW_PRIVS

    assert run(preexec_fn=bound).stdout == TIED


def test_with_privileges_the_attribute_is_not_set():
    assert run("--seccomp").stdout == FILTERED


def test_in_a_sandbox_that_does_not_allow_it(daemon):
    done = run(preexec_fn=sandboxed)
    assert (done.returncode, done.stderr) == (3, "")
    assert daemon.called("Attach")[0].calls is None

    done = run("--seccomp", preexec_fn=sandboxed)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == (
        "tracerctl: --seccomp: no filter can be installed here: Operation not permitted\n"
    )
    assert len(daemon.called("Attach")) == 1


def test_a_filter_that_fails_after_all(daemon):
    """There is no way back then: the tracer would see nothing."""
    scattered = list(range(0, 1000, 2))
    attach = daemon.answers["Attach"]
    daemon.answers["Attach"] = lambda call: msgspec.structs.replace(
        attach(call), calls={"x86_64": scattered, "i386": scattered}
    )

    done = run(preexec_fn=crowded)

    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == (
        "tracerctl: cannot install a seccomp filter (--no-seccomp does without): "
        "Cannot allocate memory\n"
    )


def test_the_program_sees_only_the_filter():
    """Whatever it took to install it is not to be found in the program."""
    tell = (
        "import json, os, sys; status = dict(line.split(':\\t', 1) for line in "
        "open('/proc/self/status')); print(json.dumps([sorted(map(repr, os.environb.items())), "
        "sorted(os.listdir('/proc/self/fd')), status['SigIgn'], status['SigBlk'], "
        "status['SigCgt'], os.getpgrp(), open('/proc/self/limits').read()]))"
    )
    program = [sys.executable, "-I", "-c", tell]

    def disposed():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM})

    alone, traced = (
        json.loads(
            subprocess.run(
                [*start, *program], check=True, capture_output=True, timeout=30, preexec_fn=disposed
            ).stdout
        )
        for start in ([], [*CTL, "run", "--seccomp", "--"])
    )

    assert traced == alone


@pytest.mark.parametrize("verb", ["run", "files"])
def test_what_becomes_of_it_without_the_daemon(daemon, verb):
    def attach(call):
        daemon.stream().end("shutdown")
        return messages.AttachReply(pid=call.pid, threads=[call.pid], calls=CALLS)

    daemon.answers["Attach"] = attach

    done = run("-o", "/dev/null", verb=verb)

    assert done.returncode == 125
    assert done.stderr == (
        "tracerctl: the daemon was shut down; "
        "the program, which has a seccomp filter, ends with it (see --no-seccomp)\n"
    )


def test_the_options_are_for_commands():
    for option in ("--seccomp", "--no-seccomp"):
        done = subprocess.run(
            [*CTL, "files", option, "-p", "1"], check=False, capture_output=True, text=True
        )
        assert done.returncode == 2
        assert done.stderr == (
            "tracerctl: --seccomp and --no-seccomp are for a command, not for -p\n"
        )
