"""Every task is born once, told of in order and ends once; then nothing is kept of it."""

from tracerd.core.commands import Snapshot
from tracerd.protocol.events import Exec, Exit, NewChild, SignalExit

ENDS = (Exit, SignalExit)


def untold(events):
    """Return what is wrong with the births and ends in these events of a program's whole run.

    A task that exec'ed takes the place of its leader, whose own end nobody is told.
    """
    alive, wrong = {events[0].tid}, []
    for event in events:
        if event.tid not in alive and not isinstance(event, Exec):
            wrong.append(("told of while not alive", event))
        if isinstance(event, NewChild):
            if event.child in alive:
                wrong.append(("born twice", event))
            alive.add(event.child)
        if isinstance(event, ENDS):
            alive.discard(event.tid)
        if isinstance(event, Exec):
            alive.discard(event.former_tid)
            alive.add(event.tid)
    return wrong + [("no end", tid) for tid in alive]


def kept(tracing):
    """Return the tables of a tracer that traces nothing and yet are not empty."""
    assert tracing.command(Snapshot()) == []
    scene = tracing.tracer._scene
    tables = {
        "tasks": scene.tracker.tasks,
        "processes": scene.processes,
        "targets": scene.targets,
        "comms": scene.comms,
        "told_tasks": tracing.tracer._teller._tasks,
        "told_processes": tracing.tracer._teller._processes,
        **scene.pump.kept(),
    }
    return {name: table for name, table in tables.items() if table}
