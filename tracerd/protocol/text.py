"""Bytes of a tracee as text that any codec can carry.

msgspec refuses strings with surrogates, so `os.fsdecode` must never reach an
encoder: one odd file name would end the daemon.
"""

from __future__ import annotations

from base64 import b64encode


def shown(raw: bytes) -> str:
    r"""Return UTF-8 text, with `\xNN` for each byte that is not UTF-8."""
    return raw.decode("utf-8", "backslashreplace")


def exact(raw: bytes) -> str | None:
    """Return base64 of `raw` if `shown(raw)` does not carry it whole, else None."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return b64encode(raw).decode("ascii")
    return None
