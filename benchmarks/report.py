"""Figures, what they are to reach, and Markdown tables of them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from goals import GOALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from goals import Reach

HEAD = ("what", "against", "median (lowest-highest)", "reach", "")


@dataclass(frozen=True)
class Figure:
    """One measured thing.

    what, against: what it is, and what it was measured against.  unit: of one that is absolute;
    empty: it is a ratio.  samples: one of each round; the median is judged.
    """

    what: str
    against: str
    samples: Sequence[float]
    reaches: tuple[Reach, ...] = ()
    unit: str = ""

    @property
    def median(self) -> float:
        """The middle of the samples."""
        return statistics.median(self.samples)

    def meets(self, reach: Reach) -> bool:
        """Whether the median is good enough.  What was not measured is not."""
        return bool(self.samples) and reach.met(self.median)

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or nothing if nothing was to be reached."""
        if not self.reaches:
            return ""
        if not self.samples:
            return "not measured"
        return "met" if all(map(self.meets, self.reaches)) else "**missed**"

    @property
    def shown(self) -> str:
        """Median (lowest-highest), with its unit."""
        if not self.samples:
            return "-"
        low, high = number(min(self.samples)), number(max(self.samples))
        unit = f" {self.unit}" if self.unit else ""
        return f"{number(self.median)}{unit}" + (f" ({low}-{high})" if low != high else "")

    @property
    def reach(self) -> str:
        """What is to be reached, in short."""
        return ", ".join(map(str, self.reaches))


@dataclass
class Table:
    """What one row of the benchmarks found.

    how: what was done, said below the title.  wide: a line per `what`, a column per `against`.
    """

    title: str
    how: str
    wide: bool = False
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        what: str,
        against: str,
        samples: Sequence[float],
        *reaches: Reach,
        unit: str = "",
    ) -> None:
        """Add a figure; see Figure."""
        self.figures.append(Figure(what, against, samples, reaches, unit))

    def note(self, text: str) -> None:
        """Add a remark, once."""
        if text not in self.notes:
            self.notes.append(text)


def number(value: float) -> str:
    """Show three digits or so."""
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 else 3
    return f"{value:,.{digits}f}" if size else "0"


def markdown(table: Table) -> str:
    """Return a table as Markdown."""
    parts = [f"### {table.title}", table.how]
    if table.figures:
        parts.append(_wide(table.figures) if table.wide else _long(table.figures))
    if table.notes:
        parts.append("\n".join(f"- {note}" for note in table.notes))
    return "\n\n".join(parts) + "\n"


def _long(figures: Sequence[Figure]) -> str:
    return _grid(
        HEAD, [(one.what, one.against, one.shown, one.reach, one.verdict) for one in figures]
    )


def _wide(figures: Sequence[Figure]) -> str:
    columns = list(dict.fromkeys(one.against for one in figures))
    lines = {one.what: {"": one.what} for one in figures}
    for one in figures:
        judged = f"; {one.reach}: {one.verdict}" if one.reaches else ""
        lines[one.what][one.against] = one.shown + judged
    rows = [[line.get(column, "") for column in ("", *columns)] for line in lines.values()]
    return _grid(("", *(f"by {column}" for column in columns)), rows)


def summary(tables: Iterable[Table]) -> str:
    """Return the table of goals: the worst figure of each, met only if all its figures are."""
    asked = [(reach, one) for table in tables for one in table.figures for reach in one.reaches]
    rows = []
    for goal in GOALS:
        mine = [(reach, one) for reach, one in asked if reach.goal == goal.name]
        judged = [(reach, one) for reach, one in mine if one.samples]
        if not judged:
            rows.append((goal.words, "", "", "not measured"))
            continue
        reach, worst = max(judged, key=lambda pair: pair[1].median / (pair[0].limit or 1))
        met = sum(one.meets(reach) for reach, one in mine)
        verdict = "met" if met == len(mine) else f"**missed** ({met} of {len(mine)} met)"
        rows.append((goal.words, str(reach), f"{worst.shown}: {worst.what}", verdict))
    return "## What is to be reached\n\n" + _grid(("what", "reach", "worst figure", ""), rows)


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return the text of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )
