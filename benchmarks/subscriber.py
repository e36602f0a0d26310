"""subscriber.py PID [SYSCALLS...]: one subscriber to a process and its descendants.

READY once subscribed; reads and decodes every event until the trace of PID has ended; then
prints how many were lost, if any.
"""

from __future__ import annotations

import sys

import tracerd.client


def main() -> None:
    pid, syscalls = int(sys.argv[1]), sys.argv[2:]
    lost = 0
    with (
        tracerd.client.connect_sync() as connection,
        connection.subscribe(tree=[pid], syscall=syscalls, until=pid) as subscription,
    ):
        print("READY", flush=True)
        for event in subscription:
            if event.__struct_config__.tag == "lost":
                lost += event.count
    if lost:
        print(lost)


if __name__ == "__main__":
    main()
