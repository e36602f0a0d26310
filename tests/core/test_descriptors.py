"""Descriptors are what /proc says they are, though it is not asked at each call."""

import pytest
from msgspec.structs import replace
from real import EVERYTHING, command

from tracerd.protocol.events import SyscallExit

LINK = "/proc/thread-self/fd/"


def uses(events):
    """Give, of each use of a descriptor, what the program read of it and what was told."""
    seen = {}
    for event in events:
        if not isinstance(event, SyscallExit):
            continue
        if event.syscall == "readlink" and event.args["path"].startswith(LINK):
            seen[event.tid] = event
        elif event.syscall == "lseek" and (link := seen.pop(event.tid, None)) is not None:
            assert link.args["path"] == f"{LINK}{event.args['fd']}"
            yield event, None if link.errno else link.args["buf"]["text"], event.fds.get("fd")


SOME = frozenset({"readlink", "lseek"})
ALL = replace(EVERYTHING, string_limit=256)
WANTED = {"all": ALL, "some": replace(ALL, types=frozenset({"syscall_exit"}), exit=SOME)}


@pytest.mark.parametrize(("seed", "wanted"), [(1, "all"), (2, "some"), (3, "all")])
def test_they_are_what_a_random_program_sees(tracing, tmp_path, seed, wanted):
    tracing.interest(WANTED[wanted])
    assert tracing.run(*command("fds_random", tmp_path, seed, 50)) == 0
    found = list(uses(tracing.events))
    assert [one for one in found if one[1] != one[2]] == []
    assert len(found) > 800
    assert len({told for _, _, told in found}) > 50
    counted = tracing.tracer._scene.pump.looks()
    assert counted["recalled"] > 100
