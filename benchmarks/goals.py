"""What is to be reached: the rows of the design's table of speed, and what else was asked for."""

from __future__ import annotations

from typing import NamedTuple


class Goal(NamedTuple):
    """One of them, in the words of the design."""

    name: str
    words: str


class Reach(NamedTuple):
    """The most that a figure may be to reach a goal; `strictly`: it must be less."""

    goal: str
    limit: float
    strictly: bool = False

    def met(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value < self.limit if self.strictly else value <= self.limit

    def __str__(self) -> str:
        return f"{'<' if self.strictly else '≤'} {self.limit:.3g}"


GOALS = (
    Goal("null", "all calls traced, attached, one subscriber, native pump: time by null tracer's"),
    Goal("strace", "the same: time by that of strace -f -o /dev/null"),
    Goal("placed", "the same, one busy tracee on an otherwise idle machine: a third of strace's"),
    Goal("files", "file calls of a run program, 1 call in 20: time by untraced and those stops"),
    Goal("files-strace", "the same: time by that of strace --seccomp-bpf"),
    Goal("python", "all calls traced, attached, pure Python pump: time by null tracer's"),
    Goal("idle", "attached, nobody watching: time by untraced"),
    Goal("extra", "an extra subscriber to the same events: its cost by the first one's"),
    Goal("p50", "syscall exit to bytes at the subscriber at 10,000 events/s: p50"),
    Goal("p99", "the same: p99"),
    Goal("rate", "the same: the program keeps up with it, time by untraced"),
    Goal("lazy", "100 subscribers, one that never reads: what the other 99 lose"),
    Goal("bounded", "the same: growth of the daemon's memory"),
    Goal("harm", "one that never reads: p99 of another subscriber by that without it"),
    Goal("budget", "the same, `block` with a budget: what the program waits beyond that"),
    Goal("handing", "an event through the bridge in batches: by one from_thread.run_sync each"),
    Goal("idlers", "64 subscribers of something else: the cost of an event by that without them"),
    Goal("gil", "64 subscribers that read: time of a program at 20,000 calls/s by that with 1"),
    Goal("gil-p99", "the same: stop to resume, p99, native pump"),
    Goal("strace.py", "all calls traced: a fifth of the time of python-ptrace's own strace script"),
    Goal("start", "start-up of tracerd and of tracerctl"),
    Goal("stops", "stop to resume with 20 subscribers by that with 1: must not grow"),
    Goal("placement", "parallel programs: --placement auto never slower than none"),
    Goal(
        "descriptors",
        "descriptors remembered: CPU time of the daemon by that with a look per call",
    ),
    Goal("growth", "cost per event at 100 times the events, tracees, subscribers: not more"),
)
"""In the order of the summary."""
