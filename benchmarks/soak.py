"""Do everything at once to a real daemon for a while, and tell what was lost, leaked or broken.

    python benchmarks/soak.py [--seconds 60] [--seed N] [--programs 6]

Programs that fork, thread, exec, vfork, signal, stop, crash, sleep and spin are attached to, let
go, stopped, killed and run at random, while subscribers with various filters come and go, read,
do not read, hold everything up, and die.  Exit code 0 if nothing was wrong, else 1.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from soaking.daemon import Daemon, running
from soaking.programs import KINDS, Program
from soaking.subscribers import AUDITOR, Subscriber

import tracerd.client
from tracerd import errors
from tracerd.protocol.events import EVENT_TYPES, STREAM_CONTROL, SYSCALL_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

CALL_S = 60.0
"""How long one call to the daemon may take."""
MOST_GROWTH = 64_000_000
"""Bytes by which the daemon may grow."""
MOST_SUBSCRIBERS = 6
SETTLE_S = 10.0

LIVES = sorted(frozenset(EVENT_TYPES) - STREAM_CONTROL - SYSCALL_TYPES)
CALLS = sorted(frozenset(LIVES) | SYSCALL_TYPES)
FILTERS = (
    {"type": CALLS},
    {"type": CALLS, "overflow": "block"},
    {},
    {"level": "io", "string_limit": 16, "format": "json"},
    {"syscall": ["getppid"], "type": ["syscall_exit"]},
    {"syscall": ["%process", "%signal"]},
    {"path": "/etc/**"},
    {"result": "error", "format": "json"},
    {"type": ["new_child", "exec", "exit", "signal_exit"], "overflow": "block"},
    {"queue_events": 50},
    {"op": ["exec", "read"], "comm": "many_*"},
)


class Soak:
    """One run: random deeds, all counted in `done`; what is wrong is in `wrong`."""

    def __init__(self, daemon: Daemon, seed: int, programs: int) -> None:
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.daemon = daemon
        self._most_programs = programs
        self._random = random.Random(seed)
        self._client = tracerd.client.connect_sync(daemon.socket, timeout=CALL_S)
        self._programs: list[Program] = []
        self._subscribers: list[Subscriber] = []
        self._auditor = Subscriber(self._client, AUDITOR, type=LIVES, overflow="block")
        self._client.list()
        self._descriptors = daemon.descriptors()
        self._resident = daemon.resident()
        self._deeds: dict[Callable[[], None], int] = {
            self._start: 12, self._attach: 14, self._attach_for_a_moment: 4, self._detach: 12,
            self._kill: 3, self._finish: 4, self._stop: 5, self._go_on: 8, self._subscribe: 6,
            self._leave: 5, self._never_read: 1, self._hold_up_and_die: 2, self._list: 3,
            self._status: 3, self._sync: 3, self._run: 1, self._idle: 6,
        }  # fmt: skip

    def act(self) -> None:
        """Do one deed."""
        weights = self._deeds.values()
        (deed,) = self._random.choices(list(self._deeds), weights=list(weights))
        deed()
        time.sleep(self._random.uniform(0, 0.02))

    # --- deeds: programs ----------------------------------------------------------------------

    def _start(self) -> None:
        if len(self._programs) < self._most_programs:
            kind = self._random.choice(KINDS)
            seed = self._random.randrange(1 << 30)
            # Half of them are never stopped: they must never see EINTR.
            self._programs.append(Program(kind, seed, stoppable=seed % 2 == 0))
            self.done["programs started"] += 1

    def _some(self, condition: Callable[[Program], bool] = lambda _: True) -> Program | None:
        found = [program for program in self._programs if condition(program)]
        return self._random.choice(found) if found else None

    def _attach(self) -> None:
        program = self._some(lambda one: not one.attached)
        if program is not None:
            self._client.attach(program.pid)
            program.attached = True
            self.done["attaches"] += 1

    def _attach_for_a_moment(self) -> None:
        program = self._some()
        if program is not None:
            with tracerd.client.connect_sync(self.daemon.socket, timeout=CALL_S) as client:
                client.attach(program.pid, scope="connection")
                time.sleep(self._random.uniform(0, 0.05))
            self.done["attaches ended by their connection"] += 1

    def _detach(self) -> None:
        program = self._some(lambda one: one.attached)
        if program is not None:
            self._let_go(program)

    def _let_go(self, program: Program) -> None:
        holders = self._client.detach(program.pid).holders
        program.attached = False
        self.done["detaches"] += 1
        if holders == 0 and not program.stopped and not program.is_free():
            self.wrong.append(f"{program} is not free: {program.states()}")

    def _kill(self) -> None:
        program = self._some()
        if program is not None:
            self._programs.remove(program)
            self._note(program.kill())
            self.done["kills"] += 1

    def _finish(self) -> None:
        program = self._some(lambda one: not one.stopped)
        if program is not None:
            self._programs.remove(program)
            self._note(program.finish())
            self.done["programs finished"] += 1

    def _stop(self) -> None:
        program = self._some(lambda one: one.stoppable and not one.stopped)
        if program is not None:
            program.stop()
            self.done["stops"] += 1

    def _go_on(self) -> None:
        program = self._some(lambda one: one.stopped)
        if program is not None:
            program.go_on()
            self.done["continues"] += 1

    def _run(self) -> None:
        words = [sys.executable, "-m", "tracerd.ctl", "--socket", self.daemon.socket]
        program = ["sh", "-c", "/bin/true | /bin/true; exit 42"]
        code = subprocess.run(
            [*words, "run", "-o", "/dev/null", "--", *program], check=False, timeout=CALL_S
        ).returncode
        self._note("" if code == 42 else f"tracerctl run ended with {code}")
        self.done["runs"] += 1

    # --- deeds: subscribers -------------------------------------------------------------------

    def _subscribe(self) -> None:
        if len(self._subscribers) < MOST_SUBSCRIBERS:
            number = self._random.randrange(len(FILTERS))
            name = f"subscriber {self.done['subscribers']} {FILTERS[number]}"
            self._subscribers.append(Subscriber(self._client, name, **FILTERS[number]))
            self.done["subscribers"] += 1

    def _leave(self) -> None:
        if self._subscribers:
            self._dismiss(self._random.choice(self._subscribers))

    def _dismiss(self, subscriber: Subscriber) -> None:
        self._subscribers.remove(subscriber)
        if self._random.random() < 0.3:
            subscriber.vanish()
            self.wrong += subscriber.account.wrong
        else:
            self.wrong += subscriber.leave()
        self._count(subscriber)

    def _never_read(self) -> None:
        if len(self._subscribers) < MOST_SUBSCRIBERS:
            name = f"lazy subscriber {self.done['subscribers']}"
            self._subscribers.append(Subscriber(self._client, name, lazy=True, level="io"))
            self.done["subscribers"] += 1
            self.done["subscribers that never read"] += 1

    def _hold_up_and_die(self) -> None:
        name = f"blocker {self.done['subscribers']}"
        subscriber = Subscriber(
            self._client, name, lazy=True, overflow="block", queue_events=20, type=CALLS
        )
        time.sleep(self._random.uniform(0, 0.2))
        subscriber.vanish()
        self.done["subscribers"] += 1
        self.done["subscribers that blocked and died"] += 1

    def _count(self, subscriber: Subscriber) -> None:
        self.done["events"] += subscriber.account.events
        self.done["events lost, and told so"] += subscriber.account.lost

    # --- deeds: questions ---------------------------------------------------------------------

    def _list(self) -> None:
        self._client.list()
        self.done["lists"] += 1

    def _status(self) -> None:
        for state in self._client.status().subscriptions:
            if state.matched != state.delivered + state.queued + state.lost:
                self.wrong.append(f"an account that is wrong: {state}")
        self.done["statuses"] += 1

    def _sync(self) -> None:
        readers = [one for one in self._subscribers if not one.lazy]
        if readers:
            self._client.sync(self._random.choice(readers).id)
            self.done["syncs"] += 1

    def _idle(self) -> None:
        time.sleep(self._random.uniform(0, 0.1))

    def _note(self, finding: str) -> None:
        if finding:
            self.wrong.append(finding)

    # --- the end ------------------------------------------------------------------------------

    def end(self) -> None:
        """Stop everything, and look at what is left."""
        for subscriber in [one for one in self._subscribers if one.lazy]:
            self._subscribers.remove(subscriber)
            self.wrong += subscriber.leave()
            self._count(subscriber)
        for program in self._programs:
            if program.stopped:
                program.go_on()
        for program in self._programs:
            if program.attached:
                self._let_go(program)
        for program in self._programs:
            self._note(program.finish())
        self._wait_for_orphans()
        self._check_books()
        for subscriber in list(self._subscribers):
            self._dismiss(subscriber)
        self._check_auditor()
        self._check_daemon()

    def _wait_for_orphans(self) -> None:
        """Children of those that were killed may live on for a moment."""
        deadline = time.monotonic() + SETTLE_S
        while self._client.status().processes and time.monotonic() < deadline:
            time.sleep(0.02)

    def _check_books(self) -> None:
        readers = [self._auditor, *self._subscribers]
        for one in readers:
            self._client.sync(one.id)
        states = {state.id: state for state in self._client.status().subscriptions}
        for one in readers:
            self.wrong += one.check_books(states[one.id])

    def _check_auditor(self) -> None:
        account = self._auditor.account
        if account.alive:
            self.wrong.append(f"born, and never told to have ended: {account.alive}")
        self.done.update({f"{kind} events": n for kind, n in account.kinds.items()})
        self._count(self._auditor)

    def _check_daemon(self) -> None:
        status = self._client.status()
        if status.tracees or status.processes or status.held or status.anomalies:
            self.wrong.append(f"at the end the daemon says: {status}")
        more = self.daemon.new_descriptors(self._descriptors)
        if more:
            self.wrong.append(f"the daemon has descriptors that it had not at first: {more}")
        grown = self.daemon.resident() - self._resident
        self.done["kB the daemon grew by"] = grown // 1000
        if grown > MOST_GROWTH:
            self.wrong.append(f"the daemon grew by {grown} bytes")
        self.wrong += self._auditor.leave()
        self._client.close()
        code = self.daemon.stop()
        if code:
            self.wrong.append(f"the daemon's exit code is {code}")
        self.wrong += [f"the daemon logged: {line}" for line in self.daemon.log()]

    def clean_up(self) -> None:
        """Leave no program behind, whatever happened."""
        for program in self._programs:
            if program.alive:
                program.kill()


def soak(seconds: float, seed: int, programs: int) -> tuple[Counter[str], list[str]]:
    """Return what was done, and what was wrong."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tracerd-soak-")))
        daemon = stack.enter_context(running(directory))
        run = Soak(daemon, seed, programs)
        stack.callback(run.clean_up)
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline and not run.wrong:
                run.act()
            run.end()
        except (TimeoutError, OSError, errors.TracerdError, tracerd.client.ClientError) as error:
            run.wrong.append(f"{type(error).__name__}: {error}; the daemon logged {daemon.log()}")
        return run.done, run.wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    parser.add_argument("--programs", type=int, default=6, help="at most, at a time (6)")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    done, wrong = soak(options.seconds, options.seed, options.programs)
    for what, count in done.items():
        print(f"{count:9}  {what}")
    print(f"{len(wrong):9}  wrong")
    for finding in wrong:
        print(f"wrong: {finding}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
