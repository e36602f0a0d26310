"""What a tracee named does no harm on a terminal, and cannot pass for something else."""

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracerd.ctl.text.escape import escape, name, quote
from tracerd.protocol.text import shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/etc/passwd", "/etc/passwd"),
        ("a b", "a b"),
        ("über", "über"),
        ("a\nb", r"a\nb"),
        ("\t\r\v\f", r"\t\r\v\f"),
        ("\x1b[31m", r"\33[31m"),
        ("\x1b7", r"\0337"),
        ("\0", r"\0"),
        ("\x007", r"\0007"),
        ("\x7f", r"\177"),
        ("\x9b31m", r"\xc2\x9b31m"),
        ("a\u202eb", r"a\xe2\x80\xaeb"),
        ("a\u2028b", r"a\xe2\x80\xa8b"),
        (r"a\nb", r"a\\nb"),
        (shown(b"a\xffb"), r"a\xffb"),
        (r"a\xFFb", r"a\\xFFb"),
        ("\ud800", r"\xed\xa0\x80"),
        (os.fsdecode(b"a\xffb"), r"a\xffb"),
    ],
)
def test_escape(text, expected):
    assert escape(text) == expected


def test_only_what_is_asked_for_is_escaped_beside():
    assert escape('a<b>"c"', also="<>") == r'a\74b\76"c"'
    assert quote('say "hi"\\') == r'"say \"hi\"\\"'


@given(st.text())
@example("\x85")
@example("\xad")
def test_nothing_unprintable_is_left(text):
    for made in (escape(text), quote(text), name(text), escape(text, also="<>")):
        assert made.isprintable()


@given(st.text(alphabet="ab\\\n\"x09f'7 \x1b"), st.text(alphabet="ab\\\n\"x09f'7 \x1b"))
def test_different_texts_look_different(one, other):
    """But for the daemon's own \\xNN, which stands for the byte."""
    if one != other and "\\x" not in one + other:
        assert quote(one) != quote(other)
        assert name(one) != name(other)


@pytest.mark.parametrize("text", ["", "a b", 'a"', "a\n", "a\\"])
def test_names_that_could_be_misread_are_quoted(text):
    assert name(text).startswith('"')


@pytest.mark.parametrize("text", ["/etc/passwd", "a->b", shown(b"/\xff"), "/über"])
def test_other_names_are_bare(text):
    assert name(text) == text
