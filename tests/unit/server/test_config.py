"""The configuration file: what it may say, and what is said of one that is wrong."""

import dataclasses
import os
from pathlib import Path

import pytest

from tracerd.protocol.redaction import Redaction
from tracerd.server import config, main, settings
from tracerd.server.config import Config, ConfigError, configured, load
from tracerd.server.roles import Rules
from tracerd.server.settings import Limits, Settings, parse


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file and returns its name."""

    def written(text):
        path = tmp_path / "tracerd.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o644)
        return str(path)

    return written


ALL_OF_IT = """
[socket]
path = "/run/x.sock"
mode = 0o660

[log]
format = "json"
level = "debug"

[access]
admin_groups = ["root", 7]
watch_groups = [8]
denied_users = ["daemon", 9]
denied_groups = [10]
owners_attach = false

[hide]
argv = false

[limits]
connections = 12
connections_for_root = 0
stall_s = 5
flush_s = 0.5
"""


def test_all_of_it(write):
    path = write(ALL_OF_IT)
    found = load(path)
    assert found.rules == Rules(
        admin_groups=frozenset({0, 7}),
        watch_groups=frozenset({8}),
        denied_users=frozenset({1, 9}),
        denied_groups=frozenset({10}),
        owners_attach=False,
        hidden=Redaction(argv=False),
    )
    assert found.limits == Limits(connections=12, connections_for_root=0, stall_s=5.0, flush_s=0.5)
    made = configured(parse([]), found)
    assert made == Settings(
        config=path,
        rules=found.rules,
        socket="/run/x.sock",
        mode=0o660,
        log_format="json",
        log_level="debug",
        limits=found.limits,
    )


def test_the_command_line_comes_first_then_the_environment(write, monkeypatch):
    found = load(write(ALL_OF_IT))
    options = parse(
        ["--socket", "/cli", "--log-format", "text", "--mode", "0600", "--log-level", "info"]
    )
    made = configured(options, found)
    assert (made.socket, made.log_format, made.mode, made.log_level) == (
        "/cli", "text", 0o600, "info",
    )  # fmt: skip
    monkeypatch.setenv("TRACERD_SOCKET", "/environment")
    assert configured(options, found).socket == "/cli"
    assert configured(parse([]), found).socket == "/environment"


def test_an_empty_file_changes_nothing(write):
    path = write("")
    assert load(path) == Config(path)
    assert configured(parse([]), load(path)) == Settings(config=path, rules=Rules())


def test_only_a_file_that_was_named_has_to_be_there(tmp_path):
    missing = str(tmp_path / "none.toml")
    assert load(None, missing) == Config()
    with pytest.raises(ConfigError, match=r"none\.toml: No such file or directory"):
        load(missing)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[acess]", "acess: unknown key `acess`; did you mean `access`?"),
        ("x = 1", "x: unknown key `x`"),
        (
            "[access]\nadmin_group = []",
            "access.admin_group: unknown key `admin_group`; did you mean `admin_groups`?",
        ),
        ("[hide]\nenvp = true", "hide.envp: unknown key `envp`; did you mean `env`?"),
        (
            "[limits]\nconnection = 1",
            "limits.connection: unknown key `connection`; did you mean `connections`?",
        ),
        ("[access]\nowners_attach = 1", "access.owners_attach: expected `bool`, got `int`"),
        ("access = 1", "access: expected `object`, got `int`"),
        ("[access]\nadmin_groups = 'x'", "access.admin_groups: expected `array`, got `str`"),
        (
            "[access]\nadmin_groups = [1.5]",
            "access.admin_groups[0]: expected `int | str`, got `float`",
        ),
        ("[hide]\nargv = 'no'", "hide.argv: expected `bool`, got `str`"),
        ("[limits]\nconnections = '1'", "limits.connections: expected `int`, got `str`"),
        ("[limits]\nconnections = true", "limits.connections: expected `int`, got `bool`"),
        ("[limits]\nconnections = 1.5", "limits.connections: expected `int`, got `float`"),
        ("[limits]\nstall_s = 'long'", "limits.stall_s: expected `float`, got `str`"),
        ("[limits]\nconnections = 0", "limits.connections: 0 is less than 1"),
        ("[limits]\nconnections = -1", "limits.connections: -1 is less than 1"),
        ("[limits]\nstall_s = -0.5", "limits.stall_s: -0.5 is not between 0 and "),
        ("[limits]\nstall_s = nan", "limits.stall_s: nan is not between 0 and "),
        ("[limits]\nconnections = 9999999999999", "limits.connections: 9999999999999 is not "),
        ("[socket]\nmode = 0o1777", "socket.mode: expected `int` <= 511"),
        ("[socket]\nmode = '660'", "socket.mode: expected `int | null`, got `str`"),
        ("[log]\nformat = 'xml'", "log.format: invalid enum value 'xml'"),
        ("[access]\nadmin_groups = ['nosuch']", "access.admin_groups: there is no group `nosuch`"),
        ("[access]\nadmin_groups = ['a\\u0000b']", "access.admin_groups: there is no group `a"),
        ("[access]\ndenied_users = ['nosuch']", "access.denied_users: there is no user `nosuch`"),
        ("[access]\ndenied_users = [-1]", "access.denied_users: -1 is no id"),
        ("[access]\ndenied_users = [4294967296]", "access.denied_users: 4294967296 is no id"),
        ("[access]\ndenied_users = ['root']", "access.denied_users: root cannot be denied"),
        ("[access\n", "not TOML: Expected ']'"),
        ("x = " + "[" * 100_000, ""),
        (b"x = '\xff'", "not UTF-8, at byte 5"),
        (b"#" * (1 << 20) + b"\n", "larger than 1048576 bytes"),
    ],
    ids=lambda each: str(each)[:40],
)
def test_what_is_wrong_is_said_with_the_file_the_key_and_the_reason(write, text, reason):
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: {reason}")


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o622])
def test_one_that_others_may_write_is_refused(write, mode):
    path = write("")
    Path(path).chmod(mode)
    with pytest.raises(ConfigError, match=rf"can be written by others \(mode 0{mode:o}\)"):
        load(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_one_that_is_anothers_is_refused(write):
    path = write("")
    os.chown(path, 48_301, 0)
    with pytest.raises(ConfigError, match="belongs to uid 48301, who could change it"):
        load(path)


def test_only_a_regular_file_will_do(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for name in (tmp_path / "fifo", tmp_path):
        with pytest.raises(ConfigError, match=r"not a regular file|Is a directory"):
            load(str(name))


def test_every_limit_can_be_set(write):
    for field in dataclasses.fields(Limits):
        value = 3.5 if field.type == "float" else 3
        text = f"[limits]\n{field.name} = {value}\n"
        assert load(write(text)).limits == Limits(**{field.name: value})


def test_the_page_has_every_key_with_its_default():
    """docs/security.md shows the whole file, as it is when there is none."""
    page = (Path(config.__file__).parents[2] / "docs" / "security.md").read_text()
    text = page.partition("```toml\n")[2].partition("```")[0]
    import tomllib

    table = tomllib.loads(text)
    assert set(table) == set(config.File.__struct_fields__)
    for name, section in table.items():
        if name == "limits":
            assert section == dataclasses.asdict(Limits())
        else:
            shape = {"hide": Redaction, "access": config.AccessSection}.get(name)
            known = (shape or config._SECTIONS[name]).__struct_fields__
            assert set(section) == set(known)
            if shape:
                assert shape(**section) == shape()
    assert table["socket"] == {"path": "/run/tracerd.sock", "mode": settings.SOCKET_MODE}
    assert table["log"] == {"format": Settings().log_format, "level": Settings().log_level}


@pytest.mark.parametrize(
    ("uid", "options", "read"),
    [
        (0, [], True),
        (0, ["--exit-on-eof"], False),
        (1000, [], False),
        (1000, ["--config"], True),
        (0, ["--exit-on-eof", "--config"], True),
    ],
)
def test_the_systems_file_is_for_roots_daemon(write, monkeypatch, uid, options, read):
    path = write("[socket]\npath = '/x'")
    reader, writer = os.pipe()
    words = {"--exit-on-eof": str(reader), "--config": path}
    options = [word for option in options for word in (option, words[option])]
    monkeypatch.setattr(main, "CONFIG", path)
    monkeypatch.setattr(config.load, "__defaults__", (path,))
    monkeypatch.delenv("TRACERD_CONFIG", raising=False)
    monkeypatch.delenv("TRACERD_SOCKET", raising=False)
    settings = parse(options)
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: uid)
        found = main._configured(settings)
    os.close(reader)
    os.close(writer)
    assert found.socket == ("/x" if read else None)
