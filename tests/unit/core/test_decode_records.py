"""Structures of rarer calls: the fields of bytes that are known."""

import struct

import pytest

from tracerd.core.syscalls import by_name, decode_args, decode_ret, plan_for
from tracerd.core.syscalls.model import Cut, Part, Several, Vector, Words

ADDRESS = 0x7FFF_0000_1000
POINTER = {"ptr": hex(ADDRESS)}


def decoded(name, *args, enter=None, exit_=None, ret=0, abi="x86_64"):
    """Decode a call of which some arguments were captured: `enter` and `exit_` by name."""
    row = by_name(name, abi)
    plan = plan_for(row)
    at_enter, at_exit = [None] * len(plan.enter), [None] * len(plan.exit)
    for given, places, indexes in (
        (enter or {}, at_enter, plan.arg_enter),
        (exit_ or {}, at_exit, plan.arg_exit),
    ):
        for arg, value in given.items():
            places[indexes[row.index[arg]]] = value
    full = tuple(word % 2**64 for word in args) + (0,) * (6 - len(args))
    words = Words(full, ret, failed=False, returned=exit_ is not None)
    return decode_args(row, words, at_enter, at_exit)


# --- bpf, perf, io_uring ------------------------------------------------------------------------


def test_bpf_that_makes_a_map():
    raw = struct.pack("<7I16s", 1, 4, 8, 100, 0x40, 0, 0, b"counts")
    assert decoded("bpf", 0, ADDRESS, 48, enter={"uattr": raw})["uattr"] == {
        "map_type": "BPF_MAP_TYPE_HASH",
        "key_size": 4,
        "value_size": 8,
        "max_entries": 100,
        "map_flags": "0x40",
        "inner_map_fd": 0,
        "numa_node": 0,
        "map_name": "counts",
        "map_ifindex": 0,
        "btf_fd": 0,
        "btf_key_type_id": 0,
        "btf_value_type_id": 0,
    }


def test_bpf_that_loads_and_attaches():
    raw = struct.pack("<IIQQ", 1, 5, ADDRESS, ADDRESS)
    loaded = decoded("bpf", 5, ADDRESS, 24, enter={"uattr": raw})["uattr"]
    assert (loaded["prog_type"], loaded["insn_cnt"]) == ("BPF_PROG_TYPE_SOCKET_FILTER", 5)
    assert loaded["insns"] == hex(ADDRESS)
    raw = struct.pack("<IIII", 3, 4, 38, 0)
    attached = decoded("bpf", 8, ADDRESS, 16, enter={"uattr": raw})["uattr"]
    assert attached["attach_type"] == "BPF_SK_SKB_VERDICT"
    unknown = decoded("bpf", 99, ADDRESS, 16, enter={"uattr": raw})
    assert (unknown["cmd"], unknown["uattr"]) == (99, POINTER)


def test_perf_event():
    raw = struct.pack("<IIQQQQQIIQQ", 0, 72, 1, 4000, 0x107, 4, 1 << 10 | 1, 0, 0, 0, 0)
    attr = decoded("perf_event_open", ADDRESS, 0, -1, -1, 8, enter={"attr_uptr": raw})["attr_uptr"]
    assert attr == {
        "type": "PERF_TYPE_HARDWARE",
        "size": 72,
        "config": "PERF_COUNT_HW_INSTRUCTIONS",
        "sample_freq": 4000,
        "sample_type": [f"PERF_SAMPLE_{name}" for name in ("IP", "TID", "TIME", "PERIOD")],
        "read_format": ["PERF_FORMAT_ID"],
        "bits": ["disabled", "freq"],
    }


def test_io_uring():
    raw = struct.pack("<7I", 8, 16, 2, 1, 1000, 5, 0)
    params = decoded("io_uring_setup", 8, ADDRESS, enter={"params": raw}, exit_={"params": raw})
    assert params["params"]["flags"] == ["IORING_SETUP_SQPOLL"]
    files = struct.pack("<3i", 3, 4, -1).ljust(512, b"\1")
    args = decoded("io_uring_register", 9, 2, ADDRESS, 3, enter={"arg": files})
    assert (args["opcode"], args["arg"]) == ("IORING_REGISTER_FILES", [3, 4, -1])
    buffers = struct.pack("<QQ", ADDRESS, 4096)
    args = decoded("io_uring_register", 9, 0, ADDRESS, 1, enter={"arg": buffers})
    assert args["arg"] == [{"base": hex(ADDRESS), "len": 4096}]
    narrow = struct.pack("<II", 0xFFFF_1000, 64)
    args = decoded("io_uring_register", 9, 0, ADDRESS, 1, enter={"arg": narrow}, abi="i386")
    assert args["arg"] == [{"base": "0xffff1000", "len": 64}]
    mask = struct.pack("<Q", 1 << 14).ljust(24, b"\1")
    args = decoded("io_uring_enter", 9, 1, 0, 1, ADDRESS, 8, enter={"argp": mask})
    assert args["argp"] == ["SIGTERM"]
    more = struct.pack("<QIIQ", ADDRESS, 8, 0, ADDRESS)
    args = decoded("io_uring_enter", 9, 1, 0, 9, ADDRESS, 24, enter={"argp": more})
    assert (args["argp"]["sigmask"], args["argp"]["sigmask_sz"]) == (hex(ADDRESS), 8)


# --- keys, quotas, security modules, mounts -------------------------------------------------------


def keyctl(option, *args, enter=(), exit_=(), ret=0):
    row = by_name("keyctl")
    part = row.parts[option]
    full = (option, *(word % 2**64 for word in args)) + (0,) * (5 - len(args))
    plan = plan_for(part)
    before = (Part(option, full, (*enter,) + (None,) * (len(plan.enter) - len(enter))),)
    after = (Part(option, full, (*exit_,) + (None,) * (len(plan.exit) - len(exit_))),)
    return decode_args(row, Words(full, ret, failed=False, returned=True), before, after)


def test_keys():
    assert keyctl(0, -3, 1) == {
        "option": "KEYCTL_GET_KEYRING_ID",
        "arg2": "KEY_SPEC_SESSION_KEYRING",
        "arg3": 1,
    }
    assert keyctl(2, 77, ADDRESS, 6, enter=(b"secret",))["arg3"] == {"text": "secret", "size": 6}
    found = keyctl(10, -5, ADDRESS, ADDRESS, 0, enter=(b"user", b"mine"))
    assert [found[f"arg{n}"] for n in (2, 3, 4, 5)] == [
        "KEY_SPEC_USER_SESSION_KEYRING", "user", "mine", 0,
    ]  # fmt: skip
    assert keyctl(5, 77, 0x3F010000)["arg3"] == [
        *[f"KEY_POS_{right}" for right in ("VIEW", "READ", "WRITE", "SEARCH", "LINK", "SETATTR")],
        "KEY_USR_VIEW",
    ]


def test_what_a_call_returns_may_be_more_than_there_was_room_for():
    told = keyctl(6, 77, ADDRESS, 4, exit_=(b"user;0;0",), ret=8)
    assert told["arg3"] == {"text": "user", "size": 4}
    assert keyctl(6, 77, ADDRESS, 4, exit_=(Cut(b"us", 8),), ret=8)["arg3"] == {
        "text": "us",
        "size": 4,
        "truncated": True,
    }


def test_quotas():
    raw = struct.pack("<8QI4x", 1, 2, 3, 4, 5, 6, 7, 8, 3)
    args = decoded("quotactl", 0x80000700, 0, 1000, ADDRESS, exit_={"addr": raw})
    assert args["cmd"] == {"cmd": "Q_GETQUOTA", "type": "USRQUOTA"}
    assert args["addr"]["valid"] == ["QIF_BLIMITS", "QIF_SPACE"]
    assert args["addr"]["itime"] == 8
    sync = decoded("quotactl", 0x80000101, 0, 0, 0)
    assert (sync["cmd"], "addr" in sync) == ({"cmd": "Q_SYNC", "type": "GRPQUOTA"}, False)


def test_security_modules():
    ids = struct.pack("<QQ", 100, 110)
    args = decoded("lsm_list_modules", ADDRESS, ADDRESS, 0, exit_={"ids": ids}, ret=2)
    assert args["ids"] == ["LSM_ID_CAPABILITY", "LSM_ID_LANDLOCK"]
    context = struct.pack("<QQQQ", 104, 0, 40, 8)
    args = decoded("lsm_get_self_attr", 100, ADDRESS, ADDRESS, 1, exit_={"ctx": context})
    assert (args["attr"], args["flags"]) == ("LSM_ATTR_CURRENT", ["LSM_FLAG_SINGLE"])
    assert args["ctx"] == {"id": "LSM_ID_APPARMOR", "flags": "0x0", "len": 40, "ctx_len": 8}


def test_a_mount():
    head = struct.pack("<IIQII", 530, 0, 0x32, 0, 0) + struct.pack("<QII", 0, 0, 5)
    head += struct.pack("<QQIIQQQQQII", 7, 1, 30, 1, 1, 1 << 20, 4, 0, 0, 0, 0)
    raw = head.ljust(512, b"\0") + b"/mnt\0tmpfs\0"
    req = struct.pack("<IIQQ", 24, 0, 7, 0x32)
    args = decoded("statmount", 1, 2, 512, 0, enter={"req": req}, exit_={"buf": raw})
    assert args["buf"] == {
        "size": 530,
        "mask": ["STATMOUNT_MNT_BASIC", "STATMOUNT_MNT_POINT", "STATMOUNT_FS_TYPE"],
        "mnt_id": "0x7",
        "mnt_parent_id": "0x1",
        "mnt_id_old": 30,
        "mnt_parent_id_old": 1,
        "mnt_attr": ["MOUNT_ATTR_RDONLY"],
        "mnt_propagation": ["MS_SHARED"],
        "mnt_peer_group": 4,
        "mnt_master": 0,
        "mnt_point": "/mnt",
        "fs_type": "tmpfs",
    }


# --- ptrace, segments, locks, memory --------------------------------------------------------------


def test_ptrace():
    assert decoded("ptrace", 0) == {"request": "PTRACE_TRACEME", "pid": 0}
    assert decoded("ptrace", 24, 7, 0, 15)["data"] == "SIGTERM"
    assert decoded("ptrace", 0x4206, 7, 0, 0x100001)["data"] == [
        "PTRACE_O_TRACESYSGOOD",
        "PTRACE_O_EXITKILL",
    ]
    word = struct.pack("<Q", 0xDEAD).ljust(128, b"\1")
    args = decoded("ptrace", 2, 7, ADDRESS, ADDRESS, enter={"data": bytes(128)},
                   exit_={"data": word})  # fmt: skip
    assert (args["addr"], args["data"]) == (hex(ADDRESS), ["0xdead"])
    info = struct.pack("<iii4xiI", 17, 0, 1, 42, 1000).ljust(128, b"\0")
    args = decoded("ptrace", 0x4202, 7, 0, ADDRESS, enter={"data": bytes(128)},
                   exit_={"data": info})  # fmt: skip
    assert (args["data"]["signo"], args["data"]["pid"]) == ("SIGCHLD", 42)
    before, after = (struct.pack("<QQ", ADDRESS, n).ljust(128, b"\1") for n in (512, 216))
    args = decoded("ptrace", 0x4204, 7, 1, ADDRESS, enter={"data": before}, exit_={"data": after})
    assert (args["addr"], args["data"]) == (
        "NT_PRSTATUS",
        {"base": hex(ADDRESS), "len": [512, 216]},
    )


def test_a_segment_that_the_kernel_chose():
    before, after = (struct.pack("<iIII", n, 0xF7001000, 0xFFFFF, 0x51) for n in (-1, 12))
    args = decoded("set_thread_area", ADDRESS, enter={"u_info": before}, exit_={"u_info": after},
                   abi="i386")  # fmt: skip
    assert args["u_info"] == {
        "entry_number": [-1, 12],
        "base_addr": "0xf7001000",
        "limit": "0xfffff",
        "seg_32bit": 1,
        "contents": 0,
        "read_exec_only": 0,
        "limit_in_pages": 1,
        "seg_not_present": 0,
        "useable": 1,
    }


def test_futexes():
    time = struct.pack("<qq", 1, 2)
    args = decoded("futex", ADDRESS, 0x80, 7, ADDRESS, enter={"utime": time})
    assert args["utime"] == {"sec": 1, "nsec": 2}
    assert decoded("futex", ADDRESS, 4, 1, 5, ADDRESS, 9, enter={"utime": time})["utime"] == 5
    assert "utime" not in decoded("futex", ADDRESS, 1, 7)
    waiters = struct.pack("<QQI4x", 1, ADDRESS, 0x82) * 2
    args = decoded("futex_waitv", ADDRESS, 2, 0, 0, 1, enter={"waiters": waiters})
    assert (
        args["waiters"]
        == [{"val": 1, "uaddr": hex(ADDRESS), "flags": ["FUTEX2_SIZE_U32", "FUTEX2_PRIVATE"]}] * 2
    )


def test_memory_policies():
    mask = struct.pack("<Q", 0b101).ljust(128, b"\xff")
    args = decoded("mbind", ADDRESS, 4096, 2, ADDRESS, 65, 3, enter={"nmask": mask})
    assert (args["mode"], args["nmask"]) == (["MPOL_BIND"], [0, 2])
    assert args["flags"] == ["MPOL_MF_STRICT", "MPOL_MF_MOVE"]
    pages = struct.pack("<QQ", ADDRESS, ADDRESS)
    args = decoded("move_pages", 0, 2, ADDRESS, ADDRESS, ADDRESS, 2,
                   enter={"pages": pages, "nodes": struct.pack("<ii", 0, 1)},
                   exit_={"status": struct.pack("<ii", 0, -2)})  # fmt: skip
    assert (args["nodes"], args["status"]) == ([0, 1], [0, -2])
    assert args["pages"] == [hex(ADDRESS)] * 2
    args = decoded("mincore", ADDRESS, 8193, ADDRESS, exit_={"vec": bytes([1, 0x80, 3, 1])})
    assert args["vec"] == [1, 0, 1]


def test_requests_of_asynchronous_transfers():
    raw = struct.pack("<QIiHhIQQq8xII", 1, 0, 0, 1, 0, 4, ADDRESS, 10, 5, 1, 9)
    args = decoded("io_submit", ADDRESS, 2, ADDRESS, enter={"iocbpp": Several((raw, None))})
    assert args["iocbpp"] == [
        {
            "data": "0x1",
            "opcode": "IOCB_CMD_PWRITE",
            "fildes": 4,
            "buf": hex(ADDRESS),
            "nbytes": 10,
            "offset": 5,
            "flags": ["IOCB_FLAG_RESFD"],
            "resfd": 9,
        },
        None,
    ]


def test_memory_of_another_process():
    local, remote = Vector(b"ab", (1, 1)), struct.pack("<QQ", ADDRESS, 2)
    args = decoded("process_vm_readv", 7, ADDRESS, 2, ADDRESS, 1, 0, enter={"rvec": remote},
                   exit_={"lvec": local}, ret=2)  # fmt: skip
    assert args["lvec"] == {"count": 2, "text": "ab", "size": 2, "lengths": [1, 1]}
    assert args["rvec"] == [{"base": hex(ADDRESS), "len": 2}]


# --- sizes and times, before and after ------------------------------------------------------------


@pytest.mark.parametrize(("after", "shown"), [(16, [128, 16]), (128, [128])])
def test_room_for_an_address_and_its_size(after, shown):
    sizes = {"upeer_addrlen": struct.pack("<i", 128)}, {"upeer_addrlen": struct.pack("<i", after)}
    args = decoded("accept", 3, ADDRESS, ADDRESS, enter=sizes[0], exit_=sizes[1], ret=4)
    assert args["upeer_addrlen"] == shown
    assert decoded("accept", 3, ADDRESS, ADDRESS, enter=sizes[0])["upeer_addrlen"] == [128]


def test_a_time_to_wait_and_what_is_left_of_it():
    whole, rest = struct.pack("<qq", 5, 0), struct.pack("<qq", 3, 7)
    args = decoded("select", 0, 0, 0, 0, ADDRESS, enter={"tvp": whole}, exit_={"tvp": rest})
    assert args["tvp"] == {"sec": 5, "usec": 0, "left": {"sec": 3, "usec": 7}}
    args = decoded("ppoll", 0, 0, ADDRESS, 0, 8, enter={"tsp": whole}, exit_={"tsp": whole})
    assert args["tsp"] == {"sec": 5, "nsec": 0}


# --- names of results -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "args", "ret", "names"),
    [
        ("fcntl", (3, 3), 0o102002, ["O_RDWR", "O_APPEND", "O_LARGEFILE"]),
        ("fcntl", (3, 1), 1, ["FD_CLOEXEC"]),
        ("fcntl", (3, 1), 0, []),
        ("fcntl", (3, 1025), 2, ["F_UNLCK"]),
        ("fcntl", (3, 11), 10, ["SIGUSR1"]),
        ("fcntl", (3, 1034), 5, ["F_SEAL_SEAL", "F_SEAL_GROW"]),
        ("fcntl", (3, 1032), 65536, []),
        ("personality", (0xFFFFFFFF,), 0x40000, ["PER_LINUX", "ADDR_NO_RANDOMIZE"]),
        ("sched_getscheduler", (0,), 5, ["SCHED_IDLE"]),
        ("ioprio_get", (1, 0), 0x4004, ["IOPRIO_CLASS_BE", "4"]),
        ("prctl", (3,), 1, ["SUID_DUMP_USER"]),
        ("prctl", (30,), 50, []),
        ("membarrier", (0,), 8, ["MEMBARRIER_CMD_PRIVATE_EXPEDITED"]),
        ("adjtimex", (ADDRESS,), 5, ["TIME_ERROR"]),
    ],
)
def test_names_of_results(name, args, ret, names):
    row = by_name(name)
    full = args + (0,) * (6 - len(args))
    assert row.named(ret, full) == names
    assert decode_ret(row, ret) == ret


def test_open_flags_of_aarch64_are_its_own():
    row = by_name("fcntl", "aarch64")
    assert row.named(0o40000, (3, 3, 0, 0, 0, 0)) == ["O_RDONLY", "O_DIRECTORY"]
