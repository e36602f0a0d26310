"""Values whose kind decides how they read; strace's words for each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.ctl.text.calls import FORMS
from tracerd.ctl.text.kinds import KINDS
from tracerd.ctl.text.look import Look
from tracerd.ctl.text.values import bytes_of, first
from tracerd.protocol.text import shown

TIME = {"sec": 1, "nsec": 500}
STAT = {
    "dev": "8:1", "ino": 9, "mode": "0104755", "nlink": 1, "uid": 0, "gid": 5, "size": 1234,
    "blksize": 4096, "blocks": 8, "atime": TIME, "mtime": {"sec": 0, "nsec": 0}, "ctime": TIME,
}  # fmt: skip


def argument(kind, value, **look):
    return KINDS[kind](value, Look(**look))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("any", ["O_RDONLY", "O_APPEND"], "O_RDONLY|O_APPEND"),
        ("any", [1, 2], "[1, 2]"),
        ("any", [], "0"),
        ("any", {"row": 24, "col": 80}, "{row=24, col=80}"),
        (
            "any",
            {"type": "F_WRLCK", "whence": "SEEK_SET", "start": 0, "len": 10},
            "{l_type=F_WRLCK, l_whence=SEEK_SET, l_start=0, l_len=10}",
        ),
        ("buffer", {"text": "ä\\xff\x017", "size": 5}, r'"\303\244\377\0017"'),
        ("buffer", {"text": "\\x1b", "size": 4}, r'"\\x1b"'),
        ("clone_args", {"flags": [], "stack_size": 4096}, "{flags=0, stack_size=0x1000}"),
        ("cpus", [0, 1], "[0 1]"),
        ("dev", "1:3", "makedev(0x1, 0x3)"),
        ("dirents", {"entries": 2, "names": ["README", "a\nb"]}, "/* 2 entries */"),
        ("epoll_event", {"events": ["EPOLLIN"], "data": "0x100000005"},
         "{events=EPOLLIN, data={u32=5, u64=4294967301}}"),
        ("fd_set", {"asked": [3, 5], "ready": [5]}, "[3 5]"),
        ("file_times", [TIME, "UTIME_NOW"],
         "[{tv_sec=1, tv_nsec=500} /* 1970-01-01T00:00:01.000000500+0000 */, UTIME_NOW]"),
        ("flags", ["O_RDWR", "O_ASYNC"], "O_RDWR|FASYNC"),
        ("mode", "0022", "022"),
        ("mode", "0000", "000"),
        ("mode", "0100644", "0100644"),
        ("offs", [1], "[1]"),
        ("offs", [1, 5], "[1] => [5]"),
        ("offs", [5, 5], "[5]"),
        ("offs", None, "NULL"),
        ("path", "/ü", '"/ü"'),
        ("path", "/\\xff", r'"/\377"'),
        ("pollfds", [{"fd": 3, "events": ["POLLIN"], "revents": ["POLLIN"]},
                     {"fd": -1, "events": ["POLLIN"]}], "[{fd=3, events=POLLIN}, {fd=-1}]"),
        ("rlimit", {"cur": 8388608, "max": "RLIM_INFINITY"},
         "{rlim_cur=8192*1024, rlim_max=RLIM_INFINITY}"),
        ("rusage", {"utime": {"sec": 0, "usec": 1}, "stime": {"sec": 0, "usec": 2}, "maxrss": 7},
         "{ru_utime={tv_sec=0, tv_usec=1}, ru_stime={tv_sec=0, tv_usec=2}, ...}"),
        ("sigaction", {"handler": "SIG_DFL", "mask": [], "flags": [], "restorer": "0x0"},
         "{sa_handler=SIG_DFL, sa_mask=[], sa_flags=0}"),
        ("sigaction", {"handler": "0x9", "mask": ["SIGUSR1", "SIGRT_1"],
                       "flags": ["SA_RESTORER"], "restorer": "0x7"},
         "{sa_handler=0x9, sa_mask=[USR1 RT_1], sa_flags=SA_RESTORER, sa_restorer=0x7}"),
        ("siginfo", {"signo": "SIGUSR1", "code": "SI_QUEUE", "pid": 1, "uid": 0,
                     "value": "0xffffffff"},
         "{si_signo=SIGUSR1, si_code=SI_QUEUE, si_pid=1, si_uid=0, si_int=-1, si_ptr=0xffffffff}"),
        ("siginfo", {"signo": "SIGSEGV", "code": "SEGV_MAPERR", "addr": "0x0"},
         "{si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL}"),
        ("siginfo", {}, "{}"),
        ("sigset", {"all_but": ["SIGKILL", "SIGSTOP"]}, "~[KILL STOP]"),
        ("sockaddr", {"family": "AF_UNIX", "path": "@a\0", "abstract": True},
         r'{sa_family=AF_UNIX, sun_path=@"a\0"}'),
        ("sockaddr", {"family": "AF_UNIX", "unnamed": True}, "{sa_family=AF_UNIX}"),
        ("sockaddr", {"family": "AF_INET6", "addr": "::1", "port": 80, "flowinfo": 0,
                      "scope_id": 2},
         ('{sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), '
         'inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=2}')),
        ("sockaddr", {"family": "AF_NETLINK", "pid": 3, "groups": "0x11"},
         "{sa_family=AF_NETLINK, nl_pid=3, nl_groups=00000011}"),
        ("sockaddr", {"family": "AF_INET", "data": "00"}, '{sa_family=AF_INET, sa_data="00"}'),
        ("stat", STAT, "{st_mode=S_IFREG|S_ISUID|0755, st_size=1234, ...}"),
        ("stat", {"mode": "020666", "rdev": "1:3", "size": 0},
         "{st_mode=S_IFCHR|0666, st_rdev=makedev(0x1, 0x3), ...}"),
        ("statfs", {"type": "EXT4_SUPER_MAGIC", "fsid": [1, -1]},
         "{f_type=EXT2_SUPER_MAGIC, f_fsid={val=[0x1, 0xffffffff]}}"),
        ("string", {"text": "ab", "truncated": True}, '"ab"...'),
        ("strings", {"items": ["a"], "truncated": True}, '["a", ...]'),
        ("timespec", TIME, "{tv_sec=1, tv_nsec=500}"),
        ("utsname", {"sysname": "Linux", "nodename": "x", "release": "6"},
         '{sysname="Linux", nodename="x", ...}'),
        ("wstatus", {"exited": 3}, "[{WIFEXITED(s) && WEXITSTATUS(s) == 3}]"),
        ("wstatus", {"signaled": "SIGSEGV", "core_dumped": True},
         "[{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}]"),
        ("wstatus", {"stopped": "SIGSTOP"}, "[{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}]"),
        ("wstatus", {"continued": True}, "[{WIFCONTINUED(s)}]"),
        ("wstatus", {"ptr": "0x9"}, "0x9"),
        *[
            (kind, {"redacted": size}, shown)
            for kind in ("buffer", "iovec", "msghdr", "mmsghdr", "string", "strings", "any")
            for size, shown in ((7, "(7 redacted)"), (-1, "(redacted)"))
        ],
    ],
)  # fmt: skip
def test_kinds(kind, value, expected, utc):
    assert argument(kind, value) == expected


@pytest.fixture
def utc(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def test_nothing_is_left_out_on_request(utc):
    assert argument("stat", STAT, whole=True) == (
        "{st_dev=makedev(0x8, 0x1), st_ino=9, st_mode=S_IFREG|S_ISUID|0755, st_nlink=1, st_uid=0, "
        "st_gid=5, st_blksize=4096, st_blocks=8, st_size=1234, "
        "st_atime=1 /* 1970-01-01T00:00:01.000000500+0000 */, st_atime_nsec=500, "
        "st_mtime=0 /* 1970-01-01T00:00:00+0000 */, st_mtime_nsec=0, "
        "st_ctime=1 /* 1970-01-01T00:00:01.000000500+0000 */, st_ctime_nsec=500}"
    )
    found = {"entries": 40, "names": ["README", "a\nb"]}
    assert argument("dirents", found, whole=True) == r'["README", "a\nb", ...]'


@pytest.mark.parametrize(
    ("call", "name", "value", "expected"),
    [
        ("execve", "envp", ["A=1", "B=2"], "/* 2 vars */"),
        ("execve", "envp", {"ptr": "0x7f"}, "0x7f"),
        ("futex", "op", ["FUTEX_WAKE", "FUTEX_PRIVATE_FLAG"], "FUTEX_WAKE_PRIVATE"),
        ("futex", "op", ["FUTEX_WAIT_BITSET", "FUTEX_PRIVATE_FLAG", "FUTEX_CLOCK_REALTIME"],
         "FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME"),
        ("futex", "val3", 0xFFFF_FFFF, "FUTEX_BITSET_MATCH_ANY"),
        ("getrandom", "ubuf", {"text": "\\xffA", "size": 2}, r'"\xff\x41"'),
        ("mknod", "mode", "010600", "S_IFIFO|0600"),
        ("mmap", "off", 4096, "0x1000"),
        ("mmap", "off", 0, "0"),
        ("mprotect", "prot", [], "PROT_NONE"),
        ("prlimit64", "old_rlim", {"cur": "RLIM_INFINITY", "max": 1024},
         "{rlim_cur=RLIM64_INFINITY, rlim_max=1024}"),
        ("semget", "semflg", ["IPC_CREAT", "0666"], "IPC_CREAT|0666"),
        ("shmget", "key", 0, "IPC_PRIVATE"),
        ("shmget", "key", -1, "0xffffffff"),
    ],
)  # fmt: skip
def test_arguments_of_some_calls(call, name, value, expected):
    assert FORMS[call][name](value, Look()) == expected


def test_strings_are_cut_at_the_limit_and_paths_are_not():
    long = "x" * 50

    assert argument("string", long, limit=32) == f'"{"x" * 32}"...'
    assert argument("string", "x" * 32, limit=32) == f'"{"x" * 32}"'
    assert argument("path", long, limit=32) == f'"{long}"'
    assert argument("buffer", {"text": long, "size": 50}, limit=4) == '"xxxx"...'
    assert argument("strings", ["a"] * 5, limit=3) == '["a", "a", "a", ...]'
    assert argument("strings", ["a"] * 5, limit=3, whole=True) == '["a", "a", "a", "a", "a"]'


@given(st.binary(max_size=30), st.integers(1, 40))
def test_a_limit_counts_bytes(raw, limit):
    """But for a backslash that is followed by what looks like one of the daemon's escapes."""
    text = shown(raw)
    if b"\\x" not in raw:
        assert bytes_of(text) == raw
        kept = bytes_of(first(text, limit))
        assert raw.startswith(kept)
        assert limit - 4 < len(kept) <= limit or kept == raw
