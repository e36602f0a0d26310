"""The units in systemd/: sound, as tight as the docs say, and the daemon does its work under them.

There is no systemd to run them here: as_unit.py does what the kernel can do of it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from as_unit import ROOT, allowed, section
from hostile import Honest, public_directory
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from real_daemon import DEADLINE_S, Daemons, ended, tracer_of, wait_until

UNITS = ROOT / "systemd"
SYSTEM = UNITS / "tracerd.service"
USER = UNITS / "user" / "tracerd.service"
AS_UNIT = ROOT / "tests" / "server" / "as_unit.py"
PAGE = (ROOT / "docs" / "operations.md").read_text()

OTHER = 64998
"""Somebody who has no processes but ours."""
AS_OTHER = ("setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups")

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="needs systemd-analyze"
)


def analyze(*words, **options):
    return subprocess.run(
        ["systemd-analyze", *words], capture_output=True, text=True, check=False, **options
    )


@needs_systemd
@pytest.mark.parametrize("directory", [UNITS, UNITS / "user"], ids=["system", "user"])
def test_the_units_are_sound(tmp_path, directory):
    service = (directory / "tracerd.service").read_text()
    assert "ExecStart=/usr/bin/tracerd\n" in service
    # verify insists that the program is there.
    (tmp_path / "tracerd.service").write_text(
        service.replace("/usr/bin/tracerd", os.path.realpath(sys.executable))
    )
    shutil.copy(directory / "tracerd.socket", tmp_path)
    verified = analyze(
        *("verify", *(["--user"] if directory.name == "user" else [])),
        *(tmp_path / "tracerd.service", tmp_path / "tracerd.socket"),
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


@needs_systemd
def test_the_exposure_is_what_the_page_says():
    judged = analyze("security", "--offline=true", "--no-pager", SYSTEM)
    score = float(re.search(r"exposure level for tracerd.service: ([\d.]+)", judged.stdout)[1])
    told = float(re.search(r"systemd-analyze security.*?\n.*?exposure level of \*\*([\d.]+)\*\*",
                           PAGE, re.DOTALL)[1])  # fmt: skip
    assert score <= told <= 4.2


def test_what_is_left_out_has_its_reason():
    text = SYSTEM.read_text()
    reasons = text.partition("# Left out")[2]
    for directive in (
        *("ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateMounts"),
        *("ProtectProc", "ProcSubset", "ProtectKernelTunables", "ProtectKernelModules"),
        *("ProtectKernelLogs", "ProtectControlGroups", "RootDirectory", "PrivateUsers"),
        *("PrivateNetwork", "User", "DynamicUser"),
    ):
        assert directive not in section(SYSTEM)
        assert re.search(rf"\b{directive}\b", reasons), directive
    for name in section(SYSTEM)["CapabilityBoundingSet"].split():
        assert re.search(rf"^# .*{name}\b", text, re.MULTILINE), name


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="needs systemd-sysusers")
def test_the_group_and_its_directory(tmp_path):
    root = f"--root={tmp_path}"
    (tmp_path / "etc").mkdir()
    subprocess.run(["systemd-sysusers", root, UNITS / "tracerd.sysusers"], check=True)
    gid = int(
        re.search(r"^tracerd:x:(\d+):$", (tmp_path / "etc/group").read_text(), re.MULTILINE)[1]
    )
    assert not (tmp_path / "etc/passwd").exists() or not (tmp_path / "etc/passwd").read_text()
    subprocess.run(["systemd-tmpfiles", root, "--create", UNITS / "tracerd.tmpfiles"], check=True)
    made = (tmp_path / "var/lib/tracerd").stat()
    assert (made.st_mode & 0o7777, made.st_uid, made.st_gid) == (0o750, 0, gid)


@pytest.fixture
def public():
    """Daemons where other users reach them."""
    with public_directory() as directory:
        daemons = Daemons(f"{directory}/sock")
        daemons.directory = Path(directory)
        yield daemons
        daemons.close()


def under(unit, *without, python=sys.executable):
    return [python, str(AS_UNIT), str(unit), *without, "--", python]


def others_sleeper(daemons):
    """Start a process of another user."""
    sleeper = daemons.start(command=[*AS_OTHER, "sleep", "600"], stderr=None)
    wait_until(lambda: Path(f"/proc/{sleeper.pid}/comm").read_text() == "sleep\n")
    return sleeper


def ctl(daemons, *words, prefix=(), python=sys.executable, **popen):
    return subprocess.run(
        [*prefix, python, "-m", "tracerd.ctl", "--socket", daemons.path, *map(str, words)],
        capture_output=True, text=True, check=False, timeout=DEADLINE_S, **popen,
    )  # fmt: skip


@needs_systemd
def test_the_daemon_works_under_the_unit(public):
    """Own and other users' processes, programs run, files, a record; nothing is refused it."""
    command = [*under(SYSTEM), "-m", "tracerd", "--socket", public.path]
    daemon = public.start(command=command)
    with Honest(public.path):
        kept = int(
            re.search(r"CapBnd:\s*(\w+)", Path(f"/proc/{daemon.pid}/status").read_text())[1], 16
        )
        assert kept == sum(1 << number for number in (2, 5, 6, 7, 19, 23))
        sleeper = others_sleeper(public)
        root = public.connect()
        assert "error" not in root.call("Attach", pid=sleeper.pid)
        assert tracer_of(sleeper.pid)
        assert "error" not in root.call("Detach", pid=sleeper.pid)
        # Its owner, whom the kernel is asked about.
        if python := python_for_all():
            owner = ctl(public, "attach", sleeper.pid, prefix=AS_OTHER, **python)
            assert (owner.returncode, owner.stderr) == (0, "")
            assert tracer_of(sleeper.pid)
        ran = ctl(public, "run", "--json", "-o", "/dev/null", "--", "sh", "-c", "exit 7")
        assert ran.returncode == 7
        report = public.directory / "report"
        ctl(public, "files", "--json", "-o", report, "--", "cat", "/etc/hostname")
        files = json.loads(report.read_text().splitlines()[-1])
        assert files["complete"], files
        assert any(each["path"] == "/etc/hostname" for each in files["files"])
        record = public.directory / "trace"
        assert ctl(public, "record", "-o", record, "--", "true").returncode == 0
        assert "exit_group" in ctl(public, "replay", record).stdout
        metrics = ctl(public, "status", "--openmetrics").stdout
        names = {family.name for family in text_string_to_metric_families(metrics)}
        assert {"tracerd_events", "tracerd_events_lost", "tracerd_subscription_queued"} <= names
    status = public.status()
    assert status["anomalies"] == 0
    daemon.terminate()
    log = ended(daemon, 0)
    assert "level=error" not in log
    assert "level=warning" not in log


@needs_systemd
def test_without_cap_sys_ptrace_others_processes_cannot_be_traced(public):
    public.start(
        command=[*under(SYSTEM, "-CAP_SYS_PTRACE"), "-m", "tracerd", "--socket", public.path]
    )
    sleeper = others_sleeper(public)
    refused = public.connect().call("Attach", pid=sleeper.pid)
    assert refused["error"] == "io.tracerd.PermissionDenied"


PROOFS = {
    "CAP_DAC_READ_SEARCH": "open(sys.argv[1])",
    "CAP_SETUID": "os.setresuid(64998, 64998, 64998)",
    "CAP_SETGID": "os.setgroups([1]); os.setresgid(64998, 64998, 64998)",
    "CAP_KILL": "os.kill(int(sys.argv[2]), 0)",
    "CAP_SYS_NICE": "p = os.sched_param(0); os.sched_setscheduler(0, os.SCHED_IDLE, p); "
    "os.sched_setscheduler(0, os.SCHED_OTHER, p)",
    "CAP_SYS_PTRACE": "open(f'/proc/{sys.argv[2]}/mem', 'rb')",
}
"""What each capability is kept for (see the unit), as a program.  argv: a file that only its owner,
another user, may read; a process of that user."""


@needs_systemd
@pytest.mark.parametrize("capability", PROOFS)
def test_each_capability_is_needed_for_what_it_is_kept_for(public, capability):
    private = public.directory / "private"
    private.write_text("x")
    os.chown(private, OTHER, OTHER)
    private.chmod(0o600)
    sleeper = others_sleeper(public)
    words = ["-c", f"import os, sys; {PROOFS[capability]}", str(private), str(sleeper.pid)]
    whole = subprocess.run([*under(SYSTEM), *words], capture_output=True, text=True, check=False)
    assert (whole.returncode, whole.stderr) == (0, "")
    less = subprocess.run(
        [*under(SYSTEM, f"-{capability}"), *words], capture_output=True, text=True, check=False
    )
    assert "PermissionError" in less.stderr


def test_the_proofs_are_of_all_capabilities():
    assert set(PROOFS) == set(section(SYSTEM)["CapabilityBoundingSet"].split())


@needs_systemd
@pytest.mark.parametrize(
    ("deed", "errno"),
    [
        ("import socket; socket.socket(socket.AF_INET)", 97),
        ("ctypes.CDLL(None, use_errno=True).unshare(0x20000)", 1),
        ("ctypes.CDLL(None, use_errno=True).mount(b'x', b'/tmp', b'tmpfs', 0, 0)", 1),
        ("ctypes.CDLL(None, use_errno=True).personality(0)", 1),
    ],
    ids=["internet", "namespace", "mount", "personality"],
)  # fmt: skip
def test_the_filter_refuses_what_the_unit_does(deed, errno):
    """The emulation itself: without it the tests above would show nothing."""
    code = f"""
import ctypes, errno
try:
    {deed}
    print(ctypes.get_errno())
except OSError as error:
    print(error.errno)
"""
    done = subprocess.run([*under(SYSTEM), "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{errno}\n", "")


@needs_systemd
def test_the_filter_is_no_wider_than_it_says():
    calls = allowed(section(SYSTEM)["SystemCallFilter"])
    assert calls == allowed(section(USER)["SystemCallFilter"])
    assert {"ptrace", "pidfd_getfd", "process_vm_readv"} <= calls
    assert not calls & {"mount", "init_module", "reboot", "bpf", "perf_event_open", "kexec_load"}


TRY = """
import subprocess, sys
code = "import trio, msgspec, tracerd.core.tracer"
sys.exit(subprocess.call([sys.executable, "-c", code]))
"""
"""Started once more by itself: setpriv still has root's power when it starts the first one."""


def python_for_all():
    """Return how any user can run Python with what is installed here; nothing if none can."""
    site = Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}:{site}", "PYTHONDONTWRITEBYTECODE": "1"}
    for python in (sys.executable, "/usr/bin/python3"):
        tried = subprocess.run(
            [*AS_OTHER, python, "-c", TRY],
            env=environ, capture_output=True, check=False,
        )  # fmt: skip
        if tried.returncode == 0:
            return {"python": python, "env": environ}
    return None


@needs_systemd
def test_a_user_of_ones_own(public):
    """The user's unit, by another user without any privilege: all of it, for own processes."""
    python = python_for_all()
    if python is None:
        pytest.skip("no Python here that another user can run")
    os.chown(public.directory, OTHER, OTHER)
    program, environ = python["python"], python["env"]
    daemon = public.start(
        command=[*AS_OTHER, *under(USER, python=program), "-m", "tracerd", "--socket", public.path],
        env=environ,
    )
    wait_until(lambda: os.path.exists(public.path) or daemon.poll() is not None)

    def mine(*words, **popen):
        return ctl(public, *words, prefix=AS_OTHER, cwd=public.directory, **python, **popen)

    sleeper = others_sleeper(public)
    assert mine("attach", sleeper.pid).returncode == 0
    assert tracer_of(sleeper.pid)
    assert str(sleeper.pid) in mine("list").stdout
    assert mine("detach", sleeper.pid).returncode == 0
    assert not tracer_of(sleeper.pid)
    ran = mine("run", "-e", "openat", "-o", "log", "--", "sh", "-c", "cat /etc/hostname; exit 7")
    assert ran.returncode == 7
    assert '"/etc/hostname"' in (public.directory / "log").read_text()
    assert mine("files", "--json", "-o", "report", "--", "cat", "/etc/hostname").returncode == 0
    document = json.loads((public.directory / "report").read_text().splitlines()[-1])
    assert document["complete"], document
    assert mine("record", "-o", "trace", "--", "true").returncode == 0
    assert "exit_group" in mine("replay", "trace").stdout
    assert mine("status").returncode == 0

    # What is not theirs they cannot have: the kernel says so.
    foreign = public.start(command=["sleep", "600"], stderr=None)
    refused = mine("attach", foreign.pid)
    assert refused.returncode == 4
    assert "not permitted to trace" in refused.stderr
    daemon.terminate()
    assert "level=error" not in ended(daemon, 0)
