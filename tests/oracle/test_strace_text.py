"""Lines of tracerctl are those of strace: same arguments, names, structures, results.

For each program of the corpus the multiset of lines that `tracerctl run` shows, or that `tracerctl
export` makes of a recording, is held against that of `strace -f -y`, both masked (see
strace_lines.MASKS).  A line of strace that has no equal
is of one of the forms DIFFERENT, or the program is one that is not the same twice; and over all
programs (of each of GROUPS, which may run at once), those too, 99 of 100 lines of strace have their
equal.
"""

import difflib
import os
import re
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
import strace_lines
from corpus import by_recording, by_strace, by_tracerctl, programs

ENOUGH = 0.99

RACES = 0.01
"""Share of lines that may differ otherwise where several processes run: two children that end at
once make one SIGCHLD or two, and a wait is interrupted or not."""

DIFFERENT = {
    "what a handler returns to is not looked at": r"rt_sigreturn\(",
    "descriptors in structures are shown without what they refer to":
        r"(pipe2?|socketpair|poll|ppoll|pselect6|sendmsg|recvmsg)\(.*\d<",
    "netlink messages are shown as the bytes they are": r"(sendto|sendmsg|recvmsg)\(.*nl_?msg",
    "strace shows all names that a number has": r"ioctl\(.* or ",
    "how many entries a large buffer has is not counted": r"getdents64\(.*/\* \d\d+ entries",
    "directory entries are shown by name alone": r"getdents64\(.*\[\{d_ino=",
    "sets of memory nodes are shown as lists": r"[gs]et_mempolicy\(",
    "offsets are shown before and after": r"(splice|copy_file_range)\(",
    "names that are UTF-8 are shown as they are": r'.*"[^"]*\\3\d\d',
    "numbers without a name are shown as they are": r".*/\* \w+_\?\?\? \*/",
}  # fmt: skip
"""Why a line differs -> strace's lines that do."""

UNSTEADY = frozenset({"bash", "ps", "python", "stress-ng", "timeout", "git", "ip"})
"""Programs that do not do quite the same each time, or look at what others do meanwhile."""

GROUPS = 3

FEW = 3
"""Of each group, with the second pump: what is shown does not depend on it."""


@pytest.mark.parametrize("group", range(GROUPS))
def test_lines(group, tmp_path):
    corpus = programs()[group::GROUPS]
    if os.environ.get("TRACERD_PUMP") == "python":
        same_twice = [program for program in corpus if program.name not in UNSTEADY]
        corpus = same_twice[:: len(same_twice) // FEW]

    def compare(numbered):
        number, program = numbered
        where = tmp_path / program.name
        theirs = by_strace(program, where, tmp_path / f"{program.name}.strace")
        log = tmp_path / f"{program.name}.tracerctl"
        if number % 2:
            ours = strace_lines.of_strace(by_recording(program, where, log))
        else:
            ours = strace_lines.of_tracerctl(by_tracerctl(program, where, log))
        return strace_lines.of_strace(theirs), ours

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(corpus, pool.map(compare, enumerate(corpus)), strict=True))
    results = {p: (theirs.counts, ours.counts) for p, (theirs, ours) in found.items()}

    total = sum(theirs.total() for theirs, _ in results.values())
    equal = sum((theirs & ours).total() for theirs, ours in results.values())
    assert all(theirs.total() > 30 for theirs, _ in results.values())
    assert equal >= ENOUGH * total, f"{equal} of {total}\n{report(results)}"
    steady = {p: result for p, result in results.items() if p.name not in UNSTEADY}
    unknown = {p: (unlisted(theirs, ours), ours) for p, (theirs, ours) in steady.items()}
    too_many = {
        p: (theirs, ours)
        for p, (theirs, ours) in unknown.items()
        if (theirs - ours).total() > (0 if found[p][0].alone else RACES * theirs.total())
    }
    assert not too_many, report(too_many)
    for program in steady:
        theirs, ours = found[program]
        both = theirs.counts & ours.counts
        assert in_order(theirs, both) == in_order(ours, both), program.name


def in_order(lines, both):
    """Return the lines of a single process that are in both, in order.

    None of one that reads directories: in what order it meets files is the file system's choice.
    """
    if any(line.startswith("getdents") for line in lines.alone):
        return []
    return [line for line in lines.alone if line in both]


def unlisted(theirs, ours):
    """Return strace's lines without those that are known to differ."""
    differs = [re.compile(form) for form in DIFFERENT.values()]
    return Counter(
        {
            line: count
            for line, count in theirs.items()
            if line in ours or not any(form.match(line) for form in differs)
        }
    )


def report(results):
    """Return the forms that differ, the most frequent first, with both lines."""
    counts = Counter()
    examples = {}
    for program, (theirs, ours) in results.items():
        spare = defaultdict(list)
        for line in ours - theirs:
            spare[line.partition("(")[0]].append(line)
        for line, count in (theirs - ours).items():
            name = line.partition("(")[0]
            counts[name] += count
            near = difflib.get_close_matches(line, spare[name], 1, 0) or ["(none)"]
            examples.setdefault(name, f"{program.name}\n  strace: {line}\n  tracerd: {near[0]}")
    return "\n".join(f"{count} {name}: {examples[name]}" for name, count in counts.most_common(30))
