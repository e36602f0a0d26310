"""Decoders of words, text, errors and signals."""

import errno
import shutil
import signal
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracerd.core.decode import signals, text, words
from tracerd.core.decode.errnos import ERRNOS, errno_name
from tracerd.core.decode.signals import NUMBERS, SIGNALS, si_code_name, signal_name
from tracerd.core.syscalls.model import Cut, Fault, Strings, Words

CALL = Words((0,) * 6)


@pytest.mark.parametrize(
    ("decode", "word", "shown"),
    [
        (words.int_, 2**64 - 1, -1),
        (words.int_, 2**32 + 5, 5),
        (words.uint, 2**64 - 1, 2**32 - 1),
        (words.long_, 2**64 - 2, -2),
        (words.ulong, 2**64 - 1, 2**64 - 1),
        (words.ptr, 0x1000, "0x1000"),
        (words.ptr, 0, None),
        (words.hex_, 0, "0x0"),
        (words.dirfd, 0xFFFF_FF9C, "AT_FDCWD"),
        (words.dirfd, 2**64 - 100, "AT_FDCWD"),
        (words.dirfd, 4, 4),
        (words.user_id, 2**32 - 1, -1),
        (words.user_id, 2**32 - 2, 2**32 - 2),
        (words.mode, 0o644, "0644"),
        (words.mode, 0, "0000"),
        (words.mode, 0o100644, "0100644"),
        (words.mode, 0xDEAD_0000 | 0o755, "0755"),
        (words.dev, 0x801, "8:1"),
        (words.nothing, 17, words.ABSENT),
    ],
)
def test_words(decode, word, shown):
    assert decode(word, None, CALL) == shown


@given(st.integers(0, 0xFFF), st.integers(0, 0xFFFFF))
def test_device_numbers(major, minor):
    # As the kernel packs them (new_encode_dev).
    packed = minor & 0xFF | major << 8 | (minor & ~0xFF) << 12
    assert words.device(packed) == f"{major}:{minor}"


@pytest.mark.parametrize(
    ("captured", "shown"),
    [
        (b"/etc/passwd", "/etc/passwd"),
        (b"", ""),
        (b"a\xff\n\x1b", "a\\xff\n\x1b"),
        (Cut(b"/long"), {"text": "/long", "truncated": True}),
        (Fault(16), {"ptr": "0x10"}),
        (None, {"ptr": "0x10"}),
    ],
)
def test_text(captured, shown):
    assert text.text(16, captured, CALL) == shown


def test_null_is_null():
    assert text.text(0, None, CALL) is None
    assert text.buffer(0, None, CALL) is None
    assert text.strings(0, None, CALL) is None


def test_strings():
    assert text.strings(1, Strings(()), CALL) == []
    assert text.strings(1, Strings((b"a", b"\xe9")), CALL) == ["a", "\\xe9"]
    assert text.strings(1, Strings((b"a",), whole=False), CALL) == {
        "items": ["a"],
        "truncated": True,
    }


def test_buffers():
    assert text.buffer(1, b"abc", CALL) == {"text": "abc", "size": 3}
    assert text.buffer(1, Cut(b"abc", 9), CALL) == {"text": "abc", "size": 9, "truncated": True}
    assert text.buffer(1, Cut(b"abc"), CALL) == {"text": "abc", "truncated": True}


def test_every_error_of_the_system_has_its_name():
    aliases = {"EWOULDBLOCK", "EDEADLOCK", "ENOTSUP"}
    for number, name in errno.errorcode.items():
        assert errno_name(number) == name or name in aliases
    assert errno_name(errno.EAGAIN) == "EAGAIN"
    assert errno_name(errno.EDEADLK) == "EDEADLK"
    assert errno_name(errno.EOPNOTSUPP) == "EOPNOTSUPP"


def test_errors_are_the_headers():
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("needs gcc and the headers of the kernel")
    done = subprocess.run(
        [gcc, "-E", "-dM", "-include", "errno.h", "-x", "c", "/dev/null"],
        capture_output=True,
        text=True,
        check=True,
    )
    defined = {
        int(line[2]): line[1]
        for line in map(str.split, done.stdout.splitlines())
        if len(line) == 3 and line[1].startswith("E") and line[2].isdigit()
    }
    assert {n: name for n, name in ERRNOS.items() if n < 512} == defined


def test_errors_of_the_kernel_alone():
    assert [errno_name(n) for n in (512, 513, 514, 516, 524)] == [
        "ERESTARTSYS",
        "ERESTARTNOINTR",
        "ERESTARTNOHAND",
        "ERESTART_RESTARTBLOCK",
        "ENOTSUPP",
    ]
    assert errno_name(4000) == "ERRNO_4000"


def test_signals():
    for each in signal.Signals:
        if each < 32:
            assert NUMBERS[each.name] == each
    assert sorted(SIGNALS) == list(range(1, 65))
    assert len(NUMBERS) == 64
    # As strace names them: from the kernel's SIGRTMIN, not the C library's.
    assert [signal_name(n) for n in (32, 33, 35, 64)] == [
        "SIGRTMIN",
        "SIGRT_1",
        "SIGRT_3",
        "SIGRT_32",
    ]
    assert signal_name(0) == "0"
    assert signal_name(99) == "99"


@pytest.mark.parametrize(
    ("signo", "code", "name"),
    [
        (15, 0, "SI_USER"),
        (15, 0x80, "SI_KERNEL"),
        (15, -1, "SI_QUEUE"),
        (15, -6, "SI_TKILL"),
        (17, 1, "CLD_EXITED"),
        (17, 6, "CLD_CONTINUED"),
        (11, 1, "SEGV_MAPERR"),
        (11, 2, "SEGV_ACCERR"),
        (7, 2, "BUS_ADRERR"),
        (8, 1, "FPE_INTDIV"),
        (4, 2, "ILL_ILLOPN"),
        (5, 1, "TRAP_BRKPT"),
        (31, 1, "SYS_SECCOMP"),
        (11, 77, "77"),
        (15, 1, "1"),
    ],
)
def test_si_codes(signo, code, name):
    assert si_code_name(signo, code) == name


@given(st.sets(st.integers(1, 64)))
def test_sigsets(numbers):
    mask = sum(1 << number - 1 for number in numbers)
    shown = signals.sigset(1, mask.to_bytes(8, "little"), CALL)
    if isinstance(shown, dict):
        assert len(numbers) > 32
        assert {NUMBERS[name] for name in shown["all_but"]} == set(range(1, 65)) - numbers
    else:
        assert len(numbers) <= 32
        assert {NUMBERS[name] for name in shown} == numbers


def test_siginfo():
    child = struct.pack("<iii4xiIi4xqq80x", 17, 0, 1, 4321, 1000, 3, 7, 8)
    assert signals.siginfo(1, child, CALL) == {
        "signo": "SIGCHLD",
        "code": "CLD_EXITED",
        "pid": 4321,
        "uid": 1000,
        "status": 3,
        "utime": 7,
        "stime": 8,
    }
    killed = struct.pack("<iii4xiii100x", 17, 0, 2, 4321, 1000, 9)
    assert signals.siginfo(1, killed, CALL)["status"] == "SIGKILL"
    assert signals.siginfo(1, bytes(128), CALL) == {}
    assert signals.siginfo(1, bytes(20), CALL) == {"ptr": "0x1"}


@pytest.mark.parametrize(
    ("signo", "code", "wide", "short", "shown"),
    [
        (10, 0, ("iI", 5, 6), ("iI", 5, 6), {"pid": 5, "uid": 6}),
        (10, -1, ("iIQ", 5, 6, 1 << 40), ("iII", 5, 6, 9), {"pid": 5, "uid": 6, "value": ...}),
        (14, -2, ("iiQ", 1, 2, 3), ("iiI", 1, 2, 3), {"timerid": 1, "overrun": 2, "value": "0x3"}),
        (11, 1, ("Q", 0x10), ("I", 0x10), {"addr": "0x10"}),
        (11, 0x80, ("Q", 0), ("I", 0), {"addr": "0x0"}),
        (14, 0x80, ("Q", 0), ("I", 0), {}),
        (29, 1, ("qi", 65, 4), ("ii", 65, 4), {"band": 65, "fd": 4}),
        (
            31, 1, ("QiI", 0x20, 39, 0xC000003E), ("IiI", 0x20, 39, 0xC000003E),
            {"call_addr": "0x20", "syscall": 39, "arch": "0xc000003e"},
        ),
    ],
)  # fmt: skip
def test_every_member_of_siginfo(signo, code, wide, short, shown):
    head = {"signo": signals.signal_name(signo), "code": signals.si_code_name(signo, code)}
    for narrow, pad, (layout, *fields) in ((False, "4x", wide), (True, "", short)):
        data = struct.pack(f"<iii{pad}{layout}", signo, 0, code, *fields)
        value = {"value": f"{fields[-1]:#x}"} if "value" in shown else {}
        assert signals.siginfo_of(data, narrow=narrow) == {**head, **shown, **value}
