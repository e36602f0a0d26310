"""File names that are not text, through every layer and every output.

The tracee prints what names it used, in base64; what the layers say of them must be the very
bytes, and no output may let a control character through.
"""

import base64
import contextlib
import json
import os
import pty
import re
import signal
import threading
from pathlib import Path

import msgspec
import pytest
from build import command

import tracerd.client
from tracerd.protocol.text import shown

STEPS = ("create", "write", "read", "rename", "delete")
"""What the tracee does with each name."""

OURS = re.compile(rb"\x1b\[[0-9;]*m")
"""Our own colours, and nothing else that begins with ESC."""


def exact(fields, key="path"):
    """The bytes of a name in a JSON object or event."""
    encoded = fields.get(f"{key}_b64")
    if encoded is not None:
        return base64.b64decode(encoded, validate=True)
    return fields[key].encode()


def names(text, directory):
    """The names the tracee used: pairs of before and after the rename."""
    pairs = [json.loads(line) for line in text.splitlines()]
    assert len(pairs) == 12
    start = os.fsencode(directory) + b"/"
    return [
        (start + base64.b64decode(pair["name"]), start + base64.b64decode(pair["renamed"]))
        for pair in pairs
    ]


def steps(pairs):
    """All that the tracee does, in order: operation, name, new name."""
    for old, new in pairs:
        yield from (("create", old, None), ("write", old, None), ("read", old, None))
        yield from (("rename", old, new), ("delete", new, None))


def told(entries):
    """The same of the `files` entries of events."""
    for entry in entries:
        if entry["op"] == "rename-to":
            continue
        yield entry["op"].removesuffix("-from"), exact(entry)


def harmless(data, *, newlines=True):
    """Whether bytes can do nothing to a terminal but print, in UTF-8."""
    text = data.decode("utf-8")  # Raises if they are not.
    if newlines:
        text = text.replace("\r\n", "").replace("\n", "")
    return text.isprintable()


@pytest.fixture
def directory(tmp_path):
    made = tmp_path / "odd"
    made.mkdir()
    return made


@pytest.fixture
def terminal():
    """Runs something with a terminal for it to write to: `terminal(run)`, run taking the fd."""

    def during(run):
        ours, theirs = pty.openpty()
        got = []

        def read():
            while True:
                try:
                    data = os.read(ours, 65536)
                except OSError:  # EIO: nobody has the other end open any more.
                    return
                got.append(data)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            result = run(theirs)
        finally:
            os.close(theirs)
            reader.join(20)
            os.close(ours)
        assert not reader.is_alive()
        return result, b"".join(got)

    return during


def test_files_as_a_document(files, directory):
    document = files(*command("oddnames", directory), options=["-f", "--path", f"{directory}/"])
    assert document["rc"] == 0
    pairs = names(document["stdout"], directory)
    assert [
        (record["op"], exact(record), exact(record, "to") if "to" in record else None)
        for record in document["records"]
    ] == list(steps(pairs))
    assert {exact(entry): (entry["ops"], entry["via"]) for entry in document["files"]} == {
        new: (dict.fromkeys(STEPS, 1), [shown(old)]) for old, new in pairs
    }
    assert document["renames"] == []  # each is the name by way of which the file got its last one
    assert document["failed"] == []
    # What is text needs no base64; what is not has it.
    for record in document["records"]:
        try:
            exact(record).decode()
        except UnicodeDecodeError:
            assert "path_b64" in record
        else:
            assert "path_b64" not in record


@pytest.mark.parametrize("options", [[], ["-f"], ["--format", "whatfiles"]])
def test_files_as_text(tracerctl, directory, tmp_path, options):
    log = tmp_path / "log"
    only = ["--path", f"{directory}/", "--color", "never"]
    done = tracerctl("files", "-o", log, *only, *options, "--", *command("oddnames", directory))
    assert done.returncode == 0
    assert harmless(log.read_bytes())
    lines = log.read_text().split("\n")
    assert lines.pop() == ""
    assert not any(line.startswith("mode: write, file: forged") for line in lines)
    table = 12  # each file under its last name
    around = 1 + 1 + 1  # heading, the empty line below it, the verdict
    live = 12 * len(STEPS)
    wanted = {0: table + around, 1: live + table + around, 2: 12 * 4}  # whatfiles: a rename counts
    if "whatfiles" not in options:
        assert len(lines) == wanted[len(options)]
        assert sum("forged" in line for line in lines) == (1 if not options else 1 + 5)
    else:
        modes = [
            re.fullmatch(r"mode: ([ a-z/-]{5,8}), file: .*, process: \S+", line) for line in lines
        ]
        assert all(modes), lines
        assert [mode[1].strip() for mode in modes[:2]] == ["create", "read"]
        assert sum("forged" in line for line in lines) == len(lines) / 12


@pytest.mark.parametrize("verb", ["files", "run"])
@pytest.mark.parametrize("options", [["--color", "always"], ["--json"]])
def test_nothing_reaches_a_terminal_that_it_could_obey(
    tracerctl, terminal, directory, verb, options
):
    follow = ["-f"] if verb == "files" else []
    only = ["--path", f"{directory}/", *follow, *options]
    done, seen = terminal(
        lambda fd: tracerctl(verb, *only, "--", *command("oddnames", directory), stderr=fd)
    )
    assert done.returncode == 0
    assert len(names(done.stdout, directory)) == 12
    coloured = OURS.findall(seen)
    assert bool(coloured) == ("always" in options)
    assert seen.count(b"forged") >= 5
    assert harmless(OURS.sub(b"", seen))
    if "--json" in options:
        for line in seen.splitlines():
            json.loads(line)


def test_run_as_text(tracerctl, directory, tmp_path):
    log = tmp_path / "log"
    done = tracerctl("run", "-o", log, "-Y", "--", *command("oddnames", directory))
    assert done.returncode == 0
    assert harmless(log.read_bytes())
    lines = log.read_text().splitlines()
    assert all(re.match(r"\[\S+ +\d+\] ", line) for line in lines)
    opens = [line for line in lines if "openat(" in line and f'"{directory}/' in line]
    assert len(opens) == 24
    assert f'openat(AT_FDCWD, "{directory}/new\\nline", O_RDONLY|O_CLOEXEC)' in "\n".join(opens)
    assert f'"{directory}/not-utf8-\\377\\376"' in "\n".join(opens)
    assert f'"{directory}/esc\\33[31mred\\33[0m\\33]0;title\\7"' in "\n".join(opens)
    assert sum(line.count(r"\nmode: write, file: forged") for line in opens) == 4  # and as ret_path


def test_run_as_json(tracerctl, directory, tmp_path):
    log = tmp_path / "log"
    options = ["--json", "-o", log, "--path", f"{directory}/"]
    done = tracerctl("run", *options, "--", *command("oddnames", directory))
    events = [json.loads(line) for line in log.read_bytes().split(b"\n")[:-1]]
    entries = [entry for event in events for entry in event["files"]]
    wanted = [step[:2] for step in steps(names(done.stdout, directory))]
    assert list(told(entries)) == wanted
    for entry in entries:
        if "real" in entry:
            assert exact(entry, "real") == exact(entry)


@pytest.mark.parametrize("wire", ["json", "msgpack"])
def test_the_client_library(tracerctl, daemon, directory, wire):
    with tracerd.client.connect_sync(daemon.socket, timeout=60) as client:
        subscription = client.subscribe(path=f"{directory}/**", format=wire)
        done = tracerctl(
            "run", "-o", "/dev/null", "--", *command("oddnames", directory), socket=daemon.socket
        )
        assert done.returncode == 0
        client.sync(subscription.id)  # All of it is in our socket now.
        events = []
        with contextlib.suppress(TimeoutError):
            while (batch := subscription.read(timeout=0)) is not None:
                events += batch
    entries = [msgspec.to_builtins(entry) for event in events for entry in event.files]
    assert list(told(entries)) == [step[:2] for step in steps(names(done.stdout, directory))]


def test_watch(tracerctl, daemon, until, directory, tmp_path):
    """As text and as JSON, by two watchers of one daemon."""
    select = ["--path", f"{directory}/", "--op", "delete", "-n", "12"]
    watchers = [
        tracerctl.start("watch", *options, *select, "-o", name, socket=daemon.socket)
        for name, options in (("text", ()), ("json", ("--json",)))
    ]
    with tracerd.client.connect_sync(daemon.socket, timeout=60) as client:
        until(lambda: len(client.status().subscriptions) == 2)
    run = ["run", "-o", "/dev/null", "--", *command("oddnames", directory)]
    done = tracerctl(*run, socket=daemon.socket)
    assert [watcher.wait(60) for watcher in watchers] == [0, 0]
    deleted = [new for _, new in names(done.stdout, directory)]

    events = [json.loads(line) for line in (tmp_path / "json").read_bytes().split(b"\n")[:-1]]
    assert [exact(entry) for event in events for entry in event["files"]] == deleted
    text = (tmp_path / "text").read_bytes()
    assert harmless(text)
    lines = text.decode().split("\n")
    assert lines.pop() == ""
    assert len(lines) == 12
    assert all(re.match(r'\[pid +\d+\] unlink\("', line) for line in lines)


def test_an_odd_name_can_be_asked_for(tracerctl, directory, tmp_path):
    r"""By the filter: as bytes on the command line, or as it is shown, with \xNN."""
    odd = os.fsencode(directory) + b"/not-utf8-\xff\xfe"
    for pattern in (odd, rf"{directory}/not-utf8-\xff\xfe"):
        options = ["--json", "-o", "log", "--path", pattern]
        tracerctl("run", *options, "--", *command("oddnames", directory))
        events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
        assert [event["syscall"] for event in events] == ["openat", "openat", "rename"]


def test_odd_programs_and_arguments(tracerctl, tmp_path, until):
    """The names of programs and threads, and arguments, are a tracee's own choice too."""
    program = os.fsencode(tmp_path) + b"/\x1b[31mx\n\xff"
    Path(os.fsdecode(program)).write_bytes(b'#!/bin/sh\necho "$1" > /dev/null\n')
    os.chmod(program, 0o755)
    argv = [program, b"\x1b]0;title\x07\n\xfe"]
    log = tmp_path / "log"
    for verb, options, byte in (("run", ["-Y"], rb"\377"), ("files", ["-f"], rb"\xff")):
        done = tracerctl(verb, "-o", log, *options, "--", *argv)
        assert done.returncode == 0, done.stderr
        assert harmless(log.read_bytes())
        assert rb"\33[31mx\n" + byte in log.read_bytes()
    tracerctl("run", "--json", "-o", log, "--type", "exec", "--", *argv)
    (event,) = map(json.loads, log.read_text().splitlines())
    assert exact(event) == program
    assert event["argv"][-1] == "\x1b]0;title\x07\n\\xfe"


def test_list_shows_no_control_characters(tracerctl, daemon, processes, until, tmp_path):
    """Of a process whose name is an escape sequence."""
    program = os.fsencode(tmp_path) + b"/\x1b[2J\n\xff"
    os.symlink("/bin/sleep", program)
    sleeper = processes.start([program, "100"])
    until(lambda: b"\x1b[2J" in Path(f"/proc/{sleeper.pid}/comm").read_bytes())
    assert tracerctl("attach", sleeper.pid, socket=daemon.socket).returncode == 0
    shown = tracerctl("list", socket=daemon.socket, text=False).stdout
    assert harmless(shown)
    assert str(sleeper.pid).encode() in shown
    assert rb"\33[2J\n\xff" in shown
    assert tracerctl("detach", sleeper.pid, socket=daemon.socket).returncode == 0
    sleeper.send_signal(signal.SIGTERM)
    assert sleeper.wait(60) == -signal.SIGTERM
