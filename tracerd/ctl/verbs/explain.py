r"""Tell what filters mean to the daemon, without watching anything.

  tracerctl explain --path '/etc/**' --failed
  tracerctl explain --tree 4321 -e '%network,!bind'

It shows for which events and calls the tracer stops, in which processes, and what is judged
afterwards, event by event.  All other calls run at full speed, if `run` uses a seccomp filter or
nobody else asks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from tracerd.client.selection import filter_of
from tracerd.ctl import filters
from tracerd.ctl.session import session
from tracerd.ctl.text.columns import columns
from tracerd.ctl.text.escape import escape

if TYPE_CHECKING:
    import argparse

    from tracerd.protocol.messages import ExplainReply, Filter, Wish

ALL: Final = ["*"]


def prepare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    filters.add_options(parser)
    filters.add_level(parser)
    parser.add_argument("--json", action="store_true", help="the daemon's answer, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Run it."""
    stated = filters.selection(arguments)
    asked = [filter_of(stated)] if stated else []
    with session(arguments) as (client, _):
        reply = client.explain(asked, arguments.level or "path")
    if arguments.json:
        print(msgspec.json.encode(reply).decode())
        return 0
    for line in _lines(reply):
        print(line)
    return 0


def _lines(reply: ExplainReply) -> list[str]:
    [wish] = reply.wishes
    understood = "".join(msgspec.json.encode(one).decode() for one in reply.filters)
    return list(columns([("filter", escape(understood) or "everything"), *_rows(wish)]))


def _rows(wish: Wish) -> list[tuple[str, str]]:
    if not wish.types:
        return [("events", "none: it can match nothing")]
    rows = [("events", ", ".join(wish.types))]
    if wish.enter:
        rows.append(("entries of", _calls(wish.enter)))
    rows.append(("stops for", _calls(wish.exit)))
    if wish.paths is not None:
        rows.append(("paths like", escape(", ".join(f"{path}*" for path in wish.paths))))
    rows.append(("of processes", _processes(wish.covers)))
    rows.append(("then judged", ", ".join(wish.judged) or "nothing more"))
    return rows


def _calls(names: list[str]) -> str:
    return "all calls" if names == ALL else ", ".join(names) or "no calls"


def _processes(covers: Filter) -> str:
    said = msgspec.json.encode(covers).decode()
    return "all" if said == "{}" else escape(said)
