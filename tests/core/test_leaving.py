"""Releases that cannot be carried out at once, and attaches that come before they are."""

import pytest
from real import Program, answered, asked, until

from tracerd.core import procfs
from tracerd.core.commands import AttachCommand, ExpireAttach, ExpireRelease, ReleaseCommand
from tracerd.protocol.events import Detached, SyscallExit

FIRST, SECOND = 101, 102


def leaving(tracing, parent):
    """Release a process all of whose threads are in vfork; return the answer to come."""
    until(lambda: {procfs.status(tid).state for tid in procfs.tasks(parent.pid)} == {"D"})
    attach = asked(tracing, AttachCommand(parent.pid, FIRST))
    tracing.command(ExpireAttach(FIRST))
    assert answered(tracing, attach).pending == procfs.tasks(parent.pid)
    return asked(tracing, ReleaseCommand(FIRST))


@pytest.mark.ptrace_case(24, 45)
def test_a_release_says_in_time_who_is_still_to_leave(tracing):
    with Program("attach_vfork", 2) as parent:
        release = leaving(tracing, parent)
        tracing.command(ExpireRelease(FIRST))
        assert answered(tracing, release).pending == procfs.tasks(parent.pid)
        assert not tracing.ended(FIRST)
        parent.tell("xxx")
        assert parent.stdout.read() == "ENDED 2\n"
        assert parent.wait() == 0
        tracing.wait_for(lambda: tracing.ended(FIRST))
    assert len(tracing.of(Detached)) == 1
    assert not [e for e in tracing.of(SyscallExit) if e.pid == parent.pid]


@pytest.mark.ptrace_case(45)
def test_who_is_leaving_can_be_attached_to_again(tracing):
    with Program("attach_vfork", 2) as parent:
        release = leaving(tracing, parent)
        attach = asked(tracing, AttachCommand(parent.pid, SECOND))
        assert answered(tracing, release).pending == []  # it has given up its part
        tracing.command(ExpireAttach(SECOND))
        assert answered(tracing, attach).pending == procfs.tasks(parent.pid)
        parent.tell("xxx")
        assert parent.stdout.read() == "ENDED 2\n"
        assert parent.wait() == 0
        tracing.wait_for(lambda: tracing.ended(SECOND))
    assert not tracing.of(Detached)
    opened = [e for e in tracing.of(SyscallExit) if e.ret_path == "/dev/null"]
    assert len(opened) == 2
