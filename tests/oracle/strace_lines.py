"""Lines of strace and of tracerctl made comparable: put together, masked, counted."""

import re
from collections import Counter, defaultdict
from typing import NamedTuple

STRACE = re.compile(r"(\d+) +(.*)")
OURS = re.compile(r"\[pid +(\d+)\] (.*)")
UNFINISHED = re.compile(r"(.*) <unfinished \.\.\.>(\)\s+= \?)?")
RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
COLUMN = re.compile(r"\) +(?== )")

OWN = ("+++ new ", "+++ executed ", "+++ attached ", "+++ detached ", "--- resumed ")
"""Lines of tracerctl that strace has none for."""

MASKS = [
    # Addresses: mappings, the heap, the stack; strace tells how much is there, we do not look.
    (re.compile(r"\b0x(?:7[ef]|5[56])[0-9a-f]{10}\b"), "ADDRESS"),
    (re.compile(r"\b(?:ADDRESS|0x[0-9a-f]{6,}) /\*"), "/*"),
    # Times of files, of the day and since boot; what was used of the processor or is left to wait.
    (re.compile(r"\b(st_[amc]time)=\d+ /\* [-0-9T:.+]+ \*/"), r"\1=TIME"),
    (re.compile(r"\b(st_[amc]time_nsec)=\d+"), r"\1=TIME"),
    (re.compile(r"\{tv_sec=\d{4,}, tv_([nu])sec=\d+\}( /\* [-0-9T:.+]+ \*/)?"), r"{TIME_\1}"),
    (re.compile(r"\b(ru_[us]time)=\{tv_sec=\d+, tv_usec=\d+\}"), r"\1=TIME"),
    (re.compile(r"\b(si_[us]time)=\d+(?: /\* [0-9.]+ s \*/)?"), r"\1=TIME"),
    (re.compile(r"\bleft \{[^}]*\}"), "left TIME"),
    (re.compile(r"^(alarm\(0\) += )\d+"), r"\1TIME"),
    # Numbers that the kernel hands out, and how the machine is.
    (re.compile(r"\b(st|stx)_ino=\d+"), r"\1_ino=INODE"),
    (re.compile(r"\b(pipe|socket):\[\d+\]"), r"\1:[INODE]"),
    (re.compile(r"^(getppid|getpgrp|getsid)\((\d*)\) = \d+"), r"\1(\2) = PID"),
    (re.compile(r"\b(f_bfree|f_bavail|f_ffree)=\d+"), r"\1=FREE"),
    (re.compile(r"^sysinfo\(\{[^}]*\}"), "sysinfo({MACHINE}"),
    (re.compile(r"\bhtons\([3-6]\d{4}\)"), "htons(PORT)"),
    (re.compile(r"/#\d+>"), "/#INODE>"),
    # Chance.
    (re.compile(r'^(read\(\d+</dev/urandom>, )"(?:[^"\\]|\\.)*"'), r'\1"RANDOM"'),
    (re.compile(r'^getrandom\("(?:\\x[0-9a-f]{2})*"'), 'getrandom("RANDOM"'),
    (re.compile(r"(/(?:cc|sed|sort)|tmp_obj_|\.git/t)\w{6}\b"), r"\1XXXXXX"),
    # `-y` shows the working directory after every AT_FDCWD, we where a path starts there.
    (re.compile(r'AT_FDCWD<[^>]*>, (?="/|NULL)'), "AT_FDCWD, "),
]
"""All that is masked, beside ids of the processes of a trace."""


class Lines(NamedTuple):
    """counts: how often there is each line, of all tasks.  alone: the lines of the only task, in
    order; empty if there were several."""

    counts: Counter
    alone: list[str]


def _masked(line):
    for pattern, by in MASKS:
        line = pattern.sub(by, line)
    return line


def _of_strace(text):
    """Return the lines of each task; a call that others interrupt in the log is one line."""
    tasks = defaultdict(list)
    pending = {}
    for raw in text.splitlines():
        found = STRACE.fullmatch(raw)
        assert found, raw
        pid, line = int(found[1]), found[2]
        if cut := UNFINISHED.fullmatch(line):
            if not cut[2]:
                pending[pid] = cut[1]
                continue
            line = cut[1] + cut[2]
        elif back := RESUMED.fullmatch(line):
            line = pending.pop(pid) + back[1]
        tasks[pid].append(line)
    return tasks


def _of_tracerctl(text):
    tasks = defaultdict(list)
    for raw in text.splitlines():
        found = OURS.fullmatch(raw)
        assert found, raw
        if not found[2].startswith(OWN):
            tasks[int(found[1])].append(found[2])
    return tasks


def _compared(tasks):
    """Return the lines with what differs from run to run masked."""
    ids = "|".join(map(str, tasks))
    task = re.compile(rf"(?<![\w.:#])(?:{ids})(?![\w.])")
    masked = [
        [_masked(task.sub("PID", COLUMN.sub(") ", line))) for line in lines]
        for lines in tasks.values()
    ]
    counts = Counter(line for lines in masked for line in lines)
    return Lines(counts, masked[0] if len(masked) == 1 else [])


def of_strace(text):
    """Read what `strace -f -y -o FILE` wrote."""
    return _compared(_of_strace(text))


def of_tracerctl(text):
    """Read what `tracerctl run -o FILE` wrote, without the lines of its own."""
    return _compared(_of_tracerctl(text))
