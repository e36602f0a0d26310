"""Structures, flags and results of unusual calls, as text: equal to strace's, line by line.

A program makes each call; its lines are compared in order, with what differs between two runs
masked: numbers of four digits and more, addresses, times, numbers of System V objects.  What
strace 6.1 shows otherwise is listed, with the reason.
"""

import difflib
import re
import subprocess
import sys

import pytest

from tests.tracees.build import command

TRACERCTL = [sys.executable, "-m", "tracerd.ctl"]
TIMEOUT = 120
FIRST = re.compile(r"^(?:msgget|ipc\(MSGGET)")

MASKS = (
    (re.compile(r"^((?:msg|sem|shm)\w+)\(\d+\b"), r"\1(ID"),  # may have any number of digits
    (re.compile(r"^((?:msg|sem|shm)get\(.*= )\d+$"), r"\1ID"),
    (re.compile(r"0x[0-9a-f]{4,}"), "PTR"),
    (re.compile(r"\b\d{4,}\b"), "N"),
    (re.compile(r"(?<=[ds])<[^<>]*>|(?<=\d)<[^<>]*>"), ""),  # what descriptors refer to
    (re.compile(r"(freeram|procs|loads|uptime|nsec|sec|usec|\w+time)=(\d+|N)\b"), r"\1=T"),
    (re.compile(r"(TIOCGPTN), \[\d+\]"), r"\1, [PTS]"),
    (re.compile(r" +=(?= )"), " ="),
)

DIFFERENT = [
    # (strace's, ours, why)
    (r"(_RMID|GETVAL), NULL\)", r"\1)", "what no command looks at is left out: it may be chance"),
    (r"SETVAL, PTR|SETVAL, 0x7", "SETVAL, 7", "a value, no address"),
    (r"(msg_ctime=\w+,)( msg_qnum)", r"\1 msg_cbytes=0,\2", "strace leaves a field out"),
    (r"(shm_segsz=\w+), (.*nattch=1), (.*ctime=\w+)", r"\1, \3, \2", "the kernel's order"),
    (r"SNDCTL_TMR_TIMEBASE or TCGETS", "TCGETS", "a sound device has the same number"),
    (r"SO_TYPE, \[2\]", "SO_TYPE, [SOCK_DGRAM]", "ours says what it is"),
]
MULTIPLEXED = re.compile(r"(?:msg|sem|shm|ipc|socketcall|getsock)\w*\(")
"""What 32-bit programs do by calls that stand for others: told under another name by strace."""


def masked(line):
    for pattern, by in MASKS:
        line = pattern.sub(by, line)
    return line


def lines_of(text):
    """Return the lines of calls and their masked form, from the first of interest on."""
    calls = [re.sub(r"^\[pid +\d+\] ", "", line) for line in text.splitlines()]
    start = next(at for at, line in enumerate(calls) if FIRST.match(line))
    return [masked(line) for line in calls[start:] if re.match(r"\w+\(", line)]


def as_ours(line):
    for theirs, ours, _why in DIFFERENT:
        line = re.sub(theirs, ours, line)
    return line


@pytest.mark.parametrize("program", ["every_structure", "every_structure32"])
def test_lines_are_straces(program, tmp_path):
    words = command(program)
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    subprocess.run(["strace", "-v", "-o", theirs, *words], check=True, timeout=TIMEOUT)
    subprocess.run([*TRACERCTL, "run", "-v", "-o", ours, "--", *words], check=True, timeout=TIMEOUT)
    expected = [as_ours(line) for line in lines_of(theirs.read_text())]
    found = [re.sub(r" /\* i386 \*/$", "", line) for line in lines_of(ours.read_text())]
    if program.endswith("32"):
        expected = [line for line in expected if not MULTIPLEXED.match(line)]
        found = [line for line in found if not MULTIPLEXED.match(line)]
    assert len(expected) > 50
    differing = list(difflib.unified_diff(expected, found, "strace", "tracerd", n=0, lineterm=""))
    assert not differing, "\n".join(differing)
