"""The words for what socket calls take: addresses, messages, options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tracerd.core.decode import depending, messages, sockaddr, sockopts, words
from tracerd.core.syscalls.model import Decode, How
from tracerd.core.syscalls.vocabulary import BUFFER_LIMIT, SOCKADDR_LIMIT, Draft, Want

OPTION_LIMIT: Final = 16
"""Socket options that say something are ints, or few of them."""


def sockaddr_in(name: str, length: str, *, op: str = "") -> Draft:
    """Return an address that the program has filled."""
    want = Want(How.SOCKADDR, SOCKADDR_LIMIT, length)
    return Draft(name, "sockaddr", sockaddr.sockaddr, enter=want, op=op)


def sockaddr_out(name: str, length: str) -> Draft:
    """Return an address that the kernel fills; argument `length` points to its size."""
    want = Want(How.BYTES_LENPTR, SOCKADDR_LIMIT, length)
    return Draft(name, "sockaddr", sockaddr.sockaddr, exit=want)


def message_in(name: str = "msg", *, op: str = "") -> Draft:
    """Return a struct msghdr to be sent."""
    want = Want(How.MSGHDR, BUFFER_LIMIT)
    return Draft(name, "msghdr", messages.msghdr, enter=want, op=op)


def message_out(name: str = "msg", *, op: str = "") -> Draft:
    """Return a struct msghdr to be filled; of the enter-stop only its first words are wanted."""
    head = Want(How.BYTES, messages.NAMELEN_END)
    filled = Want(How.MSGHDR, BUFFER_LIMIT)
    return Draft(name, "msghdr", messages.msghdr_filled, enter=head, exit=filled, both=True, op=op)


_MESSAGES: Final = Want(How.MMSGHDR, BUFFER_LIMIT, "vlen")
messages_in: Final = Draft(
    "mmsg",
    "mmsghdr",
    words.ptr,
    enter=_MESSAGES,
    op="connect",
    bind=lambda at: messages.mmsghdr(at["vlen"]),
)
messages_out: Final = Draft(
    "mmsg", "mmsghdr", messages.mmsghdr_filled, exit=_MESSAGES, op="receive"
)


def option_with(values: Mapping[tuple[int, int], Decode]) -> tuple[Draft, Draft]:
    """Return the value of a socket option, to be set and to be told."""

    def bind(at: Mapping[str, int]) -> Decode:
        return sockopts.option_value(at["level"], at["optname"], values)

    given = Want(How.ARRAY, OPTION_LIMIT, "optlen", 1)
    told = Want(How.BYTES_LENPTR, OPTION_LIMIT, "optlen")
    return (
        Draft("optval", "option", words.ptr, enter=given, bind=bind),
        Draft("optval", "option", words.ptr, exit=told, bind=bind),
    )


option: Final = Draft("optname", "enum", words.int_, bind=lambda at: sockopts.option(at["level"]))
option_in, option_out = option_with(sockopts.VALUES)
protocol: Final = Draft(
    "protocol", "enum", words.int_, bind=lambda at: depending.protocol(at["family"])
)
