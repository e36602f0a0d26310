"""The words whose meaning another argument, a command, says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from tracerd.core.decode import (
    depending,
    fcntl,
    ioctl,
    ipc,
    landlock,
    prctl,
    process,
    ptrace,
    words,
)
from tracerd.core.decode.names.kernel import KEYRING
from tracerd.core.decode.names.memory import FUTEX
from tracerd.core.decode.names.system import REBOOT
from tracerd.core.syscalls import records
from tracerd.core.syscalls.model import Decode, How
from tracerd.core.syscalls.vocabulary import Draft, Want, enum, ptr, word


def by_command(
    name: str, command: str, known: Mapping[int, Decode], other: Draft, size: int
) -> Draft:
    """Return a word, or a pointer to at most `size` bytes, as argument `command` says."""
    draft = records.struct_both(name, "any", words.ptr, size)
    return replace(draft, bind=lambda at: depending.by_command(at[command], known, other.decode))


fcntl_arg: Final = by_command("arg", "cmd", fcntl.ARGUMENTS, ptr, fcntl.FLOCK_SIZE)
ioctl_cmd: Final = Draft("cmd", "enum", ioctl.request)
ioctl_arg: Final = by_command("arg", "cmd", ioctl.ARGUMENTS, word, ioctl.LARGEST)
landlock_rule: Final = replace(
    records.struct_in("rule_attr", "any", words.ptr, landlock.RULE_SIZE),
    bind=lambda at: depending.by_command(at["rule_type"], landlock.RULES, words.ptr),
)
prctl_arg: Final = by_command("arg2", "option", prctl.ARGUMENTS, word, prctl.NAME_SIZE)
shm_arg: Final = by_command("buf", "cmd", ipc.SHM, ptr, ipc.LARGEST)
sem_arg: Final = by_command("arg", "cmd", ipc.SEM, word, ipc.LARGEST)
msg_arg: Final = by_command("buf", "cmd", ipc.MSG, ptr, ipc.LARGEST)
shm_arg_i386: Final = by_command("buf", "cmd", ipc.SHM_I386, ptr, ipc.LARGEST)
sem_arg_i386: Final = by_command("arg", "cmd", ipc.SEM_I386, word, ipc.LARGEST)
msg_arg_i386: Final = by_command("buf", "cmd", ipc.MSG_I386, ptr, ipc.LARGEST)
sem_arg_generic: Final = by_command("arg", "cmd", ipc.SEM_GENERIC, word, ipc.LARGEST)
ptrace_data: Final = by_command("data", "request", ptrace.DATA, word, ptrace.DATA_SIZE)
ptrace_data_i386: Final = by_command("data", "request", ptrace.DATA_I386, word, ptrace.DATA_SIZE)
ptrace_addr: Final = Draft(
    "addr",
    "any",
    words.ptr,
    bind=lambda at: depending.by_command(at["request"], ptrace.ADDRESS, words.ptr),
)
arch_prctl_arg: Final = by_command("arg2", "option", prctl.ARCH, word, 8)
reboot_arg: Final = Draft(
    "arg",
    "string",
    words.ptr,
    enter=Want(How.CSTRING, 256),
    bind=lambda at: depending.text_for(at["cmd"], REBOOT.values["LINUX_REBOOT_CMD_RESTART2"]),
)
fsconfig_value: Final = Draft(
    "_value",
    "string",
    words.ptr,
    enter=Want(How.CSTRING, 256),
    bind=lambda at: depending.fsconfig_value(at["cmd"]),
)


def seccomp_with(known: Mapping[int, Decode]) -> Draft:
    """Return what argument `op` says: where it is known, a pointer to a structure."""
    return replace(
        records.struct_in("uargs", "any", words.ptr, process.SECCOMP_SIZE),
        bind=lambda at: depending.by_command(at["op"], known, words.ptr),
    )


seccomp_arg: Final = seccomp_with(process.SECCOMP_ARGUMENTS)


def prctl_rest(name: str) -> Draft:
    """Return an argument that only some prctl options have; the last may be text."""
    known = prctl.REST[name]
    return Draft(
        name,
        "any",
        words.ptr,
        enter=Want(How.CSTRING, 256) if name == "arg5" else None,
        bind=lambda at: depending.by_command(at["option"], known, words.hex_),
    )


def futex_arg(draft: Draft, *ops: str) -> Draft:
    """Return an argument that only some futex operations have, those named."""
    numbers = frozenset(FUTEX.values[f"FUTEX_{op}"] for op in ops)
    return replace(draft, bind=lambda at: depending.only_for(at["op"], 0x7F, numbers, draft.decode))


def keyring(name: str) -> Draft:
    """Return a key or keyring: its number, or the name of one of the process's own."""
    return enum(name, KEYRING)
