"""What a command loads before it says its first word: each of these takes tens of milliseconds."""

import subprocess
import sys

import pytest

from tracerd.ctl.main import VERBS
from tracerd.protocol import messages

LOOPS = {"trio", "anyio", "asyncio"}
DAEMON = {"tracerd.core", "tracerd.server"}

CTL = "tracerd.ctl.main"
DAEMON_MAIN = "tracerd.server.main"

SCRIPT = """
import atexit, importlib, sys
atexit.register(lambda: print("loaded:", *sys.modules))
sys.exit(importlib.import_module(sys.argv[1]).main(sys.argv[2:]))
"""


def loaded(entry, *words):
    """Run an entry point; return its exit code and the modules it had loaded at its end."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, entry, *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    _, ended, names = ran.stdout.rpartition("loaded:")
    assert ended, ran.stderr
    return ran.returncode, set(names.split())


def test_help_of_tracerctl_loads_no_verb():
    code, modules = loaded(CTL, "--help")

    assert code == 0
    assert CTL in modules
    assert not modules & (LOOPS | DAEMON | {"msgspec", "tracerd.protocol", "tracerd.client.sync"})
    assert not any(name.startswith("tracerd.ctl.verbs.") for name in modules)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_loads_itself_alone_and_nothing_of_the_daemon(verb):
    code, modules = loaded(CTL, verb, "--help")

    assert code == 0
    verbs = {name for name in modules if name.startswith("tracerd.ctl.verbs.")}
    assert verbs == {f"tracerd.ctl.verbs.{verb}"}
    assert not modules & (LOOPS | DAEMON)


@pytest.mark.parametrize("verb", ["status", "list", "syscalls"])
def test_asking_the_daemon_takes_neither_it_nor_an_event_loop(daemon, verb):
    daemon.answers["List"] = messages.ListReply(processes=[])

    code, modules = loaded(CTL, verb)

    assert code == 0
    assert len(daemon.calls) == 1
    assert not modules & (LOOPS | DAEMON)


def test_help_of_tracerd_does_not_load_it():
    code, modules = loaded(DAEMON_MAIN, "--help")

    assert code == 0
    assert not modules & (LOOPS | {"msgspec", "tracerd.core", "tracerd.protocol"})
    assert "tracerd.server.daemon" not in modules
