"""The corners of ptrace that a tracer has to get right, and which test covers each.

A test says `@pytest.mark.ptrace_case(4, 28)`; the ones that cannot be reached say why, here.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

CASES = {
    1: "attach by SEIZE, options set with it: no SIGSTOP is queued",
    2: "SEIZE alone stops nothing; the INTERRUPT after it disturbs sleepers",
    3: "all threads, with threads that come and go meanwhile",
    4: "a zombie leader: its /proc entries are dead, its threads live",
    5: "attach to a vforking parent, which cannot stop",
    6: "the interrupt's own stop is swallowed by another stop",
    7: "the first stop comes inside a call: an exit-stop without its entry",
    8: "attach to a sleeper: restart_syscall is told with the call it resumes",
    9: "attach to a stopped process: it stays stopped",
    10: "what cannot be attached to, each with its reason",
    11: "mutual tracing is refused",
    12: "every kind of stop is told from the wait status",
    13: "a signal is injected at its delivery stop, and nowhere else",
    14: "a SIGTRAP of the program's own",
    15: "SIGSTOP: delivery, group-stop, LISTEN, SIGCONT",
    16: "detach from LISTEN, where every request but INTERRUPT fails",
    17: "LISTEN is legal at an event stop only",
    18: "GETSIGINFO at a group-stop, in LISTEN and on a killed task",
    19: "event messages: child, former tid",
    20: "a task that dies in a call: the call is told as unfinished",
    21: "a child's first stop before its maker's event, and the other way round",
    22: "a new child's first stop is no SIGSTOP",
    23: "a child that dies before its first stop; a maker that dies before it",
    24: "a vfork parent is not waited for before its child goes on, at detach either",
    25: "CLONE_PARENT, CLONE_UNTRACED, CLONE_PTRACE",
    26: "a tid that is used again",
    27: "exec by a thread that is not the leader",
    28: "a leader that has exited while its threads live",
    29: "exec changes ABI, credentials, name and memory",
    30: "a set-user-ID exec",
    31: "threads that vanish at any stop",
    32: "ESRCH is not death",
    33: "a second status of a task while the first is unhandled",
    34: "a dead tracee is reaped at once: its parent waits for it",
    35: "an exit status is taken once: it reaches whoever is the parent",
    36: "entry and exit by PTRACE_GET_SYSCALL_INFO",
    37: "the ABI of each call: int 0x80, 32-bit programs, x32 numbers",
    38: "32-bit arguments, and addresses beyond 4 GiB",
    39: "the kernel's restart codes are no errors of the program",
    40: "calls that never return",
    41: "the tracee's own seccomp filter",
    42: "the tracee's own RET_TRACE without a tracer for it",
    43: "memory at the edge of a mapping, wild pointers, changing strings",
    44: "descriptor tables shared and unshared between threads",
    45: "detach from every state",
    46: "a task is detached once",
    47: "the tracer dies",
    48: "signal mask, dispositions and descriptors of the tracer do not leak into `run`",
    49: "SIGCHLD ignored by whoever starts the tracer",
    50: "options and filters are inherited by children",
    51: "a tracee that is itself a tracer",
    52: "pid namespaces: ids of both sides",
    53: "PTRACE_SET_SYSCALL_INFO",
    54: "tracees that may not be looked into",
}

UNREACHABLE = {
    53: "only a tracer that changes calls needs it; this one never writes to a tracee but to undo "
    "its own interrupt",
}


@cache
def _marks():
    return list(_read_marks())


def _read_marks():
    for source in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith("ptrace_case"):
                    for argument in mark.args:
                        yield ast.literal_eval(argument), node.name


@pytest.mark.parametrize("number", CASES)
def test_every_case_has_a_test_or_a_reason(number):
    covered = [name for marked, name in _marks() if marked == number]
    assert bool(covered) != (number in UNREACHABLE), CASES[number]


def test_no_mark_is_for_a_case_that_is_not_listed():
    assert {number for number, _ in _marks()} <= set(CASES)
