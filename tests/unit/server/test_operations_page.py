"""docs/operations.md names what there is."""

import dataclasses
import re
from pathlib import Path

import pytest

from tracerd.core.injection import Injection
from tracerd.errors import BY_NAME
from tracerd.server.health import REASONS
from tracerd.server.settings import Limits

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()


@pytest.mark.parametrize("name", [name.rpartition(".")[2] for name in BY_NAME])
def test_every_error_is_there(name):
    assert f"`{name}`" in PAGE.partition("## What errors mean")[2].partition("\n## ")[0]


@pytest.mark.parametrize("family", REASONS)
def test_every_count_is_there(family):
    [row] = re.findall(rf"^\| `{family}`.*$", PAGE, re.MULTILINE)
    for reason in REASONS[family]:
        assert f"`{reason}`" in row


def test_the_limits_are_what_they_are():
    limits = dataclasses.asdict(Limits())
    section = PAGE.partition("## Limits")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)`[^|]*\| ([^|]*) \|", section, re.MULTILINE))
    assert set(rows) <= set(limits)
    for name, told in rows.items():
        number, _, unit = told.partition(",")[0].partition(" ")
        assert int(number) * {"MiB": 1 << 20}.get(unit, 1) == limits[name], name
    assert f"{limits['connections_for_root']} (`connections_for_root`)" in PAGE


def test_every_fault_is_there():
    section = PAGE.partition("## Faults on purpose")[2]
    for field in dataclasses.fields(Injection):
        assert re.search(rf"\b{field.name}\b", section), field.name
