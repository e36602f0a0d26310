"""Decoders of what io_uring calls take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tracerd.core.decode.fileargs import ints
from tracerd.core.decode.names.descriptors import URING_ENTER
from tracerd.core.decode.names.kernel import URING_FEATURES, URING_SETUP
from tracerd.core.decode.signals import SIGSET_SIZE, sigset
from tracerd.core.decode.structs import record
from tracerd.core.decode.words import nothing, ptr
from tracerd.core.syscalls.model import Captured, Decode, Words

PARAMS_SIZE: Final = 28
"""The part of struct io_uring_params that is no offset into the rings."""
GETEVENTS_SIZE: Final = 24


def _params(
    sq: int, cq: int, flags: int, cpu: int, idle: int, features: int, wq_fd: int
) -> dict[str, Any]:
    return {
        "sq_entries": sq,
        "cq_entries": cq,
        "flags": URING_SETUP.render(flags),
        "sq_thread_cpu": cpu,
        "sq_thread_idle": idle,
        "features": URING_FEATURES.render(features),
        "wq_fd": wq_fd,
    }


params: Final = record("<7I", _params)


def _getevents(mask: int, size: int, wait: int, time: int) -> dict[str, Any]:
    return {
        "sigmask": f"{mask:#x}",
        "sigmask_sz": size,
        "min_wait_usec": wait,
        "ts": f"{time:#x}",
    }


_arg: Final = record("<QIIQ", _getevents)
_EXTENDED: Final = URING_ENTER.parse(["IORING_ENTER_EXT_ARG"])


def enter_arg(flags: int) -> Decode:
    """Return the decoder of io_uring_enter's argument: a signal mask, or a structure with more."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        if call.args[flags] & _EXTENDED:
            return _arg(word, captured, call)
        if type(captured) is bytes:
            captured = captured[:SIGSET_SIZE]
        return sigset(word, captured, call)

    return decode


REGISTER_LIMIT: Final = 512
"""Thirty-two buffers."""
_ONE: Final = ("IORING_REGISTER_EVENTFD", "IORING_REGISTER_EVENTFD_ASYNC")
_NOTHING: Final = (
    "IORING_UNREGISTER_BUFFERS",
    "IORING_UNREGISTER_FILES",
    "IORING_UNREGISTER_EVENTFD",
    "IORING_REGISTER_PERSONALITY",
    "IORING_UNREGISTER_PERSONALITY",
    "IORING_REGISTER_ENABLE_RINGS",
    "IORING_UNREGISTER_IOWQ_AFF",
)


def _first(decode: Decode, element: int, count: int) -> Decode:
    """Return a decoder of as many elements as argument `count` says there are."""

    def decode_first(word: int, captured: Captured, call: Words) -> Any:
        if type(captured) is bytes:
            captured = captured[: element * min(call.args[count] & 0xFFFF_FFFF, REGISTER_LIMIT)]
        return decode(word, captured, call)

    return decode_first


def register_arg(
    opcode: int, count: int, names: Mapping[str, int], ranges: Decode, size: int
) -> Decode:
    """Return the decoder of io_uring_register's argument.

    opcode, count: the arguments that say what it is, and of how many.  names: of the operations.
    ranges: of iovecs, of `size` bytes each.
    """
    files, buffers = _first(ints, 4, count), _first(ranges, size, count)
    known: dict[int, Decode] = {
        names["IORING_REGISTER_FILES"]: files,
        names["IORING_REGISTER_BUFFERS"]: buffers,
        **{names[name]: files for name in _ONE},
        **{names[name]: nothing for name in _NOTHING},
    }

    def decode(word: int, captured: Captured, call: Words) -> Any:
        return known.get(call.args[opcode] & 0xFFFF_FFFF, ptr)(word, captured, call)

    return decode
