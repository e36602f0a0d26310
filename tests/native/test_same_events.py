"""Both pumps over the same programs: every event is the same, but for what differs between runs."""

import shutil

import pytest
from alike import by_task
from real import EVERYTHING, Tracing, command

from tracerd.core.native_pump import NativePump
from tracerd.core.python_pump import PythonPump
from tracerd.protocol.events import EVENT_TYPES, Exec
from tracerd.protocol.filters import Interest

ENTERS = Interest(types=frozenset(EVENT_TYPES), enter=None, exit=None, string_limit=64, envp=True)
FILES = Interest(
    types=frozenset({"syscall_exit", "exec", "exit"}),
    exit=frozenset({"open", "openat", "openat2", "stat", "newfstatat", "unlink", "execve"}),
    paths=frozenset({"/etc", "/tmp"}),
)

PROGRAMS = {
    "strings": lambda work: command("edge_strings", "whole", work),
    "long": lambda _: command("edge_strings", "long"),
    "sizes": lambda _: command("edge_strings", "sizes"),
    "pages": lambda _: command("edge_strings", "pages"),
    "words": lambda _: command("edge_strings", "argv", 3000),
    "pointers": lambda _: command("edge_pointers"),
    "modes": lambda work: command("openmodes", work),
    "paths": lambda work: command("open_paths", work.resolve()),
    "repeat": lambda work: command("repeat", work),
    "sockets": lambda work: command("sockets", work),
    "int80": lambda _: command("abi_int80"),
    "i386": lambda work: command("abi_calls32", work),
    "ls": lambda _: ["ls", "-lR", "/etc/apt"],
    "script": lambda _: ["sh", "-c", "cat /dev/null; ls /nonexistent; exec true"],
    "child": lambda _: ["sh", "-c", "(exit 3); kill -TERM $$"],
}


def lived(pump, interest, argv, work):
    """Run a program under a pump; return how it ended, and its events."""
    if work.exists():
        shutil.rmtree(work)
    work.mkdir()
    tracing = Tracing(pump=pump)
    try:
        tracing.interest(interest)
        # Addresses as they always are; and not under the sanitizers that the pump may be under.
        code = tracing.run("env", "-u", "LD_PRELOAD", "setarch", "-R", *argv)
    finally:
        tracing.stop()
    assert tracing.tracer.statistics.anomalies == 0
    assert not any(pump.kept().values())
    execs = [at for at, event in enumerate(tracing.events) if isinstance(event, Exec)]
    del tracing.events[: execs[2] + 2]  # of env and setarch the addresses vary
    return code, tracing.events


INTERESTS = {"all": EVERYTHING, "enters": ENTERS, "paths": FILES}
CASES = [
    *[(name, "all") for name in PROGRAMS],
    *[(name, wanted) for name in ("modes", "paths", "script") for wanted in ("enters", "paths")],
]


@pytest.mark.parametrize(("name", "wanted"), CASES)
def test_every_event_is_the_same(tmp_path, name, wanted):
    work, interest = tmp_path / "work", INTERESTS[wanted]
    argv = PROGRAMS[name](work)
    one = lived(PythonPump(), interest, argv, work)
    other = lived(NativePump(), interest, argv, work)
    assert one[0] == other[0]
    both = one[1] + other[1]
    tids = {str(tid) for event in both for tid in (event.tid, getattr(event, "child", event.tid))}
    mine, others = (by_task(events, tids) for _, events in (one, other))
    assert len(mine) == len(others)
    for events, same in zip(mine, others, strict=True):
        assert events == same
    assert sum(map(len, mine)) > (3 if wanted == "paths" else 20)
