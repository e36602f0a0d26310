"""Values whose kind decides how they read."""

import pytest

from tracerd.ctl.text.values import argument


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("any", ["O_RDONLY", "O_APPEND"], "O_RDONLY|O_APPEND"),
        ("any", [1, 2], "[1, 2]"),
        ("any", [], "0"),
        ("any", {"row": 24, "col": 80}, "{row=24, col=80}"),
        ("dirents", {"entries": 2, "names": ["README", "a\nb"]}, '["README", "a\\nb"]'),
        ("dirents", {"entries": 40, "names": ["x"]}, '["x", ...]'),
        ("offs", [1], "[1]"),
        ("offs", [1, 5], "[1] => [5]"),
        ("offs", None, "NULL"),
    ],
)
def test_kinds(kind, value, expected):
    assert argument(kind, value) == expected
