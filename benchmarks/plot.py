"""A figure of small line plots, as SVG: x is logarithmic, y begins at 0, a band shows the range."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT, GAP = 300, 220, 24
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 66, 52
"""Room around the axes of a panel, in pixels."""
INK, PALE, PAPER = "#1b1f24", "#d0d7de", "#ffffff"
COLOURS = ("#0550ae", "#bc4c00", "#1a7f37", "#8250df")
"""Dark enough on white for small text, and told apart by those who see no red or green."""
DASHES = ("", "6 4", "2 3", "8 3 2 3")


class Point(NamedTuple):
    """One place on a line: the median, and the lowest and highest of its rounds."""

    x: float
    low: float
    middle: float
    high: float


@dataclass
class Panel:
    """One plot.  x, y: labels of the axes, with units.  lines: by name."""

    title: str
    x: str
    y: str
    lines: dict[str, list[Point]] = field(default_factory=dict)


def figure(title: str, panels: list[Panel]) -> str:
    """Return an SVG of the panels, side by side, with one legend."""
    width = len(panels) * (WIDTH + GAP) + GAP
    height = HEIGHT + TOP + BOTTOM
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    parts = [
        f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
  width="{width}" height="{height}" font-family="sans-serif" font-size="12" fill="{INK}">""",
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
        _text(GAP, 24, title, size=15, weight="bold"),
        *_legend(names, width),
    ]
    for number, panel in enumerate(panels):
        left = GAP + number * (WIDTH + GAP)
        parts += [f'<g transform="translate({left} {TOP})">', *_panel(panel, names), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _legend(names: list[str], width: int) -> list[str]:
    parts = []
    for number, name in enumerate(names):
        x = width - GAP - (len(names) - number) * 130
        parts += [
            f'<line x1="{x}" y1="20" x2="{x + 26}" y2="20" {_stroke(number)}/>',
            _text(x + 32, 24, name),
        ]
    return parts


def _panel(panel: Panel, names: list[str]) -> list[str]:
    points = [point for line in panel.lines.values() for point in line]
    if not points:
        return [_text(LEFT, HEIGHT / 2, "not measured")]
    step = _step(max(point.high for point in points))
    top = step * math.ceil(max(point.high for point in points) / step)
    first, last = (math.log10(edge(point.x for point in points)) for edge in (min, max))
    inner = WIDTH - LEFT - RIGHT

    def across(x: float) -> float:
        return LEFT + inner * ((math.log10(x) - first) / (last - first) if last > first else 0.5)

    def down(y: float) -> float:
        return HEIGHT * (1 - y / top)

    parts = [_text(LEFT, -14, panel.title, weight="bold")]
    for number in range(round(top / step) + 1):
        y = down(number * step)
        parts += [
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + inner}" y2="{y:.1f}" stroke="{PALE}"/>',
            _text(LEFT - 8, y + 4, f"{number * step:g}", anchor="end"),
        ]
    for x in sorted({point.x for point in points}):
        parts.append(
            f'<line x1="{across(x):.1f}" y1="{HEIGHT}" x2="{across(x):.1f}" y2="{HEIGHT + 5}" '
            f'stroke="{INK}"/>'
        )
        parts.append(_text(across(x), HEIGHT + 19, f"{x:,.0f}", anchor="middle"))
    parts += [
        f'<path d="M{LEFT} 0V{HEIGHT}H{LEFT + inner}" fill="none" stroke="{INK}"/>',
        _text(LEFT + inner / 2, HEIGHT + 40, panel.x, anchor="middle"),
        _text(12, HEIGHT / 2, panel.y, anchor="middle", turn=True),
    ]
    for name, line in panel.lines.items():
        number = names.index(name)
        edge = [f"{across(p.x):.1f},{down(p.high):.1f}" for p in line]
        edge += [f"{across(p.x):.1f},{down(p.low):.1f}" for p in reversed(line)]
        middle = [f"{across(p.x):.1f},{down(p.middle):.1f}" for p in line]
        colour = COLOURS[number % len(COLOURS)]
        parts += [
            f'<polygon points="{" ".join(edge)}" fill="{colour}" fill-opacity="0.15"/>',
            f'<polyline points="{" ".join(middle)}" fill="none" {_stroke(number)}/>',
            *(
                f'<circle cx="{place.split(",")[0]}" cy="{place.split(",")[1]}" r="3" '
                f'fill="{colour}"/>'
                for place in middle
            ),
        ]
    return parts


def _step(highest: float) -> float:
    """Return a round distance between marks that gives three to seven of them."""
    power = 10.0 ** math.floor(math.log10(highest or 1))
    return next(power * part for part in (0.2, 0.5, 1, 2) if highest / (power * part) <= 6)


def _stroke(number: int) -> str:
    dash = DASHES[number % len(DASHES)]
    return f'stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="2"' + (
        f' stroke-dasharray="{dash}"' if dash else ""
    )


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 12,
    weight: str = "normal",
    anchor: str = "start",
    turn: bool = False,
) -> str:
    turned = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turn else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}"{turned}>{escape(words)}</text>'
    )
