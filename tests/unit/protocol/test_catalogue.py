"""What a filter may write for a syscall, and which regular expressions are harmless."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protocol_strategies import CATALOGUE

from tracerd.protocol.expressions import check_expression


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("open", {"open"}),
        ("open*", {"open", "openat"}),
        ("[rw]*", {"read", "write", "rename"}),
        ("re??", {"read"}),
        ("%file", CATALOGUE.classes["file"]),
        ("/^(open|close)", {"open", "openat", "close"}),
        ("/at$", {"openat"}),
        ("/e", {"open", "openat", "close", "read", "write", "getpid", "execve", "rename"}),
        ("?nosuch", set()),
        ("?%nosuch", set()),
        ("?open", {"open"}),
        ("?/nosuch", set()),
    ],
)
def test_select(pattern, names):
    assert CATALOGUE.select(pattern) == names


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("opnat", "unknown syscall `opnat`; did you mean `openat`?"),
        ("%flie", "unknown syscall class `%flie`; did you mean `%file`?"),
        ("zzz", "unknown syscall `zzz`"),
        ("", "empty"),
        ("?", "empty"),
        ("zz*", "`zz*` matches no syscall"),
        ("/zz", "`/zz` matches no syscall"),
        ("/", "empty regular expression"),
        ("/(", "bad regular expression"),
        ("/[", "bad regular expression"),
        ("/(a+)+$", "repeated group"),
        ("?/(a+)+$", "repeated group"),
        ("/" + "a" * 101, "at most 100 characters"),
        ("a*" + "b" * 100, "at most 100 characters"),
    ],
)
def test_what_means_nothing_is_refused_with_the_reason(pattern, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        CATALOGUE.select(pattern)


@pytest.mark.parametrize(
    "expression",
    [
        "open",
        "^(open|stat)(at)?2?$",
        "f?(chown|chmod)",
        "(?:get|set)[a-z]*id",
        r"\d\d$",
        "(read|write)v",
        "a{2,3}",
        r"[\](+]+",
        "[]+*(]",
        "(abc)+",
    ],
)
def test_sensible_expressions_are_accepted(expression):
    check_expression(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "(a+)+",
        "(a*)*b",
        "((a+))+",
        "(?:a{2,})*",
        "(a|b)*",
        "(a|b){20}",
        "((a)(b?)){5}",
        r"([\])+]a*)+",
        r"(\)+)+",
        "a*a*a*a*b",
        "(.|.)" * 6,
        "|".join("abcdefgh" * 5),
        r"(a)\1",
        "(?=a)",
        "(?P<n>a)",
        "(?i)a",
        "(?(1)a)",
        "(?>a)",
    ],
)
def test_dear_expressions_are_refused(expression):
    with pytest.raises(ValueError, match=r"regular expression|repeated group"):
        check_expression(expression)


parts = ("a", ".", "(", ")", "(?:", "|", "*", "+", "?", "{9}", "{2,}", "[a-z]", r"\w", "[^)]", "$")


@given(st.lists(st.sampled_from(parts), min_size=1, max_size=20).map("".join))
def test_no_accepted_expression_takes_long(expression):
    try:
        check_expression(expression)
        search = re.compile(expression).search
    except (ValueError, re.error):
        return
    start = time.process_time()
    search("a" * 28 + "_")

    assert time.process_time() - start < 0.2


@pytest.mark.parametrize("name", ["syscall_0x1f4", "syscall_0x0", "syscall_0x40000027"])
def test_a_call_that_is_in_no_table_has_a_number_for_a_name(name):
    assert CATALOGUE.select(name) == {name}


@pytest.mark.parametrize("name", ["syscall_500", "syscall_0x01", "syscall_0xFB", "syscall_0x"])
def test_what_no_call_is_named_is_refused(name):
    with pytest.raises(ValueError, match="unknown syscall"):
        CATALOGUE.select(name)
