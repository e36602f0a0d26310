"""What a call came to: `= 3</etc/passwd>`, `= -1 ENOENT (No such file or directory)`."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from tracerd.ctl.text.calls import REMARKS, RETURNS, named_result
from tracerd.ctl.text.descriptors import described
from tracerd.ctl.text.escape import escape
from tracerd.ctl.text.values import anything

if TYPE_CHECKING:
    from tracerd.ctl.text.look import Look
    from tracerd.protocol.events import SyscallExit

RESTARTS: Final = {
    "ERESTARTSYS": "To be restarted if SA_RESTART is set",
    "ERESTARTNOINTR": "To be restarted",
    "ERESTARTNOHAND": "To be restarted if no handler",
    "ERESTART_RESTARTBLOCK": "Interrupted by signal",
}
"""The kernel's own codes, which no program sees."""


def reason(name: str) -> str:
    """Return what an errno name means, or an empty string if it is not known."""
    number = getattr(errno, name, None)
    return RESTARTS.get(name) or (os.strerror(number) if isinstance(number, int) else "")


def failure(name: str) -> str:
    """Return `ENOENT (No such file or directory)`."""
    text = reason(name)
    return f"{name} ({text})" if text else escape(name)


def outcome(event: SyscallExit, look: Look) -> str:
    """Return the result, from the equals sign on."""
    if event.errno is not None:
        number = "?" if event.restart else "-1"
        return look.ink.error(f"= {number} {failure(event.errno)}")
    if event.ret is None or event.unfinished:
        return "= ?"
    shown = str(event.ret) if type(event.ret) is int else escape(str(event.ret))
    if event.ret_names:
        shown = named_result(event, look) or shown
    if event.syscall in RETURNS:
        shown = RETURNS[event.syscall](event.ret, look)
    if event.ret_path is not None:
        shown += described(event.ret_info, event.ret_path, look)
    if event.rets is not None and event.rets not in event.args.values():
        shown += f" {anything(event.rets)}"
    remark = REMARKS.get(event.syscall)
    return f"= {shown}{remark(event, look)}" if remark is not None else f"= {shown}"
