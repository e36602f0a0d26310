"""The methods that answer once.  Subscribe, which streams, is the session's own."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from tracerd import __version__, errors
from tracerd.core import procfs
from tracerd.core.commands import Snapshot
from tracerd.protocol import explain as explaining
from tracerd.protocol import interface, messages
from tracerd.protocol.interest import either
from tracerd.server.health import Health
from tracerd.server.log import dropped_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracerd.core.syscalls.model import Syscall
    from tracerd.core.tracee import Process
    from tracerd.protocol.filters import Compiled
    from tracerd.server.access import Peer
    from tracerd.server.admission import Admission
    from tracerd.server.attaches import Attaches
    from tracerd.server.hub import Hub
    from tracerd.server.settings import Limits
    from tracerd.server.targets import Targets
    from tracerd.server.tracing import Tracing


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What a session may use.  run: random per daemon run.  table: the syscalls."""

    run: str
    table: Sequence[Syscall]
    limits: Limits
    tracing: Tracing
    hub: Hub
    targets: Targets
    attaches: Attaches
    admission: Admission
    health: Health = field(default_factory=Health)
    started: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True, eq=False)
class Caller:
    """A connection, as the asker of something: connection-scope attaches are held by it."""

    peer: Peer


async def attach(house: House, caller: Caller, call: messages.Attach) -> messages.AttachReply:
    """Answer io.tracerd.Attach."""
    return await house.attaches.attach(caller.peer, caller, call)


async def detach(house: House, caller: Caller, call: messages.Detach) -> messages.DetachReply:
    """Answer io.tracerd.Detach, once the process runs free or the time is over."""
    return await house.attaches.detach(caller.peer, caller, call)


async def list_(house: House, caller: Caller, _call: messages.Nothing) -> messages.ListReply:
    """Answer io.tracerd.List."""

    def states(processes: Sequence[Process]) -> list[messages.ProcessState]:
        # On the tracer thread: its sets do not change under our hands there.
        return [
            messages.ProcessState(
                pid=each.pid,
                start=each.start,
                ppid=each.ppid,
                uid=each.uids[0],
                comm=each.comm,
                exe=each.exe,
                threads=sorted(each.threads),
                roots=house.targets.roots(each.owners),
                state="held" if each.held else "stopped" if each.stopped else "running",
                attached_ns=each.attached_ns,
                blind=sorted(each.blind),
            )
            for each in processes
            if caller.peer.may_see(each)
        ]

    found = await house.tracing.ask(Snapshot(), states)
    return messages.ListReply(processes=sorted(found, key=lambda each: each.pid))


async def status(house: House, caller: Caller, _call: messages.Nothing) -> messages.StatusReply:
    """Answer io.tracerd.Status.

    What others than the peer have is not counted either, but for who sees all.
    """
    now, health, peer = house.tracing.tracer.statistics, house.health, caller.peer
    everything = peer.powers.sees_all
    processes, tracees, held = now.processes, now.tracees, now.held
    if not everything:
        processes, tracees, held = await house.tracing.ask(Snapshot(), partial(_own, peer))
    descriptors, max_descriptors = _descriptors()
    counters = _counters(house)
    return messages.StatusReply(
        version=__version__,
        run=house.run,
        pid=os.getpid(),
        pump=now.pump,
        uptime_ns=int((time.monotonic() - house.started) * 1e9),
        head=now.head,
        processes=processes,
        tracees=tracees,
        held=held,
        connections=house.admission.of(peer),
        subscriptions=house.hub.states(peer),
        anomalies=sum(counters["faults"].values()),
        stuck=[
            messages.StuckTracee(
                pid=each.process.pid if each.process else 0,
                tid=each.tid,
                lasted_ns=each.lasted_ns,
                why=each.why,
            )
            for each in now.stuck
            if (peer.may_see(each.process) if each.process else everything)
        ],
        waiting=[
            messages.WaitingProcess(
                pid=process.pid,
                comm=process.comm,
                tids=sorted(tids),
                by=house.hub.blockers(process.identity),
            )
            for process, tids in now.waiting
            if caller.peer.may_see(process)
        ],
        memory_bytes=_resident_bytes(),
        memory_reads=now.reads() if everything else 0,
        stop_ns_log2=now.histogram() if everything else [],
        placements=now.placements() if everything else {},
        events_per_s=(
            round(health.events.per_second(time.monotonic(), now.head), 1) if everything else 0.0
        ),
        stops=now.stops if everything else 0,
        counters=counters if everything else {},
        answered_ns=health.pulse.age_ns,
        answer_ns=health.pulse.took_ns,
        descriptors=descriptors,
        max_descriptors=max_descriptors,
    )


def _own(peer: Peer, processes: Sequence[Process]) -> tuple[int, int, int]:
    """Count what a peer may see: processes, tracees, and tracees that are held."""
    seen = [each for each in processes if peer.may_see(each)]
    held = sum(len(each.threads) for each in seen if each.held)
    return len(seen), sum(len(each.threads) for each in seen), held


def _counters(house: House) -> dict[str, dict[str, int]]:
    counters, core = house.health.tally.counts(), house.tracing.tracer.statistics
    counters["faults"] |= {"odd_stops": core.odd_stops, "untold": core.untold}
    counters["history"] = {"evicted": house.hub.evicted}
    counters["let_go"] = {"tracee limit": core.let_go}
    counters["log"] = {"dropped": dropped_lines()}
    return counters


def _descriptors() -> tuple[int, int]:
    """Return how many files are open, and how many may be."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        return len(os.listdir("/proc/self/fd")) - 1, most  # less that of the look itself
    except OSError:
        return most, most  # not one is left to look with


def _resident_bytes() -> int:
    fields = (procfs.read("/proc/self/statm") or b"0 0").split()
    return int(fields[1]) * os.sysconf("SC_PAGESIZE")


async def unsubscribe(house: House, caller: Caller, call: messages.Unsubscribe) -> messages.Nothing:
    """Answer io.tracerd.Unsubscribe, once all that was queued has been written."""
    subscription = house.hub.find(call.id, caller.peer)
    await house.hub.retire(subscription, "unsubscribed")
    await subscription.wait_over()
    return messages.Nothing()


async def sync(house: House, caller: Caller, call: messages.Sync) -> messages.SyncReply:
    """Answer io.tracerd.Sync."""
    subscription = house.hub.find(call.id, caller.peer)
    return messages.SyncReply(seq=await house.hub.sync(subscription))


async def explain(house: House, _caller: Caller, call: messages.Explain) -> messages.ExplainReply:
    """Answer io.tracerd.Explain."""
    return messages.ExplainReply(**understood(house.hub.explain(call)))


async def update(house: House, caller: Caller, call: messages.Update) -> messages.UpdateReply:
    """Answer io.tracerd.Update, once it is in force."""
    subscription = house.hub.find(call.id, caller.peer)
    seq = await house.hub.update(subscription, call)
    return messages.UpdateReply(seq=seq, **understood(subscription.compiled))


def understood(compiled: Compiled) -> dict[str, Any]:
    """Return what replies say of filters."""
    return {
        "filters": compiled.normalised(),
        "pushed_down": explaining.calls(either(compiled.enter, compiled.exit)),
        "wishes": explaining.wishes(compiled),
    }


async def syscalls(
    house: House, _caller: Caller, call: messages.Syscalls
) -> messages.SyscallsReply:
    """Answer io.tracerd.Syscalls."""
    rows = house.table if call.abi is None else _table(call.abi)
    of_call = _classes()
    return messages.SyscallsReply(
        syscalls=[
            messages.SyscallInfo(
                name=row.name,
                nr=row.nr,
                classes=sorted(of_call.get(row.name, ())),
                args=[messages.Argument(name=arg.name, kind=arg.kind) for arg in row.args],
                ret=row.ret,
                abi=row.abi,
                level=row.level,
            )
            for row in rows
        ]
    )


def _classes() -> dict[str, list[str]]:
    """Return the classes of each call, the finer ones of strace among them."""
    from tracerd.core.syscalls import CLASSES  # noqa: PLC0415  not needed to serve

    of_call: dict[str, list[str]] = {}
    for name, calls in CLASSES.items():
        for call in calls:
            of_call.setdefault(call, []).append(name)
    return of_call


def _table(abi: str) -> Iterable[Syscall]:
    """Return the rows of an ABI, by number."""
    from tracerd.core.syscalls import TABLED, table  # noqa: PLC0415  not needed to serve

    if abi not in TABLED:
        raise errors.InvalidParameter(parameter="abi", reason=f"not one of {', '.join(TABLED)}")
    return table(abi).by_number.values()


async def get_info(
    _house: House, _caller: Caller, _call: messages.Nothing
) -> messages.GetInfoReply:
    """Answer org.varlink.service.GetInfo."""
    return messages.GetInfoReply(
        vendor="tracerd",
        product="tracerd",
        version=__version__,
        url="",
        interfaces=list(interface.INTERFACES),
    )


async def get_interface_description(
    _house: House, _caller: Caller, call: messages.GetInterfaceDescription
) -> messages.InterfaceDescription:
    """Answer org.varlink.service.GetInterfaceDescription."""
    return messages.InterfaceDescription(description=interface.description(call.interface))


Handler: TypeAlias = Callable[[House, Caller, Any], Awaitable[msgspec.Struct]]

SUBSCRIBE: Final = "io.tracerd.Subscribe"

HANDLERS: Final[dict[str, Handler]] = {
    "io.tracerd.Attach": attach,
    "io.tracerd.Detach": detach,
    "io.tracerd.List": list_,
    "io.tracerd.Status": status,
    "io.tracerd.Explain": explain,
    "io.tracerd.Update": update,
    "io.tracerd.Unsubscribe": unsubscribe,
    "io.tracerd.Sync": sync,
    "io.tracerd.Syscalls": syscalls,
    "org.varlink.service.GetInfo": get_info,
    "org.varlink.service.GetInterfaceDescription": get_interface_description,
}
"""Every method of messages.METHODS but Subscribe."""
