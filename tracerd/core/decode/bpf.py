"""Decoder of union bpf_attr, as the command says: the common commands."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias

from tracerd.core.decode.names.descriptors import BPF
from tracerd.core.decode.names.kernel import (
    BPF_ATTACH_TYPE,
    BPF_MAP_TYPE,
    BPF_MAP_UPDATE,
    BPF_PROG_TYPE,
)
from tracerd.core.decode.words import address
from tracerd.core.syscalls.model import Captured, Cut, Decode, Words
from tracerd.protocol.text import shown

ATTR_LIMIT: Final = 128
_OBJECT_NAME: Final = "16s"


def _name(raw: bytes) -> str:
    return shown(raw.split(b"\0", 1)[0])


def _hex(value: int) -> str:
    return f"{value:#x}"


_SHOWN: Final[dict[str, Callable[[Any], Any]]] = {
    "map_type": BPF_MAP_TYPE.render,
    "prog_type": BPF_PROG_TYPE.render,
    "attach_type": BPF_ATTACH_TYPE.render,
    "expected_attach_type": BPF_ATTACH_TYPE.render,
    "elem_flags": BPF_MAP_UPDATE.render,
    "map_name": _name,
    "prog_name": _name,
}
"""How fields are shown that are no plain numbers."""
_IN_HEX: Final = frozenset(
    [
        "map_flags",
        "prog_flags",
        "file_flags",
        "attach_flags",
        "query_flags",
        "flags",
        "key",
        "value",
        "next_key",
        "insns",
        "license",
        "log_buf",
        "pathname",
        "info",
        "prog_ids",
        "data_in",
        "data_out",
        "btf",
        "btf_log_buf",
        "name",
        "func_info",
        "line_info",
    ]
)
"""Addresses, and bits that have no names here."""

Field: TypeAlias = tuple[str, str]
"""(name; its format, see struct; `x` for padding)."""


def _layout(text: str) -> tuple[Field, ...]:
    """Read `name:format` words; a word of digits and `x` is padding."""
    return tuple([tuple(word.rpartition(":")[::2]) for word in text.split()])  # type: ignore[misc]


_ELEMENT: Final = "map_fd:I 4x key:Q value:Q elem_flags:Q"
_LAYOUTS: Final[dict[str, str]] = {
    "BPF_MAP_CREATE": "map_type:I key_size:I value_size:I max_entries:I map_flags:I "
    f"inner_map_fd:I numa_node:I map_name:{_OBJECT_NAME} map_ifindex:I btf_fd:I "
    "btf_key_type_id:I btf_value_type_id:I",
    "BPF_MAP_LOOKUP_ELEM": _ELEMENT,
    "BPF_MAP_LOOKUP_AND_DELETE_ELEM": _ELEMENT,
    "BPF_MAP_UPDATE_ELEM": _ELEMENT,
    "BPF_MAP_DELETE_ELEM": "map_fd:I 4x key:Q",
    "BPF_MAP_GET_NEXT_KEY": "map_fd:I 4x key:Q next_key:Q",
    "BPF_MAP_FREEZE": "map_fd:I",
    "BPF_PROG_LOAD": "prog_type:I insn_cnt:I insns:Q license:Q log_level:I log_size:I log_buf:Q "
    f"kern_version:I prog_flags:I prog_name:{_OBJECT_NAME} prog_ifindex:I "
    "expected_attach_type:I prog_btf_fd:I func_info_rec_size:I func_info:Q func_info_cnt:I "
    "line_info_rec_size:I line_info:Q line_info_cnt:I attach_btf_id:I attach_prog_fd:I",
    "BPF_OBJ_PIN": "pathname:Q bpf_fd:I file_flags:I path_fd:i",
    "BPF_OBJ_GET": "pathname:Q bpf_fd:I file_flags:I path_fd:i",
    "BPF_PROG_ATTACH": "target_fd:I attach_bpf_fd:I attach_type:I attach_flags:I replace_bpf_fd:I",
    "BPF_PROG_DETACH": "target_fd:I attach_bpf_fd:I attach_type:I attach_flags:I",
    "BPF_PROG_TEST_RUN": "prog_fd:I retval:I data_size_in:I data_size_out:I data_in:Q data_out:Q "
    "repeat:I duration:I",
    "BPF_PROG_GET_NEXT_ID": "start_id:I next_id:I open_flags:I",
    "BPF_MAP_GET_NEXT_ID": "start_id:I next_id:I open_flags:I",
    "BPF_BTF_GET_NEXT_ID": "start_id:I next_id:I open_flags:I",
    "BPF_LINK_GET_NEXT_ID": "start_id:I next_id:I open_flags:I",
    "BPF_PROG_GET_FD_BY_ID": "prog_id:I next_id:I open_flags:I",
    "BPF_MAP_GET_FD_BY_ID": "map_id:I next_id:I open_flags:I",
    "BPF_BTF_GET_FD_BY_ID": "btf_id:I next_id:I open_flags:I",
    "BPF_LINK_GET_FD_BY_ID": "link_id:I next_id:I open_flags:I",
    "BPF_OBJ_GET_INFO_BY_FD": "bpf_fd:I info_len:I info:Q",
    "BPF_PROG_QUERY": "target_fd:I attach_type:I query_flags:I attach_flags:I prog_ids:Q "
    "prog_cnt:I",
    "BPF_RAW_TRACEPOINT_OPEN": "name:Q prog_fd:I",
    "BPF_BTF_LOAD": "btf:Q btf_log_buf:Q btf_size:I btf_log_size:I btf_log_level:I",
    "BPF_LINK_CREATE": "prog_fd:I target_fd:I attach_type:I flags:I",
    "BPF_LINK_UPDATE": "link_fd:I new_prog_fd:I flags:I old_prog_fd:I",
    "BPF_LINK_DETACH": "link_fd:I",
    "BPF_ENABLE_STATS": "type:I",
    "BPF_ITER_CREATE": "link_fd:I flags:I",
    "BPF_PROG_BIND_MAP": "prog_fd:I map_fd:I flags:I",
    "BPF_TOKEN_CREATE": "flags:I bpffs_fd:I",
}
"""Command -> the fields of its part of the union, from its beginning: <linux/bpf.h>."""


class _Reader:
    """Reads one layout."""

    def __init__(self, layout: str) -> None:
        fields = _layout(layout)
        self._names = [name for name, _ in fields if name]
        self._struct = struct.Struct("<" + "".join(code for _, code in fields))

    def read(self, data: bytes) -> dict[str, Any]:
        """Return the fields; what the program did not pass is zero, and not shown if at the end."""
        size = self._struct.size
        values = self._struct.unpack(data[:size].ljust(size, b"\0"))
        found: dict[str, Any] = {}
        for name, value in zip(self._names, values, strict=True):
            show = _SHOWN.get(name) or (_hex if name in _IN_HEX else None)
            found[name] = value if show is None else show(value)
        return found


@lru_cache(maxsize=64)
def _reader(command: str) -> _Reader | None:
    layout = _LAYOUTS.get(command)
    return None if layout is None else _Reader(layout)


def attr(cmd: int) -> Decode:
    """Return the decoder of a union bpf_attr; argument `cmd` says which part of it counts."""

    def decode(word: int, captured: Captured, call: Words) -> Any:
        data = captured.data if isinstance(captured, Cut) else captured
        reader = _reader(str(BPF.render(call.args[cmd] & 0xFFFF_FFFF)))
        if type(data) is not bytes or reader is None or not data:
            return address(word)
        return reader.read(data)

    return decode
