"""Options on the command line become the filter they say."""

import argparse

import pytest

from tracerd.client.selection import filter_of
from tracerd.ctl import filters
from tracerd.ctl.errors import UsageError
from tracerd.protocol.messages import Filter, Match


def selected(*words):
    parser = argparse.ArgumentParser(exit_on_error=False)
    filters.add_options(parser)
    return filters.selection(parser.parse_args(words))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], Filter()),
        (["--pid", "1,2", "--pid", "3"], Filter(pid=[1, 2, 3])),
        (["--pid", "1 2\n3"], Filter(pid=[1, 2, 3])),
        (["--pid", "!1,2"], Filter(not_=Match(pid=[1, 2]))),
        (["--tree", "5", "--tid", "6", "--uid", "0"], Filter(tree=[5], tid=[6], uid=[0])),
        (["-e", "openat,%network"], Filter(syscall=["openat", "%network"])),
        (["-e", "trace=openat"], Filter(syscall=["openat"])),
        (["-e", "trace=!openat,read"], Filter(not_=Match(syscall=["openat", "read"]))),
        (["-e", "t=open*"], Filter(syscall=["open*"])),
        (
            ["--syscall", "!%memory", "-e", "%file"],
            Filter(syscall=["%file"], not_=Match(syscall=["%memory"])),
        ),
        (["--comm", "a,b"], Filter(comm=["a,b"])),
        (["--op", "read, write"], Filter(op=["read", "write"])),
        (["--type", "!signal_stop"], Filter(not_=Match(type=["signal_stop"]))),
        (["-Z"], Filter(result=["error"])),
        (["--ok", "--failed"], Filter(result=["ok", "error"])),
        (["--result", "ENOENT,EACCES"], Filter(result=["ENOENT", "EACCES"])),
        (["--min-duration", "10ms"], Filter(min_duration_ns=10_000_000)),
        (
            ["-P", "/etc/**", "-P", "!/etc/a,b"],
            Filter(path=["/etc/**"], not_=Match(path=["/etc/a,b"])),
        ),
        (["--exe", "/usr/"], Filter(exe=["/usr/"])),
        (
            ["--pid", "1", "-e", "read", "-Z"],
            Filter(pid=[1], syscall=["read"], result=["error"]),
        ),
    ],
)
def test_options(words, expected):
    assert filter_of(selected(*words)) == expected


@pytest.mark.parametrize("option", filters.OPTIONS, ids=lambda option: option.field)
def test_each_field_can_be_stated_and_turned_round(option):
    value = "7" if option.field in filters.NUMERIC else "/x"
    for flag in option.flags:
        assert getattr(filter_of(selected(flag, value)), option.field)
        excluded = filter_of(selected(flag, f"!{value}"))
        assert getattr(excluded, option.field) == []
        assert getattr(excluded.not_, option.field)


def test_every_field_of_a_filter_has_an_option():
    assert {option.field for option in filters.OPTIONS} == set(Match.__struct_fields__)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--pid", "me"], "--pid: not a number: me"),
        (["--pid", ""], "not a number"),
        (["--pid", "-1"], "not a number"),
        (["--pid", "²"], "not a number"),
        (["-e", "a,,b"], "empty value"),
        (["--op", "!"], "empty value"),
        (["--path", ""], "empty value"),
        (["--comm", ""], "empty value"),
    ],
)
def test_mistakes_are_told(words, text):
    with pytest.raises(UsageError, match=text):
        selected(*words)


@pytest.mark.parametrize(
    ("pattern", "directory", "expected"),
    [
        ("/etc", "/home", "/etc"),
        ("**/x", "/home", "**/x"),
        ("a.c", "/home", "/home/a.c"),
        ("./a/", "/home", "/home/a/"),
        ("*.c", "/h[o]me", "/h[[]o]me/*.c"),
        ("a", "/", "/a"),
    ],
)
def test_relative_patterns_are_taken_from_the_working_directory(pattern, directory, expected):
    assert filters.absolute(pattern, directory) == expected


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("10ms", 10**7), ("250us", 250_000), ("250µs", 250_000), ("7ns", 7), ("1.5s", 1_500_000_000),
     ("2", 2 * 10**9), (".5 s", 500_000_000)],
)  # fmt: skip
def test_durations(text, nanoseconds):
    assert filters.duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "ms", "10 m", "-1s", "1e3"])
def test_durations_that_are_none(text):
    with pytest.raises(argparse.ArgumentTypeError, match="not a time"):
        filters.duration(text)


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), False),  # no filter: all is shown anyway
        (("--comm", "make"), False),
        (("-e", "openat"), True),
        (("-P", "/etc/"), True),
        (("--failed",), True),
        (("-e", "openat", "--json"), False),
        (("-e", "openat", "--type", "syscall_enter"), False),
    ],
)
def test_lines_show_signals_and_ends_beside_calls(options, shown):
    parser = argparse.ArgumentParser()
    filters.add_options(parser)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(options)
    selected = {**filters.selection(arguments), "tree": 7}
    wanted = filters.as_strace(selected, arguments)
    if not shown:
        assert wanted == selected
    else:
        calls, lives = wanted["filters"]
        assert calls == filter_of(selected)
        assert (lives.tree, lives.type) == ([7], list(filters.LIVES))
