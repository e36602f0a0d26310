"""strace is the oracle: the same programs, the same file calls, the same answers.

For each program the multiset of (program, syscall, paths as passed, result) that
`tracerctl run --json` reports equals what `strace -f -e trace=%file` prints.

Inherent differences, and what is done about them:

* Names that a program makes up at random (gcc's /tmp/ccXXXXXX.s, git's tmp_obj_XXXXXX) and
  pids in paths are masked in both.
* strace names the program of an execve by what it was before the call, tracerd by what it is
  after a successful one: for execve the program is left out of the comparison.
* A shell's background job and its parent race, but each makes the same calls either way: a
  multiset has no order.  Descriptor numbers returned may depend on such a race only within
  one process, and these programs do not race there.
* Calls that were interrupted and restarted are counted once by both, when they return.
"""

import base64
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import strace_text

TRACERCTL = [sys.executable, "-m", "tracerd.ctl"]
MASKS = [
    (re.compile(rb"/cc[A-Za-z0-9]{6}\b"), b"/ccXXXXXX"),
    (re.compile(rb"(tmp_(?:obj|pack|idx|rev)_)[A-Za-z0-9]{6}"), rb"\1XXXXXX"),
    (re.compile(rb"/\.git/t[A-Za-z0-9]{6}$"), b"/.git/tXXXXXX"),
    (re.compile(rb"/proc/\d+"), b"/proc/PID"),
    (re.compile(rb"\.\d{4,}"), b".PID"),
    (re.compile(rb"/(Gm|GM|sort)[A-Za-z0-9]{6}\b"), rb"/\1XXXXXX"),
]
TIMEOUT = 120


def masked(path):
    for pattern, by in MASKS:
        path = pattern.sub(by, path)
    return path


def by_strace(command, cwd, tmp_path):
    out = tmp_path / "strace.txt"
    subprocess.run(
        [
            "strace",
            "-f",
            "-qq",
            "-Y",
            "-xx",
            "-s",
            "100000",
            "-e",
            "trace=%file",
            "-o",
            out,
            *command,
        ],
        cwd=cwd,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=TIMEOUT,
    )
    found = Counter()
    for line in strace_text.read(out.read_text()):
        comm = "" if line.name == "execve" else line.comm
        found[comm, line.name, tuple(masked(p) for p in line.paths), line.result] += 1
    return found


def raw_paths(event):
    """The path arguments of an event, as bytes, once each, in order."""
    if event["syscall"] == "getcwd":  # a path that the kernel returns
        return (event["args"]["buf"].encode(),) if "errno" not in event else ()
    if event["args"].get("filename") == "":  # AT_EMPTY_PATH, of a pipe perhaps
        return (b"",)
    seen = {}
    for access in event.get("files", ()):
        if access.get("implied") or "raw" not in access:
            continue
        raw = access["raw"].encode()
        if "path_b64" in access:
            whole = base64.b64decode(access["path_b64"])
            raw = whole[-len(raw) :] if whole.endswith(raw) else whole
        seen.setdefault(raw)
    return tuple(seen)


def by_tracerd(command, cwd, tmp_path):
    out = tmp_path / "tracerd.json"
    subprocess.run(
        [*TRACERCTL, "run", "--json", "-e", "%file", "-o", out, "--", *command],
        cwd=cwd,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=TIMEOUT,
    )
    found = Counter()
    for text in out.read_text().splitlines():
        event = json.loads(text)
        if event["type"] == "lost":
            pytest.fail(f"events lost: {event}")
        if event["type"] != "syscall_exit" or event.get("unfinished") or event.get("restart"):
            continue
        name = event["syscall"]
        comm = "" if name == "execve" else event["comm"]
        result = event.get("errno") or event["ret"]
        result = str(result)
        found[comm, name, tuple(masked(p) for p in raw_paths(event)), result] += 1
    return found


def make_project(where):
    """A small C project with several files and a Makefile."""
    where.mkdir()
    for name in ("a", "b", "c"):
        (where / f"{name}.h").write_text(f"int {name}(void);\n")
        (where / f"{name}.c").write_text(f'#include "{name}.h"\nint {name}(void) {{ return 1; }}\n')
    (where / "main.c").write_text(
        '#include "a.h"\n#include "b.h"\n#include "c.h"\n#include <stdio.h>\n'
        'int main(void) { printf("%d", a() + b() + c()); return 0; }\n'
    )
    (where / "Makefile").write_text(
        "CC=gcc\nprog: main.o a.o b.o c.o\n\t$(CC) -o $@ $^\n%.o: %.c\n\t$(CC) -c -o $@ $<\n"
    )
    return where


def make_repository(where):
    where.mkdir()
    env = {
        **os.environ,
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    (where / "file").write_text("text\n")
    (where / "dir").mkdir()
    (where / "dir" / "other").write_text("more\n")
    for step in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *step], cwd=where, check=True, env=env)
    return where


SCRIPT = """
set -e
for word in one two three; do echo $word; done | sort | cat > list
(cat list > first) &
(wc -l < list > second) &
wait
mv first third
rm -f list second third
"""

PROGRAMS = {
    "cat": ["cat", "/etc/hostname", "/etc/passwd", "/nonexistent/file"],
    "ls": ["ls", "-lR", "/etc"],
    "cp": ["cp", "-r", "{tree}", "{work}/copy"],
    "git": ["git", "clone", "-q", "--no-local", "{repository}", "{work}/clone"],
    "tar": ["tar", "czf", "{work}/out.tgz", "-C", "{tree}", "."],
    "python": ["/usr/bin/env", "PYTHONDONTWRITEBYTECODE=1", "{python}", "-c", "import json, ssl"],
    "make": ["make", "-C", "{project}"],
    "shell": ["sh", "-c", SCRIPT],
    "find": [
        "find",
        "/usr/share/doc",
        "-maxdepth",
        "2",
        "-name",
        "copyright",
        "-newer",
        "/etc/passwd",
    ],
}


@pytest.fixture
def world(tmp_path):
    """Make the same surroundings, under the same names, for each of the two runs."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(20):
        (tree / f"d{number % 4}").mkdir(exist_ok=True)
        (tree / f"d{number % 4}" / f"f{number}").write_text("x" * number)
    (tree / "link").symlink_to("d0/f0")
    make_repository(tmp_path / "repository")

    def fresh():
        for name in ("work", "project"):
            subprocess.run(["rm", "-rf", tmp_path / name], check=True)
        (tmp_path / "work").mkdir()
        make_project(tmp_path / "project")
        return {
            "tree": str(tree),
            "work": str(tmp_path / "work"),
            "project": str(tmp_path / "project"),
            "repository": str(tmp_path / "repository"),
            "python": sys.executable,
        }

    return fresh


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_same_as_strace(program, world, tmp_path):
    def run(tracer):
        names = world()
        command = [part if part == SCRIPT else part.format(**names) for part in PROGRAMS[program]]
        if program == "cat":
            command = ["sh", "-c", " ".join(command) + " 2>/dev/null || true"]
        return tracer(command, Path(names["work"]), tmp_path)

    theirs, ours = run(by_strace), run(by_tracerd)
    assert sum(theirs.values()) > 10
    assert ours == theirs, f"only tracerd: {ours - theirs}\nonly strace: {theirs - ours}"
