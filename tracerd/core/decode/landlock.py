"""Decoders of Landlock's rules."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.watches import LANDLOCK_FS, LANDLOCK_NET, LANDLOCK_RULE
from tracerd.core.decode.structs import record
from tracerd.core.syscalls.model import Decode

RULESET_SIZE: Final = 24
RULESET_LEAST: Final = 8
RULE_SIZE: Final = 16


def _ruleset(files: int, net: int, scoped: int) -> dict[str, Any]:
    found: dict[str, Any] = {"handled_access_fs": LANDLOCK_FS.render(files)}
    if net:
        found["handled_access_net"] = LANDLOCK_NET.render(net)
    if scoped:
        found["scoped"] = f"{scoped:#x}"
    return found


def _beneath(access: int, parent: int) -> dict[str, Any]:
    return {"allowed_access": LANDLOCK_FS.render(access), "parent_fd": parent}


def _port(access: int, port: int) -> dict[str, Any]:
    return {"allowed_access": LANDLOCK_NET.render(access), "port": port}


ruleset: Final = record("<QQQ", _ruleset, least=RULESET_LEAST)
RULES: Final[dict[int, Decode]] = {
    LANDLOCK_RULE.values["LANDLOCK_RULE_PATH_BENEATH"]: record("<Qi", _beneath),
    LANDLOCK_RULE.values["LANDLOCK_RULE_NET_PORT"]: record("<QQ", _port),
}
"""Type of rule -> decoder."""
