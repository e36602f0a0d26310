"""Programs that others wrote to try the kernel live the same life under trace.

The kernel's own selftests, built from Debian's package of its source, and stress-ng, which checks
the results of what it does.  A selftest that is itself a tracer cannot trace what is traced
already: its life is compared with the one under strace.
"""

import fcntl
import re
import shutil
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import beside
import pytest
from build import BUILD

from tracerd.core.commands import Snapshot
from tracerd.protocol.events import Exec, Exit, NewChild, SignalExit

SUITE = "tools/testing/selftests"
CFLAGS = ("-w", "-O0", "-D_GNU_SOURCE=", "-std=gnu99", "-pthread")
LIBRARIES = ("-lrt", "-ldl")
MORE_SOURCES = {"openat2": ("openat2/helpers.c",)}

ALIKE = """
clone3/clone3 clone3/clone3_clear_sighand clone3/clone3_set_tid core/close_range_test
exec/non-regular exec/null-argv futex/functional/futex_requeue_pi
futex/functional/futex_requeue_pi_signal_restart futex/functional/futex_wait_wouldblock
kcmp/kcmp_test membarrier/membarrier_test_multi_thread membarrier/membarrier_test_single_thread
mincore/mincore_selftest mount_setattr/mount_setattr_test
move_mount_set_group/move_mount_set_group_test mqueue/mq_open_tests nsfs/owner nsfs/pidns
openat2/openat2_test pid_namespace/regression_enomem pidfd/pidfd_fdinfo_test
pidfd/pidfd_getfd_test pidfd/pidfd_open_test pidfd/pidfd_setns_test pidfd/pidfd_wait
proc/fd-002-posix-eq proc/proc-self-map-files-001 proc/proc-self-syscall proc/self
proc/thread-self sigaltstack/sas syscall_user_dispatch/sud_test timens/exec timens/procfs
timens/timens timens/timer timens/timerfd
"""

TRACERS = """
breakpoints/breakpoint_test ptrace/get_syscall_info ptrace/vmaccess
"""

STRESSORS = {
    "births": "fork:20 vfork:20 clone:20 exec:10 zombie:20",
    "signals": "kill:20 sigq:20 sigsegv:20 sigfd:20 sigpending:20 sigsuspend:10 sigtrap:10",
    "waits": "pipe:50 poll:10 eventfd:20 futex:20 switch:20 sigchld:5",
    "threads": "pthread:3",
}
"""What stress-ng does, and how often."""


@pytest.fixture(scope="session")
def selftests():
    """Directory of the built programs; made once, and again when the package is another."""
    packages = sorted(Path("/usr/src").glob("linux-source-*.tar.xz"))
    assert packages, "the package linux-source is not installed"
    package = packages[-1]
    place = BUILD / "selftests"
    place.mkdir(parents=True, exist_ok=True)
    stamp = place / "built"
    want = f"{package} {package.stat().st_mtime_ns} {Path(__file__).stat().st_mtime_ns}"
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != want:
            source = _extracted(package, place)
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda name: _built(source, place, name), chosen()))
            shutil.rmtree(source)
            stamp.write_text(want)
    return place


def chosen():
    return [*ALIKE.split(), *TRACERS.split()]


def _extracted(package, place):
    source = place / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    root = package.name.removesuffix(".tar.xz")
    wanted = sorted({name.split("/")[0] for name in chosen()})
    members = [f"{root}/{SUITE}/{name}" for name in (*wanted, "kselftest*.h")]
    tar = ["tar", "--no-anchored", "--wildcards", "--strip-components=4", "-xJf", package]
    subprocess.run([*tar, "-C", source, *members], check=True)
    return source


def _built(source, place, name):
    directory = str(Path(name).parent)
    sources = [f"{name}.c", *MORE_SOURCES.get(directory, ())]
    includes = ["-I.", f"-I{directory}", "-Ifutex/include"]
    target = place / name.replace("/", ".")
    gcc = ["gcc", *CFLAGS, *includes, "-o", target, *sources, *LIBRARIES]
    subprocess.run(gcc, cwd=source, check=True)


def results(said):
    """What a program says of each of its tests, numbers and order left out."""
    lines = re.findall(
        r"^\s*((?:not )?ok\b.*|\[(?:OK|FAIL|SKIP|INFO|RUN|PASS)\].*)$", said, re.MULTILINE
    )
    return Counter(re.sub(r"(0x)?[0-9a-f]*\d[0-9a-f]*", "N", line) for line in lines)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Such programs leave files where they run."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ALIKE.split())
def test_a_selftest_has_the_results_that_it_has_alone(tracing, tmp_path, selftests, name):

    program = str(selftests / name.replace("/", "."))
    by_itself = beside.alone(tmp_path, program)
    watched = beside.traced(tracing, tmp_path, program)
    assert watched.code == by_itself.code
    assert results(watched.said) == results(by_itself.said)


@pytest.mark.parametrize("name", TRACERS.split())
def test_a_selftest_that_traces_has_the_results_that_it_has_under_strace(
    tracing, tmp_path, selftests, name
):
    program = str(selftests / name.replace("/", "."))
    by_strace = beside.alone(tmp_path, "strace", "-f", "-o", "/dev/null", program)
    watched = beside.traced(tracing, tmp_path, program)
    assert watched.code == by_strace.code
    assert results(watched.said) == results(by_strace.said)


@pytest.mark.parametrize("stressors", STRESSORS.values(), ids=STRESSORS)
def test_stress_ng_finds_nothing_wrong(tracing, tmp_path, stressors):
    words = ["stress-ng", "--quiet", "--verify", "--temp-path", str(tmp_path)]
    for stressor in stressors.split():
        name, _, times = stressor.partition(":")
        words += [f"--{name}", "1", f"--{name}-ops", times]
    assert beside.alone(tmp_path, *words).code == 0
    assert beside.traced(tracing, tmp_path, *words).code == 0
    born = Counter(event.child for event in tracing.of(NewChild))
    ended = Counter(event.tid for event in (*tracing.of(Exit), *tracing.of(SignalExit)))
    assert born + Counter([tracing.of(Exec)[0].pid]) == ended
    assert tracing.command(Snapshot()) == []
