"""Reading strace's text, as far as a test needs it: file calls of `strace -f -Y -xx`."""

import re
from typing import NamedTuple

LINE = re.compile(r"^(?P<pid>\d+)<(?P<comm>.*?)> (?P<rest>.*)$")
UNFINISHED = re.compile(r"^(?P<start>.*?)\s*<unfinished \.\.\.>$")
RESUMED = re.compile(r"^<\.\.\. \w+ resumed>\s?(?P<end>.*)$")
CALL = re.compile(r"^(?P<name>\w+)\((?P<args>.*)\)\s+= (?P<result>.+)$")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


class Line(NamedTuple):
    """A completed call: program, name, its path arguments, and `ret` or the error's name."""

    comm: str
    name: str
    paths: tuple[bytes, ...]
    result: str


TWO_PATHS = frozenset({"rename", "renameat", "renameat2", "link", "linkat", "pivot_root"})
SECOND_IS_PATH = frozenset({"symlink", "symlinkat"})  # the first is the link's content


def paths(name, strings):
    """Return the path arguments among the quoted strings of a call."""
    if name in SECOND_IS_PATH:
        return strings[1:2]
    return strings[: 2 if name in TWO_PATHS else 1]


def unhex(text):
    return bytes(int(part, 16) for part in text.split("\\x")[1:])


def read(text):
    """Return the completed calls of a trace, in order of completion.

    strace remembers a task's name for too long at times (an `as` that gcc spawned stays `gcc`),
    so from its first execve on, a task has the name the kernel gave it then.
    """
    pending = {}
    renamed = {}
    lines = []
    for raw in text.splitlines():
        found = LINE.match(raw)
        assert found, raw
        pid, rest = found["pid"], found["rest"]
        if rest.startswith(("+++", "---")):
            continue
        if cut := UNFINISHED.match(rest):
            pending[pid] = cut["start"]
            continue
        if back := RESUMED.match(rest):
            rest = pending.pop(pid) + back["end"]
        call = CALL.match(rest)
        assert call, rest
        result = call["result"].split()
        if result[0] == "?":
            continue  # never returned, or to be restarted
        strings = tuple(unhex(m[1]) for m in STRING.finditer(call["args"]))
        outcome = result[1] if result[0] == "-1" else result[0].split("<")[0]
        name = call["name"]
        if name in ("execve", "execveat") and outcome == "0":
            renamed[pid] = strings[0].rpartition(b"/")[2][:15].decode()
        comm = renamed.get(pid) or unhex(found["comm"]).decode()
        lines.append(Line(comm, name, paths(name, strings), outcome))
    return lines
