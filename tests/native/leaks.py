"""Does the native pump keep memory?  The same life many times over must not grow the process.

Run it as a script; exit code 1 if it does.  With `--rounds N` it lives N times and judges nothing:
for valgrind, which finds leaks by itself and keeps memory of its own.
"""

import gc
import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tracees")]

import following  # noqa: E402
from build import command  # noqa: E402

from tracerd.core.native_pump import NativePump  # noqa: E402
from tracerd.core.pump import Mode  # noqa: E402

ROUNDS = 60
SETTLED = 15
ALLOWED = 400 * 1024
"""Bytes of growth over all rounds after the first SETTLED: what the allocators themselves keep."""


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def live():
    pump = NativePump(most_bytes=1 << 20)
    run = following.Following(pump, following.Table(tell_enter=True, noted={"unlink", "close"}))
    run.run("ls", "-l", "/usr/lib")
    assert run.pairs()
    left = NativePump()  # closed with things in it
    for _ in range(200):
        left.put(bytes(1000))
    table = following.Table(prefixes=(b"/etc/", b"/usr/"))
    for tid in range(1, 400):
        left.watch(tid, tid // 2 + 1, table, Mode.CALLS)
        left.set_manual(tid + 1000, True)
    if resident() % 2:
        left.close()


def main():
    command("repeat")
    if sys.argv[1:2] == ["--rounds"]:
        for _ in range(int(sys.argv[2])):
            live()
        return 0
    sizes = []
    for _ in range(ROUNDS):
        live()
        gc.collect()
        sizes.append(resident())
    grown = sizes[-1] - sizes[SETTLED]
    print(f"grown by {grown // 1024} KiB in {ROUNDS - SETTLED} rounds; {sizes[-1] >> 20} MiB")
    return grown > ALLOWED


if __name__ == "__main__":
    sys.exit(main())
