"""tracerd's entry: the command line, the sockets, and only then the daemon.

Loading the daemon takes most of its start.  `--help`, a mistake in the command line and a daemon
that is running already need none of it, and who connects meanwhile waits instead of failing.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

from tracerd.server import systemd
from tracerd.server.listener import ListenError, Listening, adopt, listen
from tracerd.server.log import Log, logging_to_stderr
from tracerd.server.settings import Settings, default_socket, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

log = Log("tracerd")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What ends the daemon."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon; returns its exit code."""
    settings = parse(arguments)
    # They wait until there is somebody to heed them: from here on there is a socket to unlink.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    with logging_to_stderr(settings.log_format, settings.log_level):
        try:
            listening = _open_sockets(settings)
        except (ListenError, LookupError) as error:
            log.error(str(error))  # noqa: TRY400  the text says it all
            return 1
        try:
            from tracerd.server.daemon import serve  # noqa: PLC0415  see above

            return serve(settings, listening)
        finally:
            for each in listening:
                each.close()


def _open_sockets(settings: Settings) -> list[Listening]:
    passed = systemd.listen_fds(os.environ)
    if passed:
        return adopt(passed)
    return [listen(settings.socket or default_socket(), settings.mode)]
