"""Real programs at each level of detail: what is read of them, and what is told."""

import os
import signal

import pytest
from alike import by_task
from build import command
from msgspec import structs
from real import EVERYTHING, Tracing

from tracerd.core.commands import Published, SetInterest, Wish
from tracerd.protocol.detail import Detail, seen
from tracerd.protocol.events import Exec
from tracerd.protocol.interest import Interest

WANTED = structs.replace(EVERYTHING, types=EVERYTHING.types - {"blind"})
"""For that, the flags of clone3 are read at every level."""
PROGRAMS = {
    "modes": lambda work: command("openmodes", work),
    "i386": lambda work: command("abi_calls32", work),
    "script": lambda work: ["sh", "-c", f"cat /etc/hostname; ls {work} nowhere; exec true"],
}


def lived(work, argv, detail):
    """Run a program; return what was published of it, and how often its memory was read."""
    work.mkdir()
    tracing = Tracing()
    try:
        tracing.interest(structs.replace(WANTED, detail=detail))
        tracing.run("setarch", "-R", *argv)
    finally:
        tracing.stop()
        for path in work.iterdir():
            path.unlink()
        work.rmdir()
    assert tracing.tracer.statistics.anomalies == 0
    items = [item for item in tracing.items if isinstance(item, Published)]
    # Whether a thread has to wait for another is chance.
    items = [item for item in items if item.syscall != "futex"]
    execs = [number for number, item in enumerate(items) if item.kind is Exec]
    return items[execs[1] + 2 :], tracing.tracer.statistics.reads()


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_captured_for_a_level_gives_what_is_seen_at_it(tmp_path, name):
    work = tmp_path / "work"
    argv = PROGRAMS[name](work)
    runs = {detail: lived(work, argv, detail) for detail in Detail}
    reads = [reads for _, reads in runs.values()]
    assert reads[0] == 0
    assert sorted(reads) == reads
    assert reads[0] < reads[1] < reads[2]
    tids = {
        str(tid)
        for items, _ in runs.values()
        for event in (item.event for item in items)
        for tid in (event.tid, getattr(event, "child", event.tid))
    }
    whole, _ = runs[Detail.FULL]
    for detail, (items, _) in runs.items():
        mine = by_task([item.event for item in items], tids)
        shown = by_task([item.at(detail) for item in whole], tids)
        plain = by_task([seen(item.event, item.process, detail) for item in whole], tids)
        assert len(mine) == len(shown)
        for one, other, third in zip(mine, shown, plain, strict=True):
            assert one == other == third
    assert sum(map(len, mine)) > 20


BUSY = "while :; do read line < /etc/hostname; cd /etc; done"


class Busy:
    """Programs that open and read a file without end."""

    def __init__(self, tracing, count=1):
        self._tracing = tracing
        self._started = [tracing.start("sh", "-c", BUSY) for _ in range(count)]
        self.pids = [pid for _, pid, _ in self._started]

    def next(self, pid, name, count=20):
        """Return the next so many returns of a call, as published from now on."""
        tracing, start = self._tracing, len(self._tracing.items)

        def found():
            return [
                item
                for item in tracing.items[start:]
                if isinstance(item, Published) and item.pid == pid and item.syscall == name
            ]

        tracing.wait_for(lambda: len(found()) >= count)
        return [item.event for item in found()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
        for launcher, _, owner in self._started:
            launcher.wait(60)
            self._tracing.wait_for(lambda owner=owner: self._tracing.ended(owner))


def wish(detail, *pids, names=None):
    interest = Interest(types=frozenset({"syscall_exit"}), exit=names, detail=detail)
    return Wish(interest, lambda process: not pids or process.pid in pids)


def test_of_each_process_what_is_wanted_of_it(quiet_tracing):
    tracing = quiet_tracing
    with Busy(tracing, 2) as busy:
        one, other = busy.pids
        tracing.command(SetInterest((wish(Detail.NAMES), wish(Detail.FULL, other))))
        assert all(event.args for event in busy.next(other, "read"))
        assert not any(event.args or event.files for event in busy.next(one, "openat"))


def test_of_each_call_what_is_wanted_of_it(quiet_tracing):
    tracing = quiet_tracing
    with Busy(tracing) as busy:
        [pid] = busy.pids
        opens = wish(Detail.FILES, names=frozenset({"openat"}))
        tracing.command(SetInterest((wish(Detail.NAMES), opens)))
        opened = busy.next(pid, "openat")
        assert not any(event.args for event in opened)
        assert [file.real for file in opened[-1].files] == ["/etc/hostname"]
        assert not any(event.args or event.files for event in busy.next(pid, "chdir"))


def test_what_is_read_follows_what_is_wanted(quiet_tracing):
    tracing = quiet_tracing
    reads = tracing.tracer.statistics.reads
    with Busy(tracing) as busy:
        [pid] = busy.pids
        for _ in range(2):
            tracing.command(SetInterest((wish(Detail.NAMES),)))
            busy.next(pid, "openat")  # among them calls that had been entered before
            before = reads()
            assert not any(event.args for event in busy.next(pid, "openat"))
            assert reads() == before
            tracing.command(SetInterest((wish(Detail.NAMES), wish(Detail.FULL))))
            assert busy.next(pid, "openat")[-1].args["filename"] == "/etc/hostname"
            assert reads() > before
