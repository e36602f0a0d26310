"""Events as lines: the expected text is spelt out, as strace would write it."""

import os
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracerd.ctl.text import lines
from tracerd.ctl.text.calls import FORMS, LAYOUTS, REMARKS, RETURNS
from tracerd.ctl.text.ink import Ink
from tracerd.ctl.text.kinds import KINDS
from tracerd.ctl.text.lines import RESULT_COLUMN, Renderer
from tracerd.protocol import events
from tracerd.protocol.events import Exec, Exit, SyscallEnter, SyscallExit

HEAD = {"seq": 1, "time_ns": 0, "pid": 43, "tid": 44, "comm": "ls"}

TABLE = {
    "openat": {"dfd": "dirfd", "filename": "path", "flags": "flags", "mode": "mode"},
    "read": {"fd": "fd", "buf": "buffer", "count": "size"},
    "connect": {"fd": "fd", "uservaddr": "sockaddr", "addrlen": "int"},
    "execve": {"filename": "path", "argv": "strings", "envp": "ptr"},
    "mmap": {"addr": "ptr", "prot": "flags"},
    "newfstatat": {"dfd": "dirfd", "filename": "path", "statbuf": "stat", "flag": "flags"},
    "writev": {"fd": "fd", "vec": "iovec", "vlen": "ulong"},
    "recvmsg": {"fd": "fd", "msg": "msghdr", "flags": "flags"},
    "sendmmsg": {"fd": "fd", "mmsg": "mmsghdr", "vlen": "uint"},
    "poll": {"ufds": "pollfds"},
    "lseek": {"fd": "fd", "offset": "off", "whence": "enum"},
}

STAT = {"dev": "8:1", "ino": 9, "mode": "0100644", "nlink": 1, "size": 1234, "blocks": 8}


MESSAGE = {
    "name": {"family": "AF_UNIX", "unnamed": True}, "namelen": [110, 2], "text": "ab", "size": 2,
    "lengths": [8, 9], "iovlen": 2, "controllen": 0, "flags": ["MSG_TRUNC"],
}  # fmt: skip
SENT = {
    "name": None, "namelen": 0, "text": "abc", "size": 5, "truncated": True, "lengths": [5],
    "iovlen": 1, "controllen": 0, "flags": [],
}  # fmt: skip


def call(syscall, args=None, **fields):
    return SyscallExit(**HEAD, syscall=syscall, nr=0, args=args or {}, **fields)


def text(event, **options):
    return Renderer(kinds=TABLE, **options).line(event)


def one_space(line):
    return re.sub(" +=", " =", line)


OPEN = {"dfd": "AT_FDCWD", "filename": "/etc/passwd", "flags": ["O_RDONLY", "O_CLOEXEC"]}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            call("openat", {**OPEN, "mode": None}, ret=3, ret_path="/etc/passwd"),
            'openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3</etc/passwd>',
        ),
        (
            call(
                "openat",
                {"dfd": 5, "filename": "new", "flags": ["O_CREAT"], "mode": "0644"},
                fds={"dfd": "/home"},
                ret=-1,
                errno="EACCES",
            ),
            'openat(5</home>, "new", O_CREAT, 0644) = -1 EACCES (Permission denied)',
        ),
        (
            call("openat", {**OPEN, "filename": None, "flags": []}, ret=-1, errno="EFAULT"),
            "openat(AT_FDCWD, NULL, 0) = -1 EFAULT (Bad address)",
        ),
        (
            call("openat", {**OPEN, "filename": {"ptr": "0x10"}, "flags": ["0x8"]}, ret=4),
            "openat(AT_FDCWD, 0x10, 0x8) = 4",
        ),
        (
            call("openat", {**OPEN, "filename": {"text": "aa", "truncated": True}}, ret=4),
            'openat(AT_FDCWD, "aa"..., O_RDONLY|O_CLOEXEC) = 4',
        ),
        (
            call(
                "read",
                {
                    "fd": 3,
                    "buf": {"text": "a\n\\xff", "size": 900, "truncated": True},
                    "count": 999,
                },
                fds={"fd": "pipe:[12]"},
                ret=900,
            ),
            r'read(3<pipe:[12]>, "a\n\377"..., 999) = 900',
        ),
        (
            call("read", {"fd": 0, "buf": {"text": "", "size": 0}, "count": 9}, ret=0),
            'read(0, "", 9) = 0',
        ),
        (
            call("read", {"fd": 0, "buf": {"ptr": "0x7f"}, "count": 9}, unfinished=True),
            "read(0, 0x7f, 9) = ?",
        ),
        (
            call("restart_syscall", {}, ret=0, resumes="clock_nanosleep"),
            "restart_syscall(<... resuming interrupted clock_nanosleep ...>) = 0",
        ),
        (
            call("read", {"fd": 0}, errno="ERESTARTSYS", restart=True),
            "read(0) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
        ),
        (call("read", {"fd": 0}, ret=-1, errno="EODD"), "read(0) = -1 EODD"),
        (
            call(
                "connect",
                {
                    "fd": 3,
                    "uservaddr": {"family": "AF_UNIX", "path": "AF_X\n"},
                    "addrlen": 110,
                },
                ret=0,
            ),
            r'connect(3, {sa_family=AF_UNIX, sun_path="AF_X\n"}, 110) = 0',
        ),
        (
            call(
                "connect",
                {"fd": 3, "uservaddr": {"family": "AF_INET", "addr": "1.2.3.4", "port": 80}},
                ret=-1,
                errno="EIO",
            ),
            (
                "connect(3, {sa_family=AF_INET, sin_port=htons(80), "
                'sin_addr=inet_addr("1.2.3.4")}) = -1 EIO (Input/output error)'
            ),
        ),
        (
            call(
                "execve",
                {"filename": "/bin/ls", "argv": ["ls", "-l", 'a"b'], "envp": "0x7ffe"},
                ret=0,
            ),
            r'execve("/bin/ls", ["ls", "-l", "a\"b"], 0x7ffe) = 0',
        ),
        (
            call("execve", {"filename": "x", "argv": {"items": ["x"], "truncated": True}}, ret=0),
            'execve("x", ["x", ...]) = 0',
        ),
        (
            call("mmap", {"addr": None, "prot": ["PROT_READ"]}, ret="0x7f00"),
            "mmap(NULL, PROT_READ) = 0x7f00",
        ),
        (
            call("newfstatat", {"dfd": 3, "filename": "", "statbuf": STAT, "flag": []}, ret=0),
            'newfstatat(3, "", {st_mode=S_IFREG|0644, st_size=1234, ...}, 0) = 0',
        ),
        (
            call(
                "writev", {"fd": 1, "vec": {"count": 2, "text": "ab", "size": 2}, "vlen": 2}, ret=2
            ),
            'writev(1, ["ab"], 2) = 2',
        ),
        (
            call(
                "writev",
                {
                    "fd": 1,
                    "vec": {"count": 2, "text": "\\xffä:", "size": 4, "lengths": [3, 1]},
                    "vlen": 2,
                },
                ret=4,
            ),
            (
                'writev(1, [{iov_base="\\377\\303\\244", iov_len=3}, '
                '{iov_base=":", iov_len=1}], 2) = 4'
            ),
        ),
        (
            call("recvmsg", {"fd": 3, "msg": MESSAGE, "flags": []}, ret=2),
            (
                "recvmsg(3, {msg_name={sa_family=AF_UNIX}, msg_namelen=110 => 2, "
                'msg_iov=[{iov_base="ab", iov_len=8}, {iov_base="", iov_len=9}], msg_iovlen=2, '
                "msg_controllen=0, msg_flags=MSG_TRUNC}, 0) = 2"
            ),
        ),
        (
            call(
                "sendmmsg",
                {"fd": 3, "mmsg": {"count": 9, "messages": [SENT], "truncated": True}, "vlen": 9},
                ret=9,
            ),
            (
                "sendmmsg(3, [{msg_hdr={msg_name=NULL, msg_namelen=0, "
                'msg_iov=[{iov_base="abc"..., iov_len=5}], msg_iovlen=1, msg_controllen=0, '
                "msg_flags=0}, msg_len=5}, ...], 9) = 9"
            ),
        ),
        (
            call("lseek", {"fd": 3, "offset": 0, "whence": "SEEK_SET"}, ret=0),
            "lseek(3, 0, SEEK_SET) = 0",
        ),
        (
            call("pipe2", {"fildes": [3, 4], "flags": ["O_CLOEXEC"]}, ret=0, rets=[3, 4]),
            "pipe2([3, 4], O_CLOEXEC) = 0",
        ),
        (call("pipe", {"fildes": "0x7f"}, ret=0, rets=[3, 4]), "pipe(0x7f) = 0 [3, 4]"),
        (
            call(
                "poll",
                {"ufds": [{"fd": 3, "events": ["POLLIN", "POLLOUT"], "revents": ["POLLIN"]}]},
                ret=1,
            ),
            "poll([{fd=3, events=POLLIN|POLLOUT}]) = 1 ([{fd=3, revents=POLLIN}])",
        ),
        (
            call(
                "sendmsg",
                {"msg": {"name": None, "text": "hi", "size": 9, "truncated": True, "flags": []}},
                ret=9,
            ),
            'sendmsg({name=NULL, text="hi"..., size=9, flags=0}) = 9',
        ),
        (call("close", {"fd": 3}, abi="i386", ret=0), "close(3) = 0 /* i386 */"),
        (call("exit_group", {"error_code": 0}, unfinished=True), "exit_group(0) = ?"),
        (
            SyscallEnter(**HEAD, syscall="close", nr=3, args={"fd": 3}),
            "close(3) <unfinished ...>",
        ),
        (
            events.SignalStop(
                **HEAD, signal="SIGCHLD", signo=17, sender_pid=50, sender_uid=0, code="CLD_EXITED"
            ),
            "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=50, si_uid=0} ---",
        ),
        (
            events.SignalStop(**HEAD, signal="SIGSEGV", signo=11, code="SEGV_MAPERR", addr="0x0"),
            "--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---",
        ),
        (events.GroupStop(**HEAD, signal="SIGSTOP", signo=19), "--- stopped by SIGSTOP ---"),
        (events.Resumed(**HEAD), "--- resumed by SIGCONT ---"),
        (events.NewChild(**HEAD, child=60, kind="vfork"), "+++ new process 60 (vfork) +++"),
        (
            events.NewChild(**HEAD, child=61, kind="clone", thread=True),
            "+++ new thread 61 (clone) +++",
        ),
        (
            Exec(**HEAD, path="/bin/ls", argv=["ls", "-l"]),
            '+++ executed "/bin/ls", ["ls", "-l"] +++',
        ),
        (
            Exec(**HEAD, path="/x", argv=["x"], envp=["A=1"], former_tid=70, truncated=True),
            '+++ executed "/x", ["x", ...], ["A=1"] by thread 70 +++',
        ),
        (Exec(**HEAD, path="/x", redacted=True), '+++ executed "/x", [(redacted)] +++'),
        (Exit(**HEAD, code=3), "+++ exited with 3 +++"),
        (events.SignalExit(**HEAD, signal="SIGKILL", signo=9), "+++ killed by SIGKILL +++"),
        (
            events.SignalExit(**HEAD, signal="SIGABRT", signo=6, core_dumped=True),
            "+++ killed by SIGABRT (core dumped) +++",
        ),
        (
            events.Attached(
                **HEAD,
                why="snapshot",
                threads=[44],
                exe="/a",
                cwd="/",
                argv=["a", "b c"],
                descriptors=[events.OpenDescriptor(fd=3, path="/x\ny", kind="file")],
                truncated=True,
            ),
            '+++ there already (1 thread, "/a", ["a", "b c"], in "/", 3</x\\ny>, ...) +++',
        ),
        (events.Attached(**HEAD, threads=[44]), "+++ attached (1 thread) +++"),
        (
            events.Attached(**HEAD, why="fork", threads=[44, 45], exe="/bin/a"),
            '+++ attached by fork (2 threads, "/bin/a") +++',
        ),
        (events.Detached(**HEAD), "+++ detached +++"),
        (events.Detached(**HEAD, why="shutdown"), "+++ detached (shutdown) +++"),
        (events.Blind(**HEAD, what="io_uring"), "+++ blind: io_uring +++"),
        (events.Blind(**HEAD, what="child", detail="9"), "+++ blind: child (9) +++"),
    ],
)
def test_lines(event, expected):
    assert one_space(text(event)) == f"[pid    44] {expected}"


INET = {"family": "AF_INET", "addr": "10.0.0.2", "port": 5}
DESCRIPTORS = {
    "/dev/null<char 1:3>": ("/dev/null", {"kind": "char", "rdev": "1:3"}),
    "pid:77": ("anon_inode:[pidfd]", {"kind": "pidfd", "pid": 77}),
    "/etc/passwd": ("/etc/passwd", {"kind": "file", "path": "/etc/passwd", "ino": 3}),
    "TCP:[10.0.0.2:5]": ("socket:[9]", {"kind": "socket", "protocol": "TCP", "local": INET}),
    "TCP:[10.0.0.2:5->10.0.0.2:6]": (
        "socket:[9]",
        {"kind": "socket", "protocol": "TCP", "local": INET, "peer": {**INET, "port": 6}},
    ),
    "TCPv6:[?->[::1]:6]": (
        "socket:[9]",
        {
            "kind": "socket",
            "protocol": "TCPv6",
            "family": "AF_INET6",
            "peer": {"family": "AF_INET6", "addr": "::1", "port": 6},
        },
    ),
    "TCP:[9]": ("socket:[9]", {"kind": "socket", "protocol": "TCP"}),
    'UNIX:[9,"/run/s"]': (
        "socket:[9]",
        {
            "kind": "socket",
            "protocol": "UNIX",
            "family": "AF_UNIX",
            "local": {"family": "AF_UNIX", "path": "/run/s"},
        },
    ),
    'UNIX:[9->@"s"]': (
        "socket:[9]",
        {
            "kind": "socket",
            "protocol": "UNIX",
            "family": "AF_UNIX",
            "peer": {"family": "AF_UNIX", "path": "@s", "abstract": True},
        },
    ),
    "NETLINK:[9,pid=7,groups=0x0]": (
        "socket:[9]",
        {
            "kind": "socket",
            "protocol": "NETLINK",
            "family": "AF_NETLINK",
            "local": {"family": "AF_NETLINK", "pid": 7, "groups": "0x0"},
        },
    ),
    "socket:[9]": ("socket:[9]", {"kind": "socket"}),
}


@pytest.mark.parametrize("shown", DESCRIPTORS)
def test_descriptors_in_detail(shown):
    path, fields = DESCRIPTORS[shown]
    fields = {"ino": 9, "family": "AF_INET", **fields} if fields["kind"] == "socket" else fields
    info = events.FdInfo(**fields)
    event = call(
        "dup", {"fildes": 3}, fds={"fildes": path}, fd_info={"fildes": info}, ret=4, ret_path=path,
        ret_info=info,
    )  # fmt: skip
    assert one_space(text(event)).endswith(f" dup(3<{shown}>) = 4<{shown}>")


def test_what_belongs_to_the_stream_names_no_process():
    nobody = {"seq": 20, "time_ns": 0, "pid": 0, "tid": 0}
    lost = events.Lost(**nobody, count=12, first=5, last=17)
    odd = events.Lost(**nobody, count=1, first=5, last=5, why="odd")
    gone = events.Lost(**nobody, count=0, first=5, last=9, why="unwatched")
    beat = events.Heartbeat(**nobody, matched=4, delivered=1, queued=2, lost=1)

    assert text(lost) == "+++ lost 12 events (seq 5..17): slow reader +++"
    assert text(odd) == "+++ lost 1 events (seq 5..5): odd +++"
    assert text(gone) == (
        "+++ lost an unknown number of events (seq 5..9): if any, nobody asked for them then +++"
    )
    assert text(beat) == "+++ heartbeat: 4 matched, 1 delivered, 2 queued, 1 lost +++"
    assert text(events.Synced(**nobody)) == "+++ all up to seq 20 has been sent +++"


def test_every_type_has_its_words():
    told = {kind for kind in events.EVENT_TYPES.values() if kind not in lines._WORDS}

    assert told == {SyscallEnter, SyscallExit}


def test_results_stand_in_a_column():
    short = text(call("close", {"fd": 3}, ret=0))
    long = text(call("close", {"fd": "x" * 80}, ret=0))

    assert short.index("=") == RESULT_COLUMN
    assert long.endswith(") = 0")


def test_the_column_does_not_move_with_colours():
    event = call("openat", OPEN, ret=3)

    coloured = text(event, ink=Ink(coloured=True))

    assert "\x1b[" in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == text(event)


def test_failures_are_red():
    assert "\x1b[31m= -1 ENOENT" in text(
        call("close", ret=-1, errno="ENOENT"), ink=Ink(coloured=True)
    )


def test_times_durations_and_names(monkeypatch):
    event = msgspec.structs.replace(
        call("close", {"fd": 3}, ret=0, duration_ns=123_456), time_ns=3_661_000_042_999
    )
    monkeypatch.setenv("TZ", "UTC")
    lines.time.tzset()

    assert text(event, times=True).startswith("01:01:01.000042 [pid    44] close")
    assert text(event, durations=True).endswith("= 0 <0.000123>")
    assert text(event, comms=True).startswith("[ls    44] close")


def test_times_that_no_calendar_has():
    assert "[pid" in text(msgspec.structs.replace(call("close"), time_ns=2**90), times=True)


def test_structures_are_shown_whole_on_request():
    event = call("newfstatat", {"statbuf": STAT}, ret=0)

    whole = (
        "{st_dev=makedev(0x8, 0x1), st_ino=9, st_mode=S_IFREG|0644, st_nlink=1, st_blocks=8, "
        "st_size=1234}"
    )
    assert whole in text(event, whole=True)


def test_calls_that_the_table_does_not_know():
    event = call("novel", {"a": "X_Y", "b": "text", "fd": 3, "n": 1.5}, fds={"fd": "/x"}, ret=0)

    assert one_space(text(event)) == '[pid    44] novel(X_Y, "text", 3</x>, 1.5) = 0'


# ---- Nothing that a tracee says can forge a line or reach the terminal. ----

hostile = st.text(max_size=20) | st.sampled_from(["\n", "\x1b]0;owned\x07", "+++ exited", "\x9b2J"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | hostile,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            hostile | st.sampled_from(["text", "ptr", "items", "mode", "truncated", "count"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
KIND_NAMES = sorted({*KINDS, "novel", ""})


fd_infos = st.builds(
    events.FdInfo,
    kind=hostile | st.sampled_from(["socket", "char", "pidfd"]),
    path=st.none() | hostile,
    ino=st.none() | st.integers(),
    rdev=st.none() | hostile,
    pid=st.none() | st.integers(),
    family=st.none() | hostile | st.just("AF_INET"),
    protocol=st.none() | hostile,
    local=st.none() | st.dictionaries(hostile | st.sampled_from(["path", "port", "addr"]), values),
    peer=st.none() | st.dictionaries(hostile | st.sampled_from(["path", "port", "addr"]), values),
)


def arbitrary(kind):
    """Any event of a type, with hostile text in every place that holds text."""
    shapes = {
        "int": st.integers(),
        "bool": st.booleans(),
        "str": hostile,
        "list[int]": st.lists(st.integers(), max_size=3),
        "list[str]": st.lists(hostile, max_size=3),
        "dict[str, Any]": st.dictionaries(hostile, values, max_size=4),
        "dict[str, str]": st.dictionaries(hostile, hostile, max_size=3),
        "list[FileAccess]": st.just([]),
        "list[OpenDescriptor]": st.lists(
            st.builds(events.OpenDescriptor, fd=st.integers(), path=hostile, kind=hostile),
            max_size=2,
        ),
        "FdInfo": fd_infos,
        "dict[str, FdInfo]": st.dictionaries(hostile, fd_infos, max_size=3),
        "int | str | None": st.none() | st.integers() | hostile,
    }
    fields = {}
    for name, annotation in _annotations(kind).items():
        base = annotation.removesuffix(" | None")
        strategy = shapes[annotation if annotation in shapes else base]
        fields[name] = strategy | st.none() if annotation != base else strategy
    return st.builds(kind, **fields)


def _annotations(kind):
    found = {}
    for each in reversed(kind.__mro__):
        found |= {
            k: v
            for k, v in getattr(each, "__annotations__", {}).items()
            if k in kind.__struct_fields__
        }
    return found


@settings(max_examples=300, deadline=None)
@given(
    st.one_of([arbitrary(kind) for kind in events.EVENT_TYPES.values()]),
    st.dictionaries(hostile, st.sampled_from(KIND_NAMES), max_size=4),
    st.booleans(),
)
def test_any_event_is_one_harmless_line(event, kinds, whole):
    table = {getattr(event, "syscall", ""): kinds}
    plain = Renderer(kinds=table, times=True, durations=True, comms=True, whole=whole)

    assert plain.line(event).isprintable()
    painted = Renderer(kinds=table, ink=Ink(coloured=True), whole=whole).line(event)
    assert re.sub("\x1b\\[[0-9;]*m", "", painted).isprintable()


PARTICULAR = sorted({*FORMS, *LAYOUTS, *REMARKS, *RETURNS})
ARGUMENTS = sorted({name for forms in FORMS.values() for name in forms} | {
    "clone_flags", "newsp", "parent_tidptr", "tls", "child_tidptr", "uargs", "mode", "dev", "pos_h",
    "ufds", "inp", "outp", "exp", "tsp", "tvp", "cmd", "fd", "uinfo",
})  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(PARTICULAR),
    st.dictionaries(st.sampled_from(ARGUMENTS), values, max_size=5),
    st.dictionaries(st.sampled_from(ARGUMENTS), hostile, max_size=2),
    st.none() | st.integers(-5, 5) | st.integers() | hostile,
    st.lists(hostile, max_size=2),
    st.booleans(),
)
def test_what_is_particular_to_a_call_takes_anything_too(syscall, args, fds, ret, names, whole):
    table = {syscall: dict(zip(args, KIND_NAMES, strict=False))}
    event = call(syscall, args, fds=fds, ret=ret, ret_names=names)

    for log in (False, True):
        assert Renderer(kinds=table, whole=whole, limit=5, log=log).line(event).isprintable()


def test_errno_texts_are_the_systems():
    assert f"({os.strerror(2)})" in text(call("close", ret=-1, errno="ENOENT"))


def test_what_was_not_asked_for_is_shown_as_left_out():
    read = events.FileAccess(path="/etc/a\nb", op="read")
    assert one_space(text(call("openat", ret=3))) == "[pid    44] openat(...) = 3"
    assert one_space(text(call("openat", ret=3, files=[read]))) == (
        '[pid    44] openat(..., read "/etc/a\\nb") = 3'
    )
    assert one_space(text(call("getppid", ret=3))) == "[pid    44] getppid() = 3"
    entered = SyscallEnter(**HEAD, syscall="openat", nr=257)
    assert text(entered) == "[pid    44] openat(...) <unfinished ...>"
