"""tracerctl's words, messages and exit codes, verb by verb, against a fake daemon."""

import json
import subprocess
import sys

import msgspec
import pytest

from tracerd.ctl import main as ctl
from tracerd.ctl.main import main, parse
from tracerd.errors import AlreadyTraced, KernelThread, NoSuchProcess, NotTraced
from tracerd.protocol import events, messages

EXIT = events.Exit(seq=1, time_ns=2, pid=43, tid=43, comm="ls", code=5)
CLOSE = events.SyscallExit(
    seq=2, time_ns=3, pid=43, tid=43, comm="ls", syscall="close", nr=3, args={"fd": 7}, ret=0
)
OPENAT = messages.SyscallInfo(
    name="openat",
    nr=257,
    classes=["file", "desc"],
    args=[
        messages.Argument(name="dfd", kind="dirfd"),
        messages.Argument(name="filename", kind="path"),
    ],
    ret="fd",
)
CLOSE_ROW = messages.SyscallInfo(
    name="close", nr=3, classes=["desc"], args=[messages.Argument(name="fd", kind="fd")], ret="int"
)


@pytest.fixture
def out(capfd):
    """Runs tracerctl and returns its exit code, its output and its messages."""

    def run(*words):
        code = main(list(words))
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


@pytest.mark.parametrize("verb", ctl.VERBS)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])

    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: tracerctl {verb}")
    assert "--socket" in text


def test_the_verbs_are_listed(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])

    text = capsys.readouterr().out
    assert all(f"  {verb} " in text for verb in ctl.VERBS)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "a verb is missing"),
        (["wach"], "no such verb: wach (did you mean watch?)"),
        (["--verbose", "list"], "unrecognized arguments: --verbose"),
        (["list", "x"], "unrecognized arguments: x"),
        (["attach"], "PID"),
        (["watch", "--level", "deep"], "--level"),
        (["watch", "--min-duration", "long"], "not a time: long"),
    ],
)
def test_wrong_words_end_in_code_2(words, text, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["attach", "me"], "not a process id: me"),
        (["detach", "0"], "not a process id: 0"),
        (["trace", "99999999999"], "not a process id: 99999999999"),
        (["watch", "--pid", "x"], "--pid: not a number: x"),
        (["watch", "-n", "-1"], "not a number of events: -1"),
        (["run"], "a command is missing"),
        (["files"], "say what to look at"),
        (["files", "-p", "1", "--", "ls"], "say what to look at"),
        (["files", "--json", "--format", "whatfiles", "ls"], "exclude each other"),
    ],
)
def test_words_that_mean_nothing(words, text, out, daemon):
    code, said, message = out(*words)

    assert (code, said) == (2, "")
    assert message.startswith("tracerctl: ")
    assert text in message
    assert daemon.calls == []


@pytest.mark.parametrize(
    ("words", "command", "options"),
    [
        (["run", "ls", "-l"], ["ls", "-l"], {}),
        (["run", "--", "ls", "-l"], ["ls", "-l"], {}),
        (["run", "-e", "open", "ls", "-e", "x"], ["ls", "-e", "x"], {"syscall": ["open"]}),
        (["run", "-Z", "--", "-x"], ["-x"], {"result": ["error"]}),
        (["run", "ls", "--", "-l"], ["ls", "--", "-l"], {}),
        (["run", "--", "ls", "--", "-l"], ["ls", "--", "-l"], {}),
        (
            ["files", "-f", "--op", "read", "cat", "-f"],
            ["cat", "-f"],
            {"op": ["read"], "follow": True},
        ),
        (["files", "-p", "1", "2", "--op", "read"], [], {"pids": ["1", "2"]}),
        (["files", "-p", "1", "-p", "2"], [], {"pids": ["1", "2"]}),
    ],
)
def test_the_commands_own_words_are_left_alone(words, command, options):
    _verb, arguments = parse(words)

    assert arguments.command == command
    assert {name: getattr(arguments, name) for name in options} == options


@pytest.mark.parametrize(
    "words", [["--socket", "/s", "list"], ["list", "--socket", "/s"], ["--socket=/s", "list"]]
)
def test_the_socket_can_be_named_before_and_after_the_verb(words):
    assert parse(words)[1].socket == "/s"


def test_nobody_answers(out, tmp_path):
    code, _said, message = out("--socket", str(tmp_path / "none"), "list")

    assert code == 1
    assert "no daemon answers at" in message
    assert "start one with: tracerd --socket" in message


def test_a_private_daemon_is_not_started_beside_one_that_was_named(out, tmp_path, monkeypatch):
    code, _said, message = out("--socket", str(tmp_path / "none"), "files", "true")
    assert (code, "no daemon answers" in message) == (125, True)

    monkeypatch.setenv("TRACERD_SOCKET", str(tmp_path / "none"))
    code, _said, message = out("trace", "1")
    assert (code, "no daemon answers" in message) == (1, True)


def test_attach_and_detach(out, daemon):
    daemon.answers |= {
        "Attach": lambda call: messages.AttachReply(pid=call.pid, threads=[1, 2], pending=[2]),
        "Detach": lambda call: messages.DetachReply(
            pid=call.pid, holders=call.pid - 43, pending=[6, 7] if call.pid == 45 else []
        ),
    }

    assert out("attach", "43") == (
        0,
        "attached 43 (2 threads)\n",
        "tracerctl: 43: threads that have not stopped yet: 2\n",
    )
    assert out("detach", "43", "44", "45") == (
        0,
        (
            "detached 43\ndetached 44; it stays under trace for 1 other\n"
            "detached 45; it stays under trace for 2 others\n"
        ),
        "tracerctl: 45: threads that leave trace when they next stop: 6, 7\n",
    )
    assert daemon.called("Attach")[0].scope == "daemon"


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (NoSuchProcess(99999), 3, "no such process: 99999"),
        (AlreadyTraced(9, 8), 5, "process 9 is already traced by process 8"),
        (KernelThread(2), 6, "process 2 is a kernel thread, which cannot be traced"),
    ],
)
def test_each_refusal_has_its_code(out, daemon, error, code, text):
    daemon.answers["Attach"] = error

    assert out("attach", "9") == (code, "", f"tracerctl: {text}\n")


def test_one_refusal_does_not_keep_the_others_out(out, daemon):
    daemon.answers["Attach"] = lambda call: (
        NoSuchProcess(call.pid)
        if call.pid == 1
        else messages.AttachReply(pid=call.pid, threads=[2])
    )

    assert out("attach", "1", "2") == (
        3,
        "attached 2 (1 thread)\n",
        "tracerctl: no such process: 1\n",
    )


def test_messages_cannot_reach_the_terminal(out, daemon):
    daemon.answers["Detach"] = NotTraced(1)
    daemon.answers["Attach"] = AlreadyTraced(1, 2)
    daemon.answers["List"] = messages.ListReply(
        processes=[
            messages.ProcessState(
                pid=1, start=1, ppid=0, uid=0, comm="a\x1b[2J\n", exe="/x\ny", threads=[1],
                roots=[1], state="running", attached_ns=0,
            )
        ]
    )  # fmt: skip

    code, said, _message = out("list")

    assert code == 0
    assert len(said.splitlines()) == 2
    assert all(line.isprintable() for line in said.splitlines())


def test_list(out, daemon):
    daemon.answers["List"] = messages.ListReply(processes=[])
    assert out("list") == (0, "no process is under trace\n", "")

    state = messages.ProcessState(
        pid=43, start=1, ppid=1, uid=0, comm="ls", exe="/bin/ls", threads=[43, 44],
        roots=[42], state="running", attached_ns=0,
    )  # fmt: skip
    daemon.answers["List"] = messages.ListReply(processes=[state])
    assert out("list")[1].splitlines() == [
        "PID  PPID  UID  THREADS  STATE    COMMAND  PROGRAM  ATTACHED BY WAY OF",
        " 43     1    0        2  running  ls       /bin/ls  42",
    ]
    assert msgspec.json.decode(out("list", "--json")[1], type=messages.ListReply).processes == [
        state
    ]


def test_status(out, daemon):
    from fake_daemon import status

    state = messages.SubscriptionState(
        id="s1", uid=0, pid=9, overflow="block", filters=[messages.Filter(pid=[43])],
        matched=9, delivered=4, queued=3, lost=2, blocking=True, queued_max=8,
        blocked_ns=1_500_000_000,
    )  # fmt: skip
    daemon.answers["Status"] = status(
        subscriptions=[state], held=1, events_per_s=12.3, counters={"lost": {"slow": 2, "x": 0}}
    )

    said = out("status")[1]

    assert "up           1 d 02:03:04" in said
    assert "traced       1 processes, 2 threads, 1 held by a full subscription" in said
    assert "events       7, 12 per second" in said
    assert "lost         slow 2\n" in said
    [row] = [line for line in said.splitlines() if line.startswith("s1")]
    assert row.split() == [
        *("s1", "0", "9", "block", "(holding)", "9", "4", "3", "8", "2", "1.5", "s"),
        '[{"pid":[43]}]',
    ]
    assert json.loads(out("status", "--json")[1])["head"] == 7


def test_syscalls(out, daemon):
    daemon.answers["Syscalls"] = messages.SyscallsReply(syscalls=[CLOSE_ROW, OPENAT])

    everything = (
        "   3  close(fd: fd) = int  %desc\n"
        " 257  openat(dfd: dirfd, filename: path) = fd  %file %desc\n"
    )
    assert out("syscalls") == (0, everything, "")
    assert out("syscalls", "%desc") == (0, everything, "")
    assert out("syscalls", "open*")[1].startswith(" 257")
    assert out("syscalls", "opne") == (1, "", "tracerctl: no such system call or class: opne\n")
    assert len(json.loads(out("syscalls", "--json", "close")[1])["syscalls"]) == 1
    assert daemon.called("Syscalls")[-1] == messages.Syscalls()


def test_syscalls_of_another_abi(out, daemon):
    there = msgspec.structs.replace(CLOSE_ROW, nr=57, abi="aarch64")
    daemon.answers["Syscalls"] = messages.SyscallsReply(syscalls=[there])

    said = out("syscalls", "--abi", "aarch64")

    assert said == (0, "  57  close(fd: fd) = int  %desc  /* aarch64 */\n", "")
    assert daemon.called("Syscalls") == [messages.Syscalls(abi="aarch64")]


def test_watch_shows_events(out, daemon):
    daemon.answers["Syscalls"] = messages.SyscallsReply(syscalls=[CLOSE_ROW])
    daemon.early = [CLOSE, EXIT]

    code, said, _message = out("watch", "-n", "2", "--pid", "43", "-e", "!%memory", "--level", "io")

    assert code == 0
    assert said.splitlines() == [
        f"{'[pid    43] close(7)':60}= 0",
        "[pid    43] +++ exited with 5 +++",
    ]
    assert daemon.called("Subscribe") == [
        messages.Subscribe(
            filters=[messages.Filter(pid=[43], not_=messages.Match(syscall=["%memory"]))],
            level="io",
            string_limit=32,
        )
    ]


def test_watch_json_is_what_the_daemon_sent(out, daemon):
    daemon.early = [CLOSE, EXIT]

    code, said, _message = out("watch", "-n", "1", "--json")

    assert code == 0
    assert said.encode() == msgspec.json.encode(CLOSE) + b"\n"


def test_watch_into_a_file(out, daemon, tmp_path):
    daemon.early = [EXIT]

    assert out("watch", "-n", "1", "-o", str(tmp_path / "log")) == (0, "", "")
    assert (tmp_path / "log").read_text() == "[pid    43] +++ exited with 5 +++\n"


def test_a_file_that_cannot_be_written(out, daemon, tmp_path):
    code, _said, message = out("watch", "-o", str(tmp_path / "no" / "log"))

    assert code == 1
    assert "cannot write" in message


@pytest.mark.parametrize(
    ("end", "code", "text"),
    [
        ("target", 0, ""),
        ("unsubscribed", 0, ""),
        ("shutdown", 1, "tracerctl: the daemon was shut down\n"),
        ("slow", 1, "tracerctl: this reader was too slow (overflow is `disconnect`)\n"),
        (None, 1, "tracerctl: the daemon has gone\n"),
    ],
)
def test_watch_says_why_it_ended(out, daemon, end, code, text):
    def answer(_call):
        import threading

        def finish():
            stream = daemon.stream()
            stream.drop() if end is None else stream.end(end)

        thread = threading.Thread(target=finish)
        daemon._threads.append(thread)
        thread.start()
        return messages.SubscribeReply(id="s1")

    daemon.answers["Subscribe"] = answer

    assert out("watch") == (code, "", text)


def test_an_unreadable_filter_is_a_wrong_word(out, daemon):
    from tracerd.errors import InvalidFilter

    daemon.answers["Subscribe"] = InvalidFilter("filters[0].syscall[0]", "no such call: opne")

    assert out("watch", "-e", "opne") == (2, "", "tracerctl: --syscall: no such call: opne\n")
    assert out("run", "-e", "opne", "true")[0] == 2


def test_a_reader_that_leaves_is_no_error(daemon):
    """`tracerctl watch | head -1` ends when head does, not at the event after next."""
    watch = subprocess.Popen(
        [sys.executable, "-m", "tracerd.ctl", "watch"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with watch:
        daemon.stream().send(EXIT)
        assert watch.stdout.readline().endswith("exited with 5 +++\n")
        watch.stdout.close()

        assert watch.wait(60) == 141
        assert watch.stderr.read() == ""


def test_start_up_imports_little():
    code = (
        "import sys; from tracerd.ctl.main import parse; parse(['list']); "
        "print([m for m in ('anyio', 'trio', 'asyncio', 'ptrace', 'subprocess', 'tempfile',"
        " 'tracerd.core', 'tracerd.server', 'tracerd.ctl.verbs.run') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
