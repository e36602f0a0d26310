"""The programs that are traced: tests/tracees/many_lives.c, which checks itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "tracees"))

from build import command

KINDS = (
    "fork", "threads", "exec", "vfork", "thread_exec", "signals", "stop", "crash", "epoll", "busy",
    "open", "mixed",
)  # fmt: skip
END_S = 30.0


class Program:
    """A running one.  attached: by a lasting attach of ours; stopped: by a SIGSTOP of ours."""

    def __init__(self, kind: str, seed: int, *, stoppable: bool) -> None:
        self.kind = kind
        self.stoppable = stoppable
        self.attached = False
        self.stopped = False
        # epoll_wait ends with EINTR when its process was stopped, under trace or not.
        environment = os.environ | ({"MAY_BE_STOPPED": "1"} if stoppable else {})
        self._process = subprocess.Popen(
            command("many_lives", kind, seed),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            process_group=0,
        )
        assert self._process.stdout is not None
        self._stdout = self._process.stdout
        assert self._stdout.readline() == "READY\n"
        self.pid = self._process.pid

    def __str__(self) -> str:
        return f"{self.kind} (pid {self.pid})"

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Stop it as a shell's Ctrl-Z does."""
        self.stopped = True
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Undo `stop`."""
        self.stopped = False
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> str:
        """Kill it and what it made; return what was wrong with that, or nothing."""
        os.killpg(self.pid, signal.SIGKILL)
        return self._judge(-signal.SIGKILL, "")

    def finish(self) -> str:
        """Ask it to end; return what it found wrong, or nothing."""
        self._process.terminate()
        return self._judge(0, "whole")

    def _judge(self, code: int, said: str) -> str:
        try:
            out, _ = self._process.communicate(timeout=END_S)
        except subprocess.TimeoutExpired:
            states = ", ".join(sorted(self.states()))
            self._process.kill()
            self._process.communicate()
            return f"{self} did not end; its threads: {states}"
        if (self._process.returncode, out.strip()) == (code, said):
            return ""
        return f"{self} ended with {self._process.returncode}: {out.strip()!r}"

    def states(self) -> set[str]:
        """Return state and tracer of its threads: `S 0` for one that sleeps untraced."""
        found = set()
        for task in self._tasks():
            try:
                text = (task / "status").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
            found.add(f"{fields['State'][0]} {fields['TracerPid']}")
        return found

    def _tasks(self) -> list[Path]:
        try:
            return list(Path(f"/proc/{self.pid}/task").iterdir())
        except OSError:
            return []

    def is_free(self) -> bool:
        """Whether no thread of it is traced or left stopped, now or within a moment."""
        deadline = time.monotonic() + 5
        bad = ("t", "T")
        while True:
            states = self.states()
            if all(state.endswith(" 0") and not state.startswith(bad) for state in states):
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
