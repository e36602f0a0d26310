"""Decoders of what calls that wait for descriptors take: poll, select, epoll."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.descriptors import EPOLL, EPOLL_CTL, POLL
from tracerd.core.decode.structs import array, record
from tracerd.core.decode.words import address, signed32
from tracerd.core.syscalls.model import Captured, Cut, Decode, Pair, Words

EPOLL_EVENT: Final = "<IQ"
EPOLL_EVENT_SIZE: Final = 12
"""Packed on x86-64."""
POLLFD: Final = "<ihh"
POLLFD_SIZE: Final = 8


def _epoll_event(events: int, data: int) -> dict[str, Any]:
    return {"events": EPOLL.render(events), "data": f"{data:#x}"}


def _pollfd(fd: int, events: int, revents: int) -> dict[str, Any]:
    polled: dict[str, Any] = {"fd": fd, "events": POLL.render(events & 0xFFFF)}
    if revents:
        polled["revents"] = POLL.render(revents & 0xFFFF)
    return polled


_OP_AT: Final = 1


def _controlled(event: Decode) -> Decode:
    """Return the decoder of epoll_ctl's event, which is not looked at to delete a descriptor."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        deleted = call.args[_OP_AT] == EPOLL_CTL.values["EPOLL_CTL_DEL"]
        return event(word, None if deleted else captured, call)

    return decode


epoll_event: Final = _controlled(record(EPOLL_EVENT, _epoll_event))
epoll_events: Final = array(EPOLL_EVENT, _epoll_event)
EPOLL_EVENT_WIDE: Final = "<I4xQ"
EPOLL_EVENT_WIDE_SIZE: Final = 16
"""As the compiler lays it out, on other architectures."""
epoll_event_wide: Final = _controlled(record(EPOLL_EVENT_WIDE, _epoll_event))
epoll_events_wide: Final = array(EPOLL_EVENT_WIDE, _epoll_event)
pollfds: Final = array(POLLFD, _pollfd)


def fd_set(count: int) -> Decode:
    """Return the decoder of an fd_set of which argument `count` says how many bits matter.

    Those waited for; once the call has returned, also those found ready.
    """

    def members(captured: Captured, call: Words) -> list[int] | None:
        data = captured.data if isinstance(captured, Cut) else captured
        if type(data) is not bytes:
            return None
        bits = int.from_bytes(data, "little")
        highest = min(max(signed32(call.args[count]), 0), len(data) * 8)
        return [fd for fd in range(highest) if bits >> fd & 1]

    def decode(word: int, captured: Captured, call: Words) -> Any:
        if not isinstance(captured, Pair):
            asked = members(captured, call)
            return address(word) if asked is None else asked
        asked, ready = members(captured.before, call), members(captured.after, call)
        return address(word) if None in (asked, ready) else {"asked": asked, "ready": ready}

    return decode
