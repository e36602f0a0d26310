"""Imports go down only, and no layer uses what is not its own (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "tracerd"

BELOW = {
    "errors": set(),
    "protocol": {"errors"},
    "core": {"errors", "protocol"},
    "judge": set(),
    "server": {"errors", "protocol", "core", "judge"},
    "client": {"errors", "protocol"},
    "ctl": {"errors", "protocol", "client"},
}
"""What each layer may import, beside itself and `tracerd`."""

IO = {"asyncio", "select", "selectors", "socket", "subprocess", "threading", "time"}
EVENT_LOOPS = {"anyio", "asyncio", "trio"}

FOREIGN = {
    "errors": IO | EVENT_LOOPS | {"ctypes", "ptrace", "msgspec"},
    "protocol": IO | EVENT_LOOPS | {"ctypes", "ptrace"},
    "judge": EVENT_LOOPS | {"ptrace", "msgspec"},  # a program of its own
    "core": EVENT_LOOPS,  # and see test_core_opens_no_sockets
    "server": {"anyio", "asyncio", "ptrace", "ctypes"},
    "client": {"asyncio", "trio", "ptrace"},
    "ctl": {"asyncio", "trio", "ptrace"},
}
"""What each layer must not import from outside."""


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Return the full names a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_layer_is_known() -> None:
    assert {layer_of(path) for path in files()} == {*BELOW, "__init__", "__main__"}


@pytest.mark.parametrize("layer", BELOW)
def test_imports_go_down(layer: str) -> None:
    for path in files():
        if layer_of(path) == layer:
            for name in imported(path):
                top, _, rest = name.partition(".")
                if top == "tracerd":
                    used = rest.partition(".")[0]
                    inside = {layer, *BELOW[layer], "__version__"}
                    assert used in inside, f"{path}: {name}"
                else:
                    assert top not in FOREIGN[layer], f"{path}: {name}"


def test_core_opens_no_sockets() -> None:
    """The module `socket` is there for the names of addresses only."""
    for path in files():
        if layer_of(path) == "core":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    used = f"{node.value.id}.{node.attr}"
                    assert used not in {"socket.socket", "socket.socketpair"}, path
