"""Names of numbers: FlagSet for words made of bits, ValueSet for words that are one value.

Both keep what they do not know, so that rendering is total and can be reversed:
`parse(render(x)) == x` for every x.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tracerd.core.decode.words import signed32
from tracerd.core.syscalls.model import Captured, Decode, Words

_REMEMBERED: Final = 1024
"""Words kept per set: programs use few, but a hostile tracee can pass any."""


class ValueSet:
    """Names of single values."""

    def __init__(self, *tables: Mapping[str, int]) -> None:
        self.values: dict[str, int] = {}
        for table in tables:
            self.values.update(table)
        # The first of several names of a value is the one shown.
        self.names: dict[int, str] = {v: n for n, v in reversed(self.values.items())}
        self._decoders: dict[bool, Decode] = {}

    def render(self, value: int) -> str | int:
        """Return the name of a value, or the value."""
        return self.names.get(value, value)

    def parse(self, shown: str | int) -> int:
        """Return the value that `render` was given.  Raises KeyError for an unknown name."""
        return self.values[shown] if isinstance(shown, str) else shown

    def decoder(self, *, signed: bool = True) -> Decode:
        """Return the decoder of an int argument (unsigned: of an unsigned int), always the same."""
        known = self._decoders.get(signed)
        if known is None:
            known = self._decoders[signed] = self._decoder(signed=signed)
        return known

    def _decoder(self, *, signed: bool) -> Decode:
        names = self.names

        if signed:

            def decode(word: int, _captured: Captured, _call: Words) -> str | int:
                value = signed32(word)
                return names.get(value, value)
        else:

            def decode(word: int, _captured: Captured, _call: Words) -> str | int:
                value = word & 0xFFFF_FFFF
                return names.get(value, value)

        return decode


class FlagSet:
    """Names of bits, and of one field of bits that holds a value.

    bits: names in the order shown.  A name of several bits is shown when all are set, and
    takes them from those that follow: put it before its parts.  mask, field: the bits that
    hold a value of their own (the access mode of open flags), and its names; zero is shown
    only if it has one.  octal: bits without a name are permissions, or such.
    """

    def __init__(
        self,
        bits: Mapping[str, int],
        *,
        mask: int = 0,
        field: Mapping[str, int] | None = None,
        octal: bool = False,
    ) -> None:
        self._field = ValueSet(field or {})
        self._mask = mask
        self._rest = "0{:03o}" if octal else "{:#x}"
        self._bits = tuple(bits.items())
        self.values: dict[str, int] = {**self._field.values, **bits}
        self._known: dict[int, tuple[str, ...]] = {}
        self._decoders: dict[int, Decode] = {}

    def render(self, word: int) -> list[str]:
        """Return the names of the bits set; those unknown as one last item, `0x…` (or octal)."""
        known = self._known.get(word)
        if known is None:
            known = self._render(word)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[word] = known
        return list(known)

    def _render(self, word: int) -> tuple[str, ...]:
        shown: list[str] = []
        left = word
        if self._mask:
            name = self._field.names.get(word & self._mask)
            if name is not None:
                shown.append(name)
                left &= ~self._mask
        for name, bits in self._bits:
            if left & bits == bits:
                shown.append(name)
                left &= ~bits
        if left:
            shown.append(self._rest.format(left))
        return tuple(shown)

    def parse(self, shown: Sequence[str]) -> int:
        """Return the word that `render` was given.  Raises KeyError, ValueError."""
        word = 0
        for item in shown:
            if item.startswith("0"):
                word |= int(item, 16 if item.startswith("0x") else 8)
            else:
                word |= self.values[item]
        return word

    def decoder(self, width: int = 32) -> Decode:
        """Return the decoder of a flags argument of `width` bits, always the same."""
        decode = self._decoders.get(width)
        if decode is None:
            decode = self._decoders[width] = self._decoder(width)
        return decode

    def _decoder(self, width: int) -> Decode:
        mask = (1 << width) - 1
        known, render = self._known, self.render

        def decode(word: int, _captured: Captured, _call: Words) -> Any:
            word &= mask
            names = known.get(word)
            return render(word) if names is None else list(names)

        return decode
