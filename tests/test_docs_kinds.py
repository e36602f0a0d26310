"""docs/kinds.md says of each kind of argument what the table of kinds says."""

import re
from pathlib import Path

from tracerd.core.syscalls.kinds import KINDS

PAGE = Path(__file__).parent.parent / "docs" / "kinds.md"


def test_every_kind_is_on_the_page():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [(kind, value.replace("|", "\\|")) for kind, value in KINDS.items()]
