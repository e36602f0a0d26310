"""Calls that change what the tracer knows of a process, by name.

They are recorded whenever calls stop at all, whether or not anyone asked for them.
"""

from __future__ import annotations

EXECS = frozenset({"execve", "execveat"})
ROOT_CALLS = frozenset({"chroot", "pivot_root", "unshare", "setns"})
CREDENTIAL_CALLS = frozenset(
    {
        "setuid",
        "setreuid",
        "setresuid",
        "setfsuid",
        "setgid",
        "setregid",
        "setresgid",
        "setfsgid",
        "setuid32",
        "setreuid32",
        "setresuid32",
        "setfsuid32",
        "setgid32",
        "setregid32",
        "setresgid32",
        "setfsgid32",
        "capset",
        "unshare",
        "setns",
    }
)

STATE_CALLS: frozenset[str] = (
    EXECS | ROOT_CALLS | CREDENTIAL_CALLS | {"prctl", "clone", "clone3", "ptrace", "io_uring_setup"}
)
