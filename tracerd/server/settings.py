"""How a daemon is set up: its command line, and every limit with its reason."""

from __future__ import annotations

import argparse
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from tracerd import __version__
from tracerd.server.log import FORMATS, LEVELS, Format

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracerd.core.injection import Injection
    from tracerd.server.roles import Rules

CONFIG: Final = "/etc/tracerd/tracerd.toml"
"""Read by root's daemon if it is there; a file that was named has to be."""

SOCKET_MODE: Final = 0o666
"""Anyone may connect: who may trace what is decided for each process by the peer's credentials,
which the kernel vouches for.  A narrower mode is a second lock for those who want one."""

_FACTORS: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_MAX_HISTORY_BYTES: Final = 64 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what peers may use.  Reaching one is an error for that peer alone."""

    connections: int = 256
    """In all: a descriptor and 3 MiB at worst for each, beside a subscription's queue."""
    connections_for_root: int = 16
    """Of these, so many are root's alone: others together cannot keep the administrator out."""
    connections_per_uid: int = 64
    """So that one user cannot keep the others out.  Does not bind root."""
    subscriptions_per_uid: int = 128
    """Each may hold a full queue.  Does not bind root."""
    message_bytes: int = 1 << 20
    """A call.  The longest honest one is a list of some thousand paths."""
    queue_events: int = 8192
    """Default for `drop` and `disconnect`: a tenth of a second of the fastest tracing."""
    block_events: int = 4096
    """Default for `block`: waiting costs nothing but time, so memory is the better thing to
    save."""
    queue_bytes: int = 8 << 20
    """Default for all policies."""
    max_queue_events: int = 1 << 16
    max_queue_bytes: int = 32 << 20
    """Requests for more are cut to these, not refused: a bound is a wish, not a promise."""
    queue_bytes_per_uid: int = 512 << 20
    """What the queues of a user's subscriptions may hold together.  Does not bind root."""
    string_limit: int = 256
    """Default; strace's own default, 32, is too short for most log lines."""
    max_string_limit: int = 1 << 16
    message_s: float = 30.0
    """A message that has begun has to end: a connection that holds half of one for ever would cost
    memory for nothing.  Between messages a peer may be silent for as long as it likes."""
    tracees: int = 8192
    """Threads under trace; beyond, new processes go untraced: a program that forks without end must
    not be able to take all the memory there is, at some 10 KiB for each."""
    history_bytes: int = 32 << 20
    """Of past events, for `since`; 0: none are kept."""
    heartbeat_ms: int = 100
    """The least interval: a heartbeat on idle wakes the tracer."""
    linger_s: float = 60.0
    """The longest that a broken subscription's wishes are heeded: programs are slower meanwhile."""
    attach_s: float = 60.0
    """Longest a call to Attach may wait for threads that do not stop."""
    stall_s: float = 30.0
    """A peer that accepts not one byte for so long is gone, unless it asked for `block`."""
    flush_s: float = 2.0
    """At shutdown: how long subscribers have to read what is queued for them."""
    stop_s: float = 5.0
    """At shutdown: how long the tracer has to let its tracees go.  After that the daemon exits
    all the same, and the kernel lets them go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The command line, parsed; and what a configuration file adds to it (config.py).

    given: names of those that the command line has.
    """

    given: frozenset[str] = field(default=frozenset(), compare=False)
    config: str | None = None
    """The configuration file; None: CONFIG, if it is there."""
    check_config: bool = False
    rules: Rules | None = None
    """Who may what; None: root everything, others what is their own."""
    socket: str | None = None
    """None: default_socket(), unless the service manager passed one."""
    mode: int = SOCKET_MODE
    log_format: Format = "text"
    log_level: str = "info"
    exit_on_eof: int | None = None
    trace_init: bool = False
    stuck_after: float = 10.0
    """Seconds; see core's checkup."""
    placement: Literal["auto", "none"] = "auto"
    """Whether the tracer may choose the CPU it runs on."""
    inject: Injection | None = None
    """Faults made on purpose."""
    limits: Limits = field(default_factory=Limits)


LIMIT_OPTIONS: Final = {"buffer_size": "history_bytes", "max_tracees": "tracees"}
"""Options that set a limit, by name."""


def default_socket(environ: Mapping[str, str] = os.environ) -> str:
    """Return where clients look: TRACERD_SOCKET, else a place of root's or of the user's.

    Raises LookupError for a user without XDG_RUNTIME_DIR: no other directory is sure to be
    theirs alone.
    """
    if path := environ.get("TRACERD_SOCKET"):
        return path
    if os.geteuid() == 0:
        return "/run/tracerd.sock"
    if directory := environ.get("XDG_RUNTIME_DIR"):
        return os.path.join(directory, "tracerd.sock")
    raise LookupError("XDG_RUNTIME_DIR is not set: name a socket with --socket PATH")


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line; ends the process with a message and code 2 if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="tracerd",
        description="Trace processes once, stream the events to many.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--version", action="version", version=f"tracerd {__version__}")
    parser.add_argument(
        "--config",
        metavar="PATH",
        help=f"configuration file (default: $TRACERD_CONFIG, else for root {CONFIG} if it is "
        "there); what is given here comes before what it says",
    )
    parser.add_argument(
        "--check-config",
        action="store_true",
        help="say whether the configuration can be used, and end",
    )
    parser.add_argument(
        "--socket",
        metavar="PATH",
        help="where to listen (default: $TRACERD_SOCKET, else /run/tracerd.sock for root, "
        "else $XDG_RUNTIME_DIR/tracerd.sock); not used under socket activation",
    )
    parser.add_argument(
        "--mode",
        type=_mode,
        metavar="OCTAL",
        help="permissions of the socket (default: 0666; access is decided per process by the "
        "peer's credentials)",
    )
    parser.add_argument("--log-format", choices=FORMATS, help="default: text")
    parser.add_argument("--log-level", choices=LEVELS, help="default: info")
    parser.add_argument(
        "--exit-on-eof",
        type=_descriptor,
        metavar="FD",
        help="end, as on SIGTERM, when this descriptor reaches end of file",
    )
    parser.add_argument(
        "--trace-init",
        action="store_true",
        help="let process 1 be attached to (while it waits for the tracer, the system waits)",
    )
    parser.add_argument(
        "--stuck-after",
        type=_seconds,
        metavar="SECONDS",
        help="report tracees that have been stopped for so long though nobody asked for it "
        "(default: 10)",
    )
    parser.add_argument(
        "--placement",
        choices=("auto", "none"),
        help="auto (default): where it helps, the tracer moves to the CPU of the program it traces "
        "(nothing of the program is changed); none: never",
    )
    parser.add_argument(
        "--max-tracees",
        type=_count,
        metavar="N",
        help="when so many threads are traced, the processes they make from then on go untraced, "
        "and a `blind` event says so (default: 8192)",
    )
    # For tests, and for authors of clients: not a thing to find in --help.
    parser.add_argument("--inject", type=_faults, metavar="FAULTS", help=argparse.SUPPRESS)
    parser.add_argument(
        "--buffer-size",
        type=_bytes,
        metavar="BYTES",
        help="how much of the recent past to keep for subscribers that come later or come back; "
        "K, M and G multiply; 0: nothing (default: 32M)",
    )
    given = vars(parser.parse_args(arguments))
    names = frozenset(given)
    limits = {LIMIT_OPTIONS[name]: given.pop(name) for name in names & LIMIT_OPTIONS.keys()}
    return Settings(**given, limits=Limits(**limits), given=names)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError
    return count


def _faults(text: str) -> Injection:
    from tracerd.core.injection import parse as parsed  # noqa: PLC0415  seldom needed

    try:
        return parsed(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _mode(text: str) -> int:
    mode = int(text, 8)
    if not 0 <= mode <= 0o777:
        raise ValueError
    return mode


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 86_400:
        raise ValueError
    return seconds


def _bytes(text: str) -> int:
    factor = _FACTORS.get(text[-1:].upper(), 1)
    digits = text[:-1] if factor > 1 else text
    if not (digits.isascii() and digits.isdecimal()):
        raise argparse.ArgumentTypeError(f"not a number of bytes: {text} (try 64M)")
    if int(digits) * factor > _MAX_HISTORY_BYTES:
        raise argparse.ArgumentTypeError(f"more than {_MAX_HISTORY_BYTES >> 30}G: {text}")
    return int(digits) * factor


def _descriptor(text: str) -> int:
    fd = int(text)
    try:
        kind = os.fstat(fd).st_mode
    except OSError as error:
        raise argparse.ArgumentTypeError(f"descriptor {fd} is not open") from error
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or os.isatty(fd)):
        raise argparse.ArgumentTypeError(f"descriptor {fd} is not a pipe, socket or terminal")
    return fd
