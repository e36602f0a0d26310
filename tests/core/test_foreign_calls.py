"""32-bit calls: of 32-bit programs, and of a 64-bit program by int 0x80."""

import os
import re
import resource
import stat
import subprocess
from collections import defaultdict

import beside
import pytest
from build import command
from real import Tracing

from tracerd.protocol.events import Blind, Exec, SyscallEnter, SyscallExit
from tracerd.protocol.filters import Interest

FAR = 2**32 + 5
MASKED = re.compile(r"0x[0-9a-f]{5,}$")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The directory the programs work in; they leave it as it was."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def events(work, tmp_path_factory):
    """All that abi_calls32 does, which lives as it does without us."""
    running = Tracing()
    try:
        running.interest()
        where = tmp_path_factory.mktemp("lives")
        life = beside.same(running, where, "abi_calls32", work, "/bin/true")
    finally:
        running.stop()
    assert life == beside.Life(0, "done\n")
    assert running.tracer.statistics.anomalies == 0
    return running.events


@pytest.fixture(scope="module")
def calls(events, work):
    """Its calls, in order of return, from its own first one on."""
    found = [event for event in events if isinstance(event, SyscallExit)]
    start = next(n for n, call in enumerate(found) if call.args.get("filename") == str(work))
    return found[start:]


def the(calls, name, nth=0, **args):
    """Return the nth call of that name and those arguments."""
    return [
        call
        for call in calls
        if call.syscall == name and all(call.args.get(n) == value for n, value in args.items())
    ][nth]


@pytest.mark.ptrace_case(37)
def test_every_call_has_its_name_and_the_abi(events):
    found = [event for event in events if isinstance(event, SyscallExit)]
    assert not [call.nr for call in found if call.syscall.startswith("syscall_")]
    narrow = [call for call in found if call.abi == "i386"]
    assert len(narrow) > 100
    assert {call.abi for call in found} == {"x86_64", "i386"}  # it ends as /bin/true


WAITED_OUT = {"sec": 0, "nsec": 5, "left": {"sec": 0, "nsec": 0}}
TIMER = {"interval": {"sec": 1, "nsec": 2}, "value": {"sec": 3000, "nsec": 4}}
QUEUE = {"flags": ["O_RDONLY"], "maxmsg": 3, "msgsize": 64, "curmsgs": 0}
TOLD = [
    ("open", {"flags": ["O_RDWR", "O_CREAT", "O_EXCL"], "mode": "0640"}),
    ("openat", {"dfd": "AT_FDCWD", "filename": "two", "flags": ["O_WRONLY", "O_CREAT"]}),
    ("chown32", {"filename": "one", "user": -1, "group": -1}),
    ("lchown", {"filename": "one", "user": -1, "group": -1}),
    ("writev", {"vec": {"count": 2, "text": "abcdefg", "size": 7, "lengths": [3, 4]}, "vlen": 2}),
    ("readv", {"vec": {"count": 2, "text": "abcdefg", "size": 7, "lengths": [3, 4]}, "vlen": 2}),
    ("pwrite64", {"buf": {"text": "far", "size": 3}, "count": 3, "pos": FAR}),
    ("pread64", {"buf": {"text": "far", "size": 3}, "count": 3, "pos": FAR}),
    ("_llseek", {"offset": FAR, "result": [FAR], "whence": "SEEK_SET"}),
    ("fcntl64", {"cmd": "F_OFD_SETLK", "arg": {"type": "F_WRLCK", "whence": "SEEK_SET",
                                               "start": FAR, "len": 7}}),
    ("fallocate", {"mode": ["FALLOC_FL_KEEP_SIZE"], "offset": FAR, "len": 4096}),
    ("fadvise64_64", {"offset": FAR, "len": FAR, "advice": "POSIX_FADV_NORMAL"}),
    ("ftruncate64", {"length": FAR}),
    ("truncate64", {"path": "one", "length": 9}),
    ("lseek", {"offset": -2, "whence": "SEEK_END"}),
    ("mmap2", {"addr": None, "len": 4096, "prot": ["PROT_READ"], "flags": ["MAP_PRIVATE"],
               "pgoff": 0}),
    ("mmap", {"addr": None, "len": 4096, "prot": ["PROT_READ", "PROT_WRITE"],
              "flags": ["MAP_SHARED"], "off": 0}),
    ("setsockopt", {"level": "SOL_SOCKET", "optname": "SO_RCVTIMEO",
                    "optval": {"sec": 3, "usec": 0}, "optlen": 8}),
    ("sigaction", {"sig": "SIGUSR1", "act": {"handler": "SIG_IGN", "mask": ["SIGHUP"],
                                             "flags": ["SA_RESTART"], "restorer": "0x0"}}),
    ("rt_sigaction", {"sig": "SIGUSR2", "act": {"handler": "SIG_DFL", "mask": ["SIGTERM"],
                                                "flags": ["SA_RESTART"], "restorer": "0x0"}}),
    ("sigprocmask", {"how": "SIG_BLOCK", "nset": ["SIGUSR1"], "oset": []}),
    ("rt_sigprocmask", {"how": "SIG_BLOCK", "nset": ["SIGUSR2"]}),
    ("nanosleep", {"rqtp": {"sec": 0, "nsec": 1000}}),
    ("utimensat_time64", {"utimes": [{"sec": 5_000_000_000, "nsec": 7}, "UTIME_OMIT"]}),
    ("select", {"outp": None, "exp": None}),
    ("futex", {"op": ["FUTEX_WAKE"], "val": 1}),
    ("futex_time64", {"op": ["FUTEX_WAKE"], "val": 1}),
    ("setfsuid", {"uid": -1}),
    ("waitpid", {"stat_addr": {"exited": 7}, "options": []}),
    ("execve", {"filename": "/bin/true", "argv": ["/bin/true", "some", "words"]}),
    ("ipc", {"call": "SEMGET", "key": "IPC_PRIVATE", "nsems": 1}),
    ("ipc", {"call": "SEMCTL", "semnum": 0, "cmd": "IPC_RMID|IPC_64"}),
    ("ipc", {"call": "SHMDT"}),
    ("statfs", {"pathname": "."}),
    ("fcntl64", {"cmd": "F_SETLK", "arg": {"type": "F_WRLCK", "whence": "SEEK_SET", "start": 3,
                                           "len": 4}}),
    ("fcntl64", {"cmd": "F_SETLK64", "arg": {"type": "F_UNLCK", "whence": "SEEK_SET", "start": 3,
                                             "len": FAR}}),
    ("sendfile", {"offset": [4, 7], "count": 3}),
    ("sendfile64", {"offset": [1, 3], "count": 2}),
    ("readahead", {"offset": FAR, "count": 10}),
    ("sync_file_range", {"offset": FAR, "nbytes": FAR, "flags": ["SYNC_FILE_RANGE_WRITE"]}),
    ("fadvise64", {"offset": FAR, "len": 10, "advice": "POSIX_FADV_NORMAL"}),
    ("timer_create", {"timer_event_spec": {"notify": "SIGEV_SIGNAL", "signo": "SIGUSR1",
                                           "value": "0x77"}}),
    ("timer_settime", {"new_setting": TIMER, "old_setting": None}),
    ("timer_settime64", {"new_setting": TIMER, "old_setting": None}),
    ("mq_open", {"u_name": "tracerd-abi", "u_attr": QUEUE}),
    ("mq_getsetattr", {"u_mqstat": None, "u_omqstat": QUEUE}),
    ("pselect6", {"tsp": WAITED_OUT, "sig": ["SIGTERM"]}),
    ("ppoll", {"sigmask": ["SIGTERM"], "sigsetsize": 8}),
    ("ppoll_time64", {"tsp": WAITED_OUT, "sigmask": ["SIGTERM"]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args"), TOLD, ids=lambda value: str(value)[:30])
def test_arguments_are_told(calls, name, args):
    assert the(calls, name, **args).errno is None


SOCKETCALLS = [
    {"call": "SYS_SOCKET", "family": "AF_UNIX", "type": ["SOCK_STREAM"], "protocol": 0},
    {"call": "SYS_BIND", "umyaddr": {"family": "AF_UNIX", "path": "socket"}, "addrlen": 110},
    {"call": "SYS_LISTEN", "backlog": 5},
    {"call": "SYS_CONNECT", "uservaddr": {"family": "AF_UNIX", "path": "socket"}},
    {"call": "SYS_ACCEPT", "upeer_sockaddr": None, "upeer_addrlen": None},
    {"call": "SYS_CONNECT", "uservaddr": {"family": "AF_INET", "addr": "127.0.0.1", "port": 9}},
    {"call": "SYS_SENDTO", "buff": {"text": "xyz", "size": 3}, "len": 3, "addr": None},
    {"call": "SYS_RECV", "ubuf": {"text": "hello", "size": 5}, "flags": ["MSG_PEEK"]},
]


@pytest.mark.parametrize("args", SOCKETCALLS, ids=lambda args: args["call"])
def test_socketcall_is_told_as_what_it_stands_for(calls, args):
    assert the(calls, "socketcall", **args).errno is None


def test_a_socketcall_that_stands_for_nothing_is_told_as_it_is(calls):
    unknown = the(calls, "socketcall", call=77)
    assert (unknown.errno, sorted(unknown.args)) == ("EINVAL", ["args", "call"])
    unread = the(calls, "socketcall", args="0x8")
    assert (unread.errno, unread.args["call"]) == ("EFAULT", "SYS_CONNECT")


@pytest.mark.parametrize("name", ["stat64", "stat", "lstat64", "fstat64", "fstatat64"])
def test_stat(calls, name):
    found = the(calls, name).args["statbuf"]
    assert found["uid"] == os.getuid()
    assert found["nlink"] >= 1
    assert found["size"] in (0, 4096)
    assert stat.S_IMODE(int(found["mode"], 8)) in (0o640, 0o700, 0o600)
    assert abs(found["mtime"]["sec"] - the(calls, name).time_ns // 10**9) <= 2


def test_stat_as_it_was_at_first(calls):
    found = the(calls, "oldstat").args["statbuf"]
    null = os.stat("/dev/null")
    assert (found["ino"], found["rdev"], found["mode"]) == (null.st_ino, "1:3", "020666")
    assert found["mtime"]["sec"] == int(null.st_mtime)


def test_file_systems(calls, work):
    truth = os.statvfs(work)
    for name in ("statfs", "statfs64"):
        found = the(calls, name).args["buf"]
        for field in ("bsize", "blocks", "files", "frsize"):
            assert found[field] == getattr(truth, f"f_{field}")
        assert found["namelen"] == truth.f_namemax


def test_directories(calls):
    for name in ("getdents", "getdents64"):
        found = the(calls, name).args["dirent"]
        assert found["entries"] == 5
        assert sorted(found["names"]) == [".", "..", "one", "socket", "two"]


def test_limits_users_and_use(calls):
    number = resource.getrlimit(resource.RLIMIT_NOFILE)
    for name, arg in (("ugetrlimit", "rlim"), ("prlimit64", "old_rlim")):
        limit = the(calls, name, resource="RLIMIT_NOFILE").args[arg]
        assert (limit["cur"], limit["max"]) == number
    for name in ("getresuid", "getresuid32"):
        assert list(the(calls, name).args.values()) == [[os.getuid()]] * 3
    used = the(calls, "getrusage").args["ru"]
    assert 0 < used["maxrss"] < 1_000_000
    assert used["utime"]["usec"] < 1_000_000


def test_names_of_the_system(calls):
    for name in ("uname", "olduname"):
        told = the(calls, name).args["name"]
        assert (told["sysname"], told["release"]) == ("Linux", os.uname().release)
    assert "domainname" not in told


def test_how_a_child_ended(calls):
    found = the(calls, "waitid").args
    assert found["infop"]["status"] == 8
    assert (found["infop"]["code"], found["infop"]["pid"]) == ("CLD_EXITED", found["upid"])


def test_descriptors_of_what_a_call_stands_for(calls, work):
    made = the(calls, "socketcall", call="SYS_SOCKET")
    assert made.ret_path.startswith("socket:[")
    assert the(calls, "socketcall", call="SYS_BIND").fds == {"fd": made.ret_path}
    assert the(calls, "mmap").fds == {"fd": f"{work}/one"}


def test_messages(calls):
    sent, got = the(calls, "sendmsg").args["msg"], the(calls, "recvmsg").args["msg"]
    assert (sent["text"], sent["iovlen"], got["text"]) == ("hello", 2, "hello")
    (rights,), (received,) = sent["control"], got["control"]
    assert (rights["type"], received["type"]) == ("SCM_RIGHTS", "SCM_RIGHTS")
    pair = the(calls, "socketpair")
    assert rights["fds"] == pair.args["usockvec"][:1] == pair.rets[:1]
    many = the(calls, "sendmmsg").args["mmsg"]
    assert [each["text"] for each in many["messages"]][:1] == ["hel"]
    assert the(calls, "recvmmsg").args["mmsg"]["messages"][0]["text"] == "hel"


def test_descriptors_waited_for(calls):
    reading, writing = the(calls, "pipe").args["fildes"]
    assert the(calls, "select").args["inp"] == {"asked": [reading], "ready": []}
    assert the(calls, "_newselect").args["outp"] == {"asked": [writing], "ready": [writing]}


def test_results(calls):
    assert the(calls, "stat64", filename="none").errno == "ENOENT"
    assert the(calls, "lseek").ret == 7
    for name in ("mmap", "mmap2"):
        assert re.fullmatch("0x[0-9a-f]{8}", the(calls, name).ret)
    assert the(calls, "exit_group").unfinished
    assert the(calls, "clone3").ret == the(calls, "gettid").ret == the(calls, "gettid").tid


FILES = [
    ("open", {"filename": "one"}, [("one", "create"), ("one", "read"), ("one", "write")]),
    ("openat", {"filename": "two"}, [("two", "create"), ("two", "write")]),
    ("mkdir", {}, [("dir", "create")]),
    ("rename", {}, [("two", "rename-from"), ("dir/three", "rename-to")]),
    ("stat64", {"filename": "one"}, [("one", "stat")]),
    ("stat64", {"filename": "none"}, [("none", "stat")]),
    ("lstat64", {}, [("dir", "stat")]),
    ("fstat64", {}, [("one", "stat")]),
    ("fstatat64", {}, [("dir/three", "stat")]),
    ("chown32", {}, [("one", "attr")]),
    ("unlink", {}, [("dir/three", "delete")]),
    ("rmdir", {}, [("dir", "delete")]),
    ("umount", {}, [("nowhere", "mount")]),
    ("writev", {}, [("one", "write")]),
    ("readv", {}, [("one", "read")]),
    ("pwrite64", {}, [("one", "write")]),
    ("pread64", {}, [("one", "read")]),
    ("fallocate", {}, [("one", "write")]),
    ("ftruncate64", {}, [("one", "truncate")]),
    ("truncate64", {}, [("one", "truncate")]),
    ("mmap2", {"len": 4096}, [("one", "map")]),
    ("mmap", {}, [("one", "map"), ("one", "write")]),
    ("utimensat_time64", {}, [("one", "attr")]),
]


@pytest.mark.parametrize(("name", "args", "files"), FILES, ids=lambda value: str(value)[:30])
def test_files(calls, work, name, args, files):
    found = [(access.path, access.op) for access in the(calls, name, **args).files]
    assert found == [(f"{work}/{path}", op) for path, op in files]


def test_sockets_with_a_path_are_files(calls, work):
    for call, op in (("SYS_BIND", "bind"), ("SYS_CONNECT", "connect")):
        (access,) = the(calls, "socketcall", call=call).files
        assert (access.path, access.raw, access.op) == (f"{work}/socket", "socket", op)
    assert the(calls, "connect").files[0].op == "connect"
    assert the(calls, "socketcall", uservaddr={"family": "AF_INET", "addr": "127.0.0.1",
                                               "port": 9}).files == []  # fmt: skip


def test_nothing_is_called_invisible(events):
    assert [event.what for event in events if isinstance(event, Blind)] == []


# --- beside strace ----------------------------------------------------------------------------


def by_strace(where, *argv):
    """Return (name, result) of the calls of each task, tasks in order of appearance."""
    out = where / "strace.txt"
    with (where / "said").open("wb") as said:  # as beside.py has it
        traced = ["strace", "-f", "-o", out, *argv]
        subprocess.run(traced, check=True, timeout=60, stdin=subprocess.DEVNULL, stdout=said)
    tasks, started = defaultdict(list), {}
    for line in out.read_text().splitlines():
        tid, rest = line.split(maxsplit=1)
        if rest.startswith(("+++", "---", "[ Process")):
            continue
        if back := re.match(r"<\.\.\. (\w+) resumed>", rest):
            name = started.pop(tid)
            assert name == back[1]
        else:
            name = re.match(r"\w+", rest)[0]
            if rest.endswith("<unfinished ...>"):
                started[tid] = name
                continue
        result = rest.rpartition(" = ")[2].split()
        tasks[tid].append((name, result[1] if result[0] == "-1" else result[0]))
    return list(tasks.values())


def by_tracerd(events):
    tasks = defaultdict(list)
    for call in events:
        if isinstance(call, SyscallExit):
            name = call.syscall
            if name in ("socketcall", "ipc") and "args" not in call.args:
                name = call.args["call"].removeprefix("SYS_").lower()
            result = "?" if call.unfinished else call.errno or str(call.ret)
            tasks[call.tid].append((name, result))
    return list(tasks.values())


IDS = {"fork", "waitpid", "clone3", "gettid", "semget", "shmget", "shmat", "set_tid_address",
       "socket", "accept", "open", "mq_open"}  # fmt: skip
"""Calls whose result differs from run to run, or by how many descriptors were open before."""


def masked(tasks):
    """Leave out what differs from run to run: addresses and ids."""

    def result(name, value):
        if name in IDS and not value.startswith("E"):
            return "id"
        return "address" if MASKED.match(value) else value

    return [[(name, result(name, value)) for name, value in task] for task in tasks]


def test_names_order_and_results_are_those_of_strace(events, work, tmp_path):
    theirs = masked(by_strace(tmp_path, *command("abi_calls32", work, "/bin/true")))
    ours = masked(by_tracerd(events))
    assert len(ours) == len(theirs) == 4
    # The allocator asks for room, and a thread is waited for, as chance has it.
    drop = {"brk", "mprotect", "futex"}
    for one, other in zip(ours, theirs, strict=True):
        assert [call for call in one if call[0] not in drop] == [
            call for call in other if call[0] not in drop
        ]


# --- int 0x80, x32, exec ----------------------------------------------------------------------


@pytest.mark.ptrace_case(37, 38)
def test_int_0x80_in_a_64_bit_program(tracing, tmp_path):
    """Only the low halves of its words count, whatever is above."""
    work = tmp_path / "work"
    work.mkdir()
    beside.same(tracing, tmp_path, "abi_int80", work)
    found = tracing.of(SyscallExit)
    narrow = [call for call in found if call.abi == "i386"]
    assert [(call.syscall, call.nr, call.errno or call.ret) for call in narrow] == [
        ("open", 5, 3),
        ("writev", 146, 6),
        ("pread64", 180, 3),
        ("stat64", 195, 0),
        ("rename", 38, 0),
        ("openat", 295, "ENOENT"),
        ("unlink", 10, 0),
        ("syscall_0xfb", 251, "ENOSYS"),
    ]
    opened, written, read, asked, renamed, missing, gone, unknown = narrow
    assert opened.args == {"filename": "file", "flags": ["O_RDWR", "O_CREAT"], "mode": "0600"}
    assert opened.files[0].path == f"{work}/file"
    assert written.args["vec"] == {"count": 2, "text": "textte", "size": 6, "lengths": [4, 2]}
    assert written.fds == {"fd": f"{work}/file"}
    assert (read.args["pos"], read.args["buf"]["text"]) == (2, "xtt")
    assert asked.args["statbuf"]["size"] == 10
    assert [a.path for a in renamed.files] == [f"{work}/file", f"{work}/other"]
    assert missing.args == {"dfd": "AT_FDCWD", "filename": "file", "flags": ["O_RDONLY"]}
    assert [(a.path, a.op) for a in gone.files] == [(f"{work}/other", "delete")]
    assert list(unknown.args.values())[:5] == ["0x1", "0x2", "0x3", "0x4", "0x5"]
    # The program's own calls between them are of its own kind.
    own = [call for call in found if call.syscall == "write" and call.args["fd"] == 3]
    assert [call.abi for call in own] == ["x86_64"]


@pytest.mark.ptrace_case(37)
def test_a_call_of_x32_has_a_number_for_a_name(tracing, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    beside.same(tracing, tmp_path, "abi_int80", work)
    (call,) = [call for call in tracing.of(SyscallExit) if call.nr == 0x40000027]
    assert (call.syscall, call.abi, call.errno) == ("syscall_0x40000027", "x86_64", "ENOSYS")


@pytest.mark.ptrace_case(37)
def test_a_number_that_is_in_no_table_can_be_asked_for(quiet_tracing, tmp_path):
    tracing = quiet_tracing
    names = frozenset({"syscall_0xfb", "syscall_0x40000027"})
    tracing.interest(Interest(types=frozenset({"syscall_exit"}), exit=names, string_limit=32))
    assert tracing.run(*command("abi_int80", tmp_path)) == 0
    found = [(call.syscall, call.abi, call.errno) for call in tracing.of(SyscallExit)]
    assert sorted(found) == [
        ("syscall_0x40000027", "x86_64", "ENOSYS"),
        ("syscall_0xfb", "i386", "ENOSYS"),
    ]


@pytest.mark.ptrace_case(29)
def test_exec_changes_the_abi_and_back(tracing, tmp_path):
    (wide,), (narrow,) = command("abi_hop"), command("abi_hop32")
    life = beside.same(tracing, tmp_path, "abi_hop", narrow, wide, narrow, "gone")
    assert life.code == 99
    assert life.said.startswith("64\n32\n64\n32\n")
    execs = [event.path for event in tracing.of(Exec)]
    assert execs == [wide, narrow, wide, narrow]
    found = [
        (call.syscall, call.abi, call.errno)
        for call in tracing.of(SyscallExit)
        if call.syscall == "execve" or call.args.get("filename") == "mark"
    ]
    hop = [("execve", "x86_64", None), ("openat", "x86_64", "ENOENT"),
           ("execve", "x86_64", None), ("openat", "i386", "ENOENT")]  # fmt: skip
    back = [("execve", "i386", None), *hop[1:], ("execve", "i386", "ENOENT")]
    assert found == hop + back
    gone = [call for call in tracing.of(SyscallExit) if call.errno == "ENOENT"][-1]
    assert gone.args["argv"] == ["gone"]


@pytest.mark.ptrace_case(37)
def test_filters_by_name_match_32_bit_calls(quiet_tracing, work):
    """Names that both have, and one that only 32-bit programs have; before and after."""
    tracing = quiet_tracing
    names = frozenset({"stat64", "rename", "execve"})
    types = frozenset({"syscall_enter", "syscall_exit"})
    tracing.interest(Interest(types=types, enter=names, exit=names, string_limit=32))
    assert tracing.run(*command("abi_calls32", work)) == 3
    told = [("rename", "i386"), ("stat64", "i386"), ("stat64", "i386")]
    entered = [(call.syscall, call.abi) for call in tracing.of(SyscallEnter)]
    returned = [(call.syscall, call.abi) for call in tracing.of(SyscallExit)]
    assert entered == told
    assert returned == [("execve", "x86_64"), *told]  # the first was entered out of sight
