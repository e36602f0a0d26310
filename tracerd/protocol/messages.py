"""Calls and replies of the `io.tracerd` interface, as structs.

The Varlink text in `io.tracerd.varlink` says the same in IDL; a test keeps the
two equal.  A request with an unknown field is refused: a filter that is ignored
is worse than one that is refused.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tracerd.protocol.detail import DetailName
from tracerd.protocol.events import FileAccess as FileAccess  # noqa: PLC0414  re-export for docs

INTERFACE = "io.tracerd"


class Match(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One alternative list per field.  An empty list says nothing about its field."""

    pid: list[int] = []
    """Processes (thread-group ids)."""
    tree: list[int] = []
    """Processes with all their descendants."""
    tid: list[int] = []
    uid: list[int] = []
    """Real user id of the process."""
    comm: list[str] = []
    """Command names; `*` and `?` are wild."""
    exe: list[str] = []
    """Path patterns on the executable."""
    type: list[str] = []
    """Event types."""
    syscall: list[str] = []
    """Names, `%classes`, wildcards (`open*`) or `/regular expressions`."""
    path: list[str] = []
    """Exact, `dir/` (everything below), or globs with `*`, `?`, `[...]` and `**`."""
    op: list[str] = []
    """File operations, see events.OPS."""
    result: list[str] = []
    """`ok`, `error`, or errno names."""


class Filter(Match, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """All fields that say something must match, and nothing in `not` may."""

    min_duration_ns: int = 0
    not_: Match | None = msgspec.field(name="not", default=None)


class CallSelection(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Filters, and what counts as file access, as in Subscribe: the calls that they can match."""

    filters: list[Filter] = []
    level: Literal["path", "fd", "io"] = "path"


class Attach(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Bring a process with all its threads, and all children to come, under trace.

    scope `connection`: held until the asking connection ends; `daemon`: until
    Detach.  until_exec: say nothing of it before its next successful execve.
    calls: the process is about to install a seccomp filter that stops it for these only; with
    until_exec.
    keep: record what these filters want of it and its descendants, as long as it is attached,
    though nobody may watch: for `since`.  They say nothing of `tree`.
    """

    pid: int
    scope: Literal["daemon", "connection"] = "daemon"
    until_exec: bool = False
    timeout_ms: int = 10_000
    calls: CallSelection | None = None
    keep: CallSelection | None = None


class AttachReply(msgspec.Struct, kw_only=True):
    """`pending` threads were seized but had not stopped yet at the deadline.

    calls: what the seccomp filter has to stop for (SECCOMP_RET_TRACE), numbers by ABI: `x86_64`,
    `i386`.  Unset: there must be no filter.
    """

    pid: int
    threads: list[int]
    pending: list[int] = []
    calls: dict[str, list[int]] | msgspec.UnsetType | None = msgspec.UNSET


class Detach(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Give up the attach of `pid` made with scope `daemon`, or by this connection."""

    pid: int
    timeout_ms: int = 10_000


class DetachReply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`holders`: others that still keep the process under trace (0: it runs free now).

    `pending` threads had not stopped yet at the deadline: they leave when they do.
    """

    pid: int
    holders: int
    pending: list[int] = []


class Nothing(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """No parameters."""


class ProcessState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A traced process, for List."""

    pid: int
    start: int
    ppid: int
    uid: int
    comm: str
    exe: str
    threads: list[int]
    roots: list[int]
    """The attached pids it came under trace with."""
    state: str
    """`running`, `stopped` (group-stop), `held` (by a full `block` subscription)."""
    attached_ns: int
    """Unix time."""
    blind: list[str] = []
    """What of it is known not to be seen: `what` of the Blind events there were."""


class ListReply(msgspec.Struct, kw_only=True):
    """All processes the peer may see."""

    processes: list[ProcessState]


class SubscriptionState(msgspec.Struct, kw_only=True):
    """matched = delivered + queued + lost, always."""

    id: str
    uid: int
    pid: int
    """Of the subscriber, as the kernel named it at connect."""
    detail: str = "full"
    overflow: str
    filters: list[Filter]
    matched: int
    delivered: int
    queued: int
    lost: int
    blocking: bool
    """Its tracees are waiting for it now."""
    queued_max: int = 0
    """Most events that were ever queued."""
    queued_bytes: int = 0
    queue_events: int = 0
    """The bounds of its queue."""
    queue_bytes: int = 0
    blocked_ns: int = 0
    """For how long, in all, tracees have waited for it, until they last went on."""
    blocking_since_ns: int = 0
    """Since when they wait now, Unix time; 0: they do not."""
    degraded: bool = False
    """It was `block`, and its budget is spent."""


class Blocker(msgspec.Struct, kw_only=True):
    """A full `block` subscription: its id, user and process, and since when (Unix time)."""

    id: str
    uid: int
    pid: int
    since_ns: int


class WaitingProcess(msgspec.Struct, kw_only=True):
    """A traced process that has to wait for subscribers.

    tids: the tasks that do already; the others will at their next call.
    """

    pid: int
    comm: str
    tids: list[int]
    by: list[Blocker]


class StuckTracee(msgspec.Struct, kw_only=True):
    """A tracee that has been stopped for long though nobody asked for it: a fault of ours."""

    pid: int
    """0 if not known."""
    tid: int
    lasted_ns: int
    why: str


class StatusReply(msgspec.Struct, kw_only=True):
    """The daemon's health."""

    version: str
    run: str
    """Random per daemon run: sequence numbers of two runs do not compare."""
    pid: int
    pump: str
    uptime_ns: int
    head: int
    """seq of the newest event."""
    processes: int
    tracees: int
    held: int
    connections: int
    subscriptions: list[SubscriptionState]
    anomalies: int
    """Stops that no rule of the state machine covers, and records that could not be told; each was
    logged."""
    stuck: list[StuckTracee] = []
    waiting: list[WaitingProcess] = []
    """Processes that have to wait for subscribers, and for which."""
    memory_bytes: int = 0
    """Resident memory of the daemon."""
    memory_reads: int = 0
    """How often memory of traced processes was read at their calls; see Subscribe.detail."""
    stop_ns_log2: list[int] = []
    """Syscall stops by how long the task stood still, from the wait that showed it to its resume:
    entry n counts those of 2^n to 2^(n+1) ns.  Empty if the pump does not measure."""
    placements: dict[str, int] = {}
    """How often the pump moved to a lone tracee's CPU, and why it left again."""
    events_per_s: float = 0.0
    """In the last seconds."""
    stops: int = 0
    """Stops of tracees that the daemon has handled."""
    counters: dict[str, dict[str, int]] = {}
    """What was lost, refused and ended since the start, by family and reason."""
    answered_ns: int = 0
    """How long ago all the daemon's threads last answered, one through the other."""
    answer_ns: int = 0
    """How long that answer took."""
    descriptors: int = 0
    """Open file descriptors of the daemon."""
    max_descriptors: int = 0


class Subscribe(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Open a stream of events.  An event passes if any filter matches; no filter: all pass.

    level: how much counts as file access (events.LEVELS).
    detail: how much of each event is sent (detail.Detail): what nobody wants is not read from the
    traced processes.
    block_budget_ms: for how long, in all, traced processes may wait for a `block` subscription;
    then it goes on as `drop`, and what it loses is put down to `budget`.  0: as long as it takes.
    queue_events, queue_bytes: bounds of this subscription's queue; 0: the default.
    string_limit: where buffers and long strings are cut, bytes.
    until: end the stream once the attach of this pid has ended.
    since, on_gap: begin with past events (see cursors.py); what to do if they are gone.
    snapshot: begin with the processes as they are.
    heartbeat_ms: how long nothing is sent at most; 0: for ever.
    linger_ms: how long to go on recording if the connection breaks.
    """

    filters: list[Filter] = []
    level: Literal["path", "fd", "io"] = "path"
    detail: DetailName = "full"
    overflow: Literal["drop", "block", "disconnect"] = "drop"
    block_budget_ms: int = 0
    queue_events: int = 0
    queue_bytes: int = 0
    string_limit: int = 0
    envp: bool = False
    fd_info: bool = False
    until: int = 0
    since: str = ""
    on_gap: Literal["error", "continue"] = "error"
    snapshot: bool = False
    heartbeat_ms: int = 0
    linger_ms: int = 0


class Wish(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a filter wants of the tracer: what was pushed down, and what was not.

    types: of events; none: it cannot match.  enter, exit: calls wanted as syscall_enter and as
    syscall_exit; [`*`]: all.  paths: a call is told of only if a path of its begins with one of
    these; None: whatever its paths are.  covers: the part that is judged of processes: of others
    nothing is wanted.  judged: the fields that the daemon holds against each event.
    """

    types: list[str] = []
    enter: list[str] = []
    exit: list[str] = []
    paths: list[str] | None = None
    covers: Filter = msgspec.field(default_factory=Filter)
    judged: list[str] = []


class SubscribeReply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """First reply: who, and the filters as understood.  Then: `events` batches.

    The last reply (Varlink `continues` false) has `end`: `target` (see
    Subscribe.until), `shutdown`, `unsubscribed`, `slow` (overflow `disconnect`), `failed` (a
    fault of the daemon's).
    """

    id: str = ""
    run: str = ""
    head: int = 0
    oldest: int = 0
    filters: list[Filter] | None = None
    pushed_down: list[str] | None = None
    """Syscalls the tracer stops for on behalf of this subscription; [`*`]: all."""
    events: list[msgspec.Raw] | None = None
    end: str = ""
    recorded_from: int = 0
    """All that the filters want has been recorded from this seq on, without a break."""
    wishes: list[Wish] | None = None
    """What each filter wants of the tracer."""


class Explain(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Tell what a subscription with these filters would be, without making one."""

    filters: list[Filter] = []
    level: Literal["path", "fd", "io"] = "path"


class ExplainReply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """As in SubscribeReply."""

    filters: list[Filter]
    pushed_down: list[str]
    wishes: list[Wish]


class Update(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Change what a live subscription asks for; what is not given stays as it is."""

    id: str
    filters: list[Filter] | None = None
    level: Literal["path", "fd", "io"] | None = None
    detail: DetailName | None = None
    string_limit: int | None = None
    envp: bool | None = None
    fd_info: bool | None = None


class UpdateReply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The events after `seq` are those of the new request; for the rest see SubscribeReply."""

    seq: int
    filters: list[Filter]
    pushed_down: list[str]
    wishes: list[Wish]


class Unsubscribe(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """End a subscription of one's own, after what is queued has been written."""

    id: str


class Sync(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Answer when every event that happened before has been written to the subscription."""

    id: str


class SyncReply(msgspec.Struct, kw_only=True):
    """seq of the newest event at that moment."""

    seq: int


class Argument(msgspec.Struct, kw_only=True):
    """How to read one value of an event's `args`.

    kind: one of core's argument kinds (`path`, `fd`, `flags`, …); a reader that
    does not know a kind shows the value as JSON.
    """

    name: str
    kind: str


class Syscalls(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Show a syscall table: of one ABI, or a row for every name there is."""

    abi: str | None = None


class SyscallInfo(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A row of the syscall table.

    classes: without the `%`.  level: from which level on it counts as file access, see
    events.LEVELS; empty: from none.
    """

    name: str
    nr: int
    classes: list[str]
    args: list[Argument]
    ret: str
    abi: str = "x86_64"
    level: str = ""


class SyscallsReply(msgspec.Struct, kw_only=True):
    """The table asked for."""

    syscalls: list[SyscallInfo]


class GetInterfaceDescription(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """org.varlink.service."""

    interface: str


class InterfaceDescription(msgspec.Struct, kw_only=True):
    """org.varlink.service."""

    description: str


class GetInfoReply(msgspec.Struct, kw_only=True):
    """org.varlink.service."""

    vendor: str
    product: str
    version: str
    url: str
    interfaces: list[str]


class Call(msgspec.Struct, omit_defaults=True):
    """A Varlink call.  `parameters` stay raw until the method is known."""

    method: str
    parameters: msgspec.Raw = msgspec.Raw(b"{}")
    oneway: bool = False
    more: bool = False
    upgrade: bool = False


class Reply(msgspec.Struct, omit_defaults=True):
    """A Varlink reply."""

    parameters: Any = {}
    continues: bool = False
    error: str | None = None


METHODS: dict[str, type[msgspec.Struct]] = {
    "io.tracerd.Attach": Attach,
    "io.tracerd.Detach": Detach,
    "io.tracerd.List": Nothing,
    "io.tracerd.Status": Nothing,
    "io.tracerd.Subscribe": Subscribe,
    "io.tracerd.Explain": Explain,
    "io.tracerd.Update": Update,
    "io.tracerd.Unsubscribe": Unsubscribe,
    "io.tracerd.Sync": Sync,
    "io.tracerd.Syscalls": Syscalls,
    "org.varlink.service.GetInfo": Nothing,
    "org.varlink.service.GetInterfaceDescription": GetInterfaceDescription,
}
"""Every method, with the shape of its parameters."""
