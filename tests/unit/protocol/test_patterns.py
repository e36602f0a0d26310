"""Path patterns and command names against their obvious meaning, and against hostile ones."""

import posixpath
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracerd.protocol.globs import expression, tokenise
from tracerd.protocol.patterns import comm_matcher, fold, parse_comm, parse_path, path_matcher


def names(glob, path):
    """The obvious meaning of a glob, letter by letter; takes exponential time."""
    if not glob:
        return not path
    if directories := re.match(r"/\*\*+(?=/)", glob):
        rest = glob[directories.end() :]
        slashes = [at for at, char in enumerate(path) if char == "/"]
        return path.startswith("/") and any(names(rest, path[at:]) for at in slashes)
    if glob.startswith("**"):
        return any(names(glob.lstrip("*"), path[at:]) for at in range(len(path) + 1))
    if glob.startswith("*"):
        run = len(path.split("/")[0])
        return any(names(glob[1:], path[at:]) for at in range(run + 1))
    if not path:
        return False
    members = re.match(r"\[([!^]?)(\]?[^\]]*)\]", glob)
    if members and members[2]:
        inside = is_member(path[0], members[2]) != bool(members[1])
        return path[0] != "/" and inside and names(glob[members.end() :], path[1:])
    if glob[0] == "?":
        return path[0] != "/" and names(glob[1:], path[1:])
    return glob[0] == path[0] and names(glob[1:], path[1:])


def is_member(char, members):
    if not members:
        return False
    if len(members) >= 3 and members[1] == "-":
        return members[0] <= char <= members[2] or is_member(char, members[3:])
    return char == members[0] or is_member(char, members[1:])


def matches(pattern, path):
    return path_matcher([parse_path(pattern)])(path)


pieces = (
    "/",
    "/",
    "a",
    "b",
    "c",
    "*",
    "*",
    "**",
    "/**/",
    "?",
    "[ab]",
    "[!a]",
    "[a-c]",
    "[]-]",
    "[",
)


def has_meaning(glob):
    try:
        tokenise(glob)
    except ValueError:
        return False
    return True


globs = st.lists(st.sampled_from(pieces), max_size=8).map("".join).filter(has_meaning)
paths = st.text(alphabet="//abc]-\n", max_size=9)


@settings(max_examples=400)
@given(globs, paths)
@example("**/*a", "/a/a")
@example("**/a", "/a/b/a")
@example("/**/a/**/b/**/c", "/a/b/a/c")
@example("**a**b**c", "/a/b/a/c")
@example("/a/**/b", "/a/b")
@example("/a/**/b", "/a/c/b")
@example("/a/**/b", "/a/cb")
@example("/**/**/b", "/b")
@example("**a*b", "/ca/cab")
@example("*/a*b/c", "b/aab/c")
@example("/**", "/")
@example("a**b**c", "abbcbc")
def test_a_glob_means_what_it_says(glob, path):
    tokens, wild = tokenise(glob)
    found = re.fullmatch(expression(tokens), path, re.DOTALL) is not None

    assert found == names(glob, path)
    if not wild:
        assert found == (glob == path)


@given(
    st.lists(
        (globs.map("/".__add__) | globs.map("**".__add__)).filter(has_meaning),
        min_size=1,
        max_size=3,
    ),
    paths,
)
def test_a_list_of_patterns_matches_if_any_does(patterns, path):
    def meant(pattern):
        if not pattern.endswith("/"):
            return names(pattern, path)
        directory = pattern.rstrip("/")
        return names(directory or "/", path) or names(f"{directory}/**", path)

    assert path_matcher(map(parse_path, patterns))(path) == any(map(meant, patterns))


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("/etc/passwd", ["/etc/passwd"], ["/etc/passwd2", "/etc", "/x/etc/passwd"]),
        ("/etc/", ["/etc", "/etc/", "/etc/a", "/etc/a/b"], ["/etcetera", "/", "/x/etc/a"]),
        ("/", ["/", "/a", "/a/b"], ["a", ""]),
        ("/etc/**", ["/etc/a", "/etc/a/b", "/etc/"], ["/etc", "/etcetera"]),
        ("/etc/*", ["/etc/a", "/etc/.b"], ["/etc/a/b", "/etc"]),
        ("/home/*/.ssh/", ["/home/al/.ssh", "/home/al/.ssh/k/x"], ["/home/.ssh", "/home/a/b/.ssh"]),
        ("**/*.so", ["/a.so", "/usr/lib/a.so", "x/a.so"], ["/a.so.1", "a.so"]),
        ("/usr/**/*.so", ["/usr/a.so", "/usr/lib/x/a.so"], ["/usrx/a.so", "/usr/a.so/b"]),
        ("/a?c", ["/abc", "/a\nc"], ["/a/c", "/ac"]),
        ("/[a-c]x", ["/ax", "/cx"], ["/dx", "//x"]),
        ("/[!a-c]x", ["/dx"], ["/ax", "//x"]),
        ("/[^a]x", ["/dx", "/^x"], ["/ax"]),
        ("/[]x]", ["/]", "/x"], ["/[]x]"]),
        ("/[+-:]", ["/+", "/0"], ["//"]),
        ("/a[b", ["/a[b"], ["/ab"]),
        ("/a[*]b", ["/a*b"], ["/axb"]),
        (r"/a\xff", [r"/a\xff"], ["/a\xff"]),
        ("/a.b+(c)", ["/a.b+(c)"], ["/axbbc"]),
        ("**", ["/", "/a/b", "", "a"], []),
    ],
)
def test_examples(pattern, yes, no):
    assert [path for path in yes if not matches(pattern, path)] == []
    assert [path for path in no if matches(pattern, path)] == []


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "empty"),
        ("etc/passwd", "not absolute"),
        ("*/x", "not absolute"),
        ("~/x", "not absolute"),
        ("/a\0b", "NUL"),
        ("/" + "x" * 4096, "at most 4096"),
        ("/[z-a]", "the range `z-a` is empty"),
        ("/[a/b]", "cannot hold a `/`"),
    ],
)
def test_bad_path_patterns_are_refused_with_the_reason(pattern, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_path(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "/" + "*a" * 40 + "*b",
        "**" + "*a" * 40 + "*b",
        "**" + "a**" * 40 + "b",
        "/**/" + "a/**/" * 40 + "b",
        "**/" + "*a*/" * 20 + "b",
        "**" + "[ab]*?" * 20 + "b",
    ],
)
@pytest.mark.parametrize("path", ["/" + "a" * 4000, "/a" * 2000, "/" + "ab" * 2000 + "/a"])
def test_no_pattern_takes_long(pattern, path):
    match = path_matcher([parse_path(pattern)])
    start = time.process_time()
    match(path)

    # Some milliseconds; backtracking over the stars would take for ever.
    assert time.process_time() - start < 1


@given(st.text(alphabet="/.a", max_size=12).map("/".__add__))
def test_folding_is_posix_normalisation(path):
    # posixpath keeps two leading slashes, which mean nothing special on Linux.
    assert fold(path) == posixpath.normpath("/" + path.lstrip("/"))


@pytest.mark.parametrize("path", ["/a/b", "/", "relative/../x", "", "/a/b.c/..d"])
def test_what_needs_no_folding_is_the_same_object(path):
    assert fold(path) is path


def names_comm(pattern, comm):
    if pattern.startswith("*"):
        return any(names_comm(pattern[1:], comm[at:]) for at in range(len(comm) + 1))
    if not pattern or not comm:
        return pattern == comm
    return pattern[0] in {"?", comm[0]} and names_comm(pattern[1:], comm[1:])


@given(
    st.lists(st.text(alphabet="ab*?/[", min_size=1, max_size=7), min_size=1, max_size=3),
    st.text(alphabet="ab/[\n", max_size=6),
)
def test_command_names(patterns, comm):
    parsed = [parse_comm(pattern) for pattern in patterns]

    assert comm_matcher(parsed)(comm) == any(names_comm(one, comm) for one in patterns)


@pytest.mark.parametrize(
    ("pattern", "comm"),
    [
        ("systemd-journald", "systemd-journal"),
        ("systemd-journal", "systemd-journal"),
        ("ééééééééé", r"ééééééé\xc3"),
        (r"\xff\xfe\xff\xfe\xff", r"\xff\xfe\xff\xfe\xff"),
    ],
)
def test_a_long_command_name_is_cut_as_the_kernel_cuts_it(pattern, comm):
    assert comm_matcher([parse_comm(pattern)])(comm)


def test_no_command_name_pattern_takes_long():
    match = comm_matcher([parse_comm("*a" * 1000 + "b")])
    start = time.process_time()
    match("a" * 60)

    assert time.process_time() - start < 1


@pytest.mark.parametrize("pattern", ["", "x" * 5000])
def test_bad_command_names_are_refused(pattern):
    with pytest.raises(ValueError, match="command name"):
        parse_comm(pattern)
