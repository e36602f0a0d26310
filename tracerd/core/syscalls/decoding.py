"""From a call's words and captures to the values of its event.

A row's steps are worked out once: per argument its name, its decoder and where its
capture is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec.structs import replace

from tracerd.core.decode.words import ABSENT
from tracerd.core.syscalls.model import WIDTHS, Captured, Decode, Pair, Part, Syscall, Words
from tracerd.core.syscalls.plan import REMEMBERED, plan_for

Step: TypeAlias = tuple[str, Decode, int]
"""(argument's name, its decoder, index of its capture; -1: the None at the end)."""


class _Steps(NamedTuple):
    """What to do for a row.

    entered: captures counted in those of the enter-stop.  returned: in those of both stops,
    one after the other; the exit's own preferred.  pairs: places in that row of what follows
    it, for arguments that are decoded from both of their captures.
    """

    entered: tuple[Step, ...]
    returned: tuple[Step, ...]
    pairs: tuple[tuple[int, int], ...]
    enter_size: int
    exit_size: int
    narrow: bool
    """Only the low halves of the words count."""
    parted: bool
    """It stands for other calls."""


@lru_cache(maxsize=REMEMBERED)
def _steps_for(syscall: Syscall) -> _Steps:
    plan = plan_for(syscall)
    size = len(plan.enter)
    behind = size + len(plan.exit)
    pairs: list[tuple[int, int]] = []
    entered: list[Step] = []
    returned: list[Step] = []
    for arg, at_enter, at_exit in zip(syscall.args, plan.arg_enter, plan.arg_exit, strict=True):
        entered.append((arg.name, arg.decode, at_enter))
        at = at_enter if at_exit < 0 else size + at_exit
        if arg.both:
            at = behind + len(pairs)
            pairs.append((at_enter, size + at_exit))
        returned.append((arg.name, arg.decode, at))
    narrow = WIDTHS.get(syscall.abi) == 4
    parted = bool(syscall.parts)
    return _Steps(
        tuple(entered), tuple(returned), tuple(pairs), size, len(plan.exit), narrow, parted
    )


def decode_args(
    syscall: Syscall, words: Words, enter: Sequence[Captured], exit_: Sequence[Captured]
) -> dict[str, Any]:
    """Return the arguments by name, in the kernel's order, as JSON values.

    Arguments that the kernel does not look at in this call (the mode of an open that makes
    no file) are left out.

    enter, exit_: what the row's plan captured at each stop; empty if that was not done.
    Total: never raises.
    """
    steps = _steps_for(syscall)
    if steps.narrow:
        words = replace(words, args=tuple([word & _LOW for word in words.args]))
    if steps.parted:
        part = part_of(syscall, enter, exit_)
        if part is not None:
            row, before, after = part
            return decode_args(row, replace(words, args=before.args), before.captured, after)
    captured: tuple[Captured, ...]
    if len(enter) != steps.enter_size:
        enter = (None,) * steps.enter_size
    if words.returned and not words.failed and len(exit_) == steps.exit_size:
        captured = (*enter, *exit_, None)
        if steps.pairs:
            pairs = [Pair(captured[before], captured[after]) for before, after in steps.pairs]
            captured = (*enter, *exit_, *pairs, None)
        todo = steps.returned
    else:
        captured = (*enter, None)
        todo = steps.entered
    return {
        name: value
        for word, (name, decode, at) in zip(words.args, todo, strict=False)
        if (value := decode(word, captured[at], words)) is not ABSENT
    }


def part_of(
    syscall: Syscall, enter: Sequence[Captured], exit_: Sequence[Captured]
) -> tuple[Syscall, Part, tuple[Captured, ...]] | None:
    """Return the call that this one stands for: its row, and what was captured at each stop.

    None if it stands for no other, or it could not be seen for which.
    """
    at = plan_for(syscall).part
    if at < 0 or at >= len(enter):
        return None
    before = enter[at]
    if not isinstance(before, Part):
        return None
    after = exit_[at] if at < len(exit_) else None
    row = syscall.parts[before.which]
    return row, before, after.captured if isinstance(after, Part) else ()


_RETURNED: Final[dict[str, Callable[[int], str | None]]] = {
    "ptr": lambda value: f"{value & _ALL:#x}",
    "word": lambda value: f"{value & _ALL:#x}",
    "mode": lambda value: f"0{value & _ALL:03o}",
    "none": lambda _value: None,
}
"""Kinds of results that are not shown as numbers."""
_ALL: Final = 0xFFFF_FFFF_FFFF_FFFF
_LOW: Final = 0xFFFF_FFFF


def decode_ret(syscall: Syscall, value: int) -> int | str | None:
    """Return what a call that succeeded returned.  value: the signed register.

    Addresses are hexadecimal strings; None for calls that return nothing.
    """
    show = _RETURNED.get(syscall.ret)
    if show is not None and WIDTHS.get(syscall.abi) == 4:
        value &= _LOW
    return value if show is None else show(value)
