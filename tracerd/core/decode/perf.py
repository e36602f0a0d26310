"""Decoder of struct perf_event_attr: its main fields."""

from __future__ import annotations

from typing import Any, Final

from tracerd.core.decode.names.kernel import (
    PERF_BITS,
    PERF_HARDWARE,
    PERF_READ,
    PERF_SAMPLE,
    PERF_SOFTWARE,
    PERF_TYPE,
)
from tracerd.core.decode.structs import record

ATTR_SIZE: Final = 72
ATTR_LEAST: Final = 64
_CONFIGS: Final = {
    PERF_TYPE.values["PERF_TYPE_HARDWARE"]: PERF_HARDWARE,
    PERF_TYPE.values["PERF_TYPE_SOFTWARE"]: PERF_SOFTWARE,
}


def _attr(
    kind: int,
    size: int,
    config: int,
    sample: int,
    sample_type: int,
    read_format: int,
    bits: int,
    wakeup: int,
    bp_type: int,
    config1: int,
    config2: int,
) -> dict[str, Any]:
    names = _CONFIGS.get(kind)
    named = names.names.get(config) if names is not None else None
    flags = PERF_BITS.render(bits)
    found: dict[str, Any] = {
        "type": PERF_TYPE.render(kind),
        "size": size,
        "config": named or f"{config:#x}",
        "sample_freq" if "freq" in flags else "sample_period": sample,
        "sample_type": PERF_SAMPLE.render(sample_type),
        "read_format": PERF_READ.render(read_format),
        "bits": flags,
    }
    if wakeup:
        found["wakeup_watermark" if "watermark" in flags else "wakeup_events"] = wakeup
    if bp_type:
        found["bp_type"] = bp_type
    if config1:
        found["config1"] = f"{config1:#x}"
    if config2:
        found["config2"] = f"{config2:#x}"
    return found


attr: Final = record("<IIQQQQQIIQQ", _attr, least=ATTR_LEAST)
