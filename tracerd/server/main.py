"""tracerd's entry: the command line, the sockets, and only then the daemon.

Loading the daemon takes most of its start.  `--help`, a mistake in the command line and a daemon
that is running already need none of it, and who connects meanwhile waits instead of failing.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final

from tracerd.server import systemd
from tracerd.server.listener import ListenError, Listening, adopt, listen
from tracerd.server.log import Log, logging_to_stderr
from tracerd.server.settings import CONFIG, Settings, default_socket, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

log = Log("tracerd")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What ends the daemon; the last one makes it read its configuration again, if it has any."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon; returns its exit code."""
    settings = parse(arguments)
    try:
        settings = _configured(settings)
    except ValueError as error:
        sys.stderr.write(f"tracerd: error: {error}\n")
        return 2
    if settings.check_config:
        sys.stdout.write(f"{settings.config or 'no configuration file'}: ok\n")
        return 0
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


def _configured(settings: Settings) -> Settings:
    """Return settings with what the configuration file says.  Raises ConfigError, a ValueError.

    That in /etc is the system's: a user's own daemon, or a private one, is nobody's but theirs.
    """
    path = settings.config or os.environ.get("TRACERD_CONFIG") or None
    if path is None:
        is_own = os.geteuid() != 0 or settings.exit_on_eof is not None
        if is_own or not os.path.lexists(CONFIG):
            return settings
    from tracerd.server import config  # noqa: PLC0415  late, as above

    return config.configured(settings, config.load(path))


def _open_sockets(settings: Settings) -> list[Listening]:
    passed = systemd.listen_fds(os.environ)
    if passed:
        return adopt(passed)
    return [listen(settings.socket or default_socket(), settings.mode)]
