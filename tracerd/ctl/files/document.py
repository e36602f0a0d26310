"""The report as one JSON document, for programs.

Fields are never removed or retyped, as with events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracerd.ctl.files.accesses import Name
    from tracerd.ctl.files.report import Report, Tally


def document(report: Report, **about: object) -> dict[str, Any]:
    """Return the report; `about` (command, exit code ...) stands first.

    A name comes as `path`, and base64 in `path_b64` where text does not carry it.
    """
    return {
        "type": "files",
        **about,
        "files": [{**_name("path", name), **_tally(t)} for name, t in report.files.items()],
        "renames": [
            {**_name("from", rename.old), **_name("to", rename.new), **_tally(t)}
            for rename, t in report.renames.items()
        ],
        "failed": [
            {**_name("path", failure.name), "errno": failure.errno, **_tally(t)}
            for failure, t in report.failures.items()
        ],
        "complete": report.complete,
        "lost": report.lost,
        "blind": [
            {"pid": event.pid, "comm": event.comm, "what": event.what, "detail": event.detail}
            for event in report.blind
        ],
        "unresolved": report.unresolved,
        "interrupted": report.interrupted,
    }


def _name(field: str, name: Name) -> dict[str, str]:
    fields = {field: name.shown}
    if name.exact is not None:
        fields[f"{field}_b64"] = name.exact
    return fields


def _tally(tally: Tally) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "ops": dict(tally.ops),
        "count": tally.count,
        "processes": _processes(tally.who),
    }
    if tally.real:
        fields["real"] = sorted(tally.real)
    if tally.via:
        fields["via"] = sorted(tally.via)
    if tally.implied:
        fields["implied"] = True
    if tally.unresolved:
        fields["unresolved"] = True
    return fields


def _processes(who: Mapping[str, set[int]]) -> list[dict[str, Any]]:
    return [{"comm": comm, "pids": sorted(pids)} for comm, pids in who.items()]
