"""The configuration file: TOML, read strictly.

What it says comes after the command line and the environment.  A key that is not known, a value of
another type, a user that does not exist: each is an error that names the file, the key and the
reason, for a setting that is ignored is worse than a daemon that does not start.
"""

from __future__ import annotations

import dataclasses
import grp
import os
import pwd
import re
import stat
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import msgspec

from tracerd.protocol.hints import quoted, unknown
from tracerd.protocol.redaction import Redaction
from tracerd.server.log import Format
from tracerd.server.roles import Rules
from tracerd.server.settings import CONFIG, LIMIT_OPTIONS, Limits, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MAX_BYTES: Final = 1 << 20
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*?)`(?: - at `(.*)`)?", re.DOTALL)
_WRONG: Final = re.compile(r"(.*) - at `\$\.(.*)`", re.DOTALL)

Name: TypeAlias = str | int
"""Of a user or group, or its id."""


class ConfigError(ValueError):
    """The file cannot be used; the text says which, and why."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class SocketSection(_Section, frozen=True):
    """path: see settings.Settings.socket.  mode: permissions, in octal: 0o660."""

    path: str | None = None
    mode: Annotated[int, msgspec.Meta(ge=0, le=0o777)] | None = None


class LogSection(_Section, frozen=True):
    """See the options of the same names."""

    format: Format | None = None
    level: Literal["debug", "info", "warning", "error"] | None = None


class AccessSection(_Section, frozen=True):
    """Who has which role: see roles.Rules."""

    admin_groups: list[Name] = []
    watch_groups: list[Name] = []
    denied_users: list[Name] = []
    denied_groups: list[Name] = []
    owners_attach: bool = True


class File(_Section, frozen=True):
    """All that it can say.  hide: from watchers.  limits: see Limits."""

    socket: SocketSection = SocketSection()
    log: LogSection = LogSection()
    access: AccessSection = AccessSection()
    hide: Redaction = Redaction()
    limits: dict[str, Any] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """A file, read and judged.  path: None: there is none."""

    path: str | None = None
    socket: SocketSection = dataclasses.field(default_factory=SocketSection)
    log: LogSection = dataclasses.field(default_factory=LogSection)
    rules: Rules = dataclasses.field(default_factory=Rules)
    limits: Limits = dataclasses.field(default_factory=Limits)


def configured(settings: Settings, config: Config) -> Settings:
    """Return settings with what a file says of all that the command line does not."""
    told: dict[str, Any] = {
        "socket": os.environ.get("TRACERD_SOCKET") or config.socket.path,
        "mode": config.socket.mode,
        "log_format": config.log.format,
        "log_level": config.log.level,
        "limits": config.limits,
        "rules": config.rules,
        "config": config.path,
    }
    typed = {LIMIT_OPTIONS[name] for name in settings.given & LIMIT_OPTIONS.keys()}
    told["limits"] = dataclasses.replace(
        config.limits, **{name: getattr(settings.limits, name) for name in typed}
    )
    taken = {
        name: value
        for name, value in told.items()
        if value is not None and name not in settings.given
    }
    return dataclasses.replace(settings, **taken)


def load(path: str | None, default: str = CONFIG) -> Config:
    """Read the file at `path`, or the one at `default` if that is there.  Raises ConfigError."""
    name = path or default
    try:
        text = _read(name)
    except FileNotFoundError as error:
        if path is None:
            return Config()
        raise ConfigError(f"{name}: {error.strerror}") from None
    except OSError as error:
        raise ConfigError(f"{name}: {error.strerror}") from None
    try:
        return _judged(name, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from None
    except (ValueError, RecursionError) as error:
        # Of a value: tomllib raises them too, for what is nested too deep or is no date.
        raise ConfigError(f"{name}: {error}") from None


def _read(name: str) -> str:
    """Return the text of a file that only root and we can have written.  Raises ConfigError."""
    fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{name}: not a regular file")
        if status.st_uid not in (0, os.geteuid()):
            raise ConfigError(f"{name}: belongs to uid {status.st_uid}, who could change it")
        if status.st_mode & _WRITABLE_BY_OTHERS:
            mode = stat.S_IMODE(status.st_mode)
            raise ConfigError(f"{name}: can be written by others (mode {mode:04o}); chmod go-w it")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{name}: larger than {MAX_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not UTF-8, at byte {error.start}") from None


def _judged(name: str, table: Mapping[str, Any]) -> Config:
    """Return what a table comes to.  Raises ValueError with a reason that begins with the key."""
    try:
        file = msgspec.convert(table, File)
    except msgspec.ValidationError as error:
        raise ValueError(_reason(str(error))) from None
    access = file.access
    denied = _ids("access.denied_users", access.denied_users, _uid)
    if 0 in denied:
        raise ValueError("access.denied_users: root cannot be denied")
    rules = Rules(
        admin_groups=_ids("access.admin_groups", access.admin_groups, _gid),
        watch_groups=_ids("access.watch_groups", access.watch_groups, _gid),
        denied_users=denied,
        denied_groups=_ids("access.denied_groups", access.denied_groups, _gid),
        owners_attach=access.owners_attach,
        hidden=file.hide,
    )
    return Config(name, file.socket, file.log, rules, _limits(file.limits))


def _reason(said: str) -> str:
    """Return what msgspec says of a value, with the key first."""
    if found := _UNKNOWN.fullmatch(said):
        field, where = found[1], (found[2] or "$").removeprefix("$").removeprefix(".")
        shape = _SECTIONS.get(where, File)
        place = f"{where}." if where else ""
        return f"{place}{field}: {unknown('key', field, shape.__struct_fields__)}"
    if found := _WRONG.fullmatch(said):
        return f"{found[2]}: {found[1].lower()}"
    return said


_SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {
    "socket": SocketSection,
    "log": LogSection,
    "access": AccessSection,
    "hide": Redaction,
}


def _limits(table: Mapping[str, Any]) -> Limits:
    known = {field.name: field for field in dataclasses.fields(Limits)}
    given: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise ValueError(f"limits.{name}: {unknown('key', name, known)}")
        wanted = float if known[name].type == "float" else int
        try:
            given[name] = msgspec.convert(value, wanted)
        except msgspec.ValidationError as error:
            raise ValueError(f"limits.{name}: {str(error).lower()}") from None
        least = 0 if name in MAY_BE_NONE else 1
        if wanted is int and value < least:
            raise ValueError(f"limits.{name}: {value} is less than {least}")
        if not 0 <= value < _MOST:
            raise ValueError(f"limits.{name}: {value} is not between 0 and {_MOST}")
    return Limits(**given)


MAY_BE_NONE: Final = frozenset({"connections_for_root", "history_bytes"})
_MOST: Final = 1 << 40


def _ids(key: str, names: Iterable[Name], find: Callable[[str], int]) -> frozenset[int]:
    return frozenset(_id(key, name, find) for name in names)


def _id(key: str, name: Name, find: Callable[[str], int]) -> int:
    if isinstance(name, int):
        if not 0 <= name < 1 << 32:
            raise ValueError(f"{key}: {name} is no id")
        return name
    try:
        return find(name)
    except (KeyError, ValueError):
        what = "user" if find is _uid else "group"
        raise ValueError(f"{key}: there is no {what} {quoted(name)}") from None


def _uid(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _gid(name: str) -> int:
    return grp.getgrnam(name).gr_gid
