"""one.py PID [SYSCALLS...]: one subscriber to a process and its descendants, as a script would be.

READY once subscribed; reads and decodes every event until the trace of PID has ended; then
prints, as JSON, how often each call came, and how many events were `lost`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter

import tracerd.client


def main() -> None:
    pid, syscalls = int(sys.argv[1]), sys.argv[2:]
    calls: Counter[str] = Counter()
    lost = 0
    with (
        tracerd.client.connect_sync() as connection,
        connection.subscribe(tree=[pid], syscall=syscalls, until=pid) as subscription,
    ):
        print("READY", flush=True)
        for event in subscription:
            kind = event.__struct_config__.tag
            if kind == "syscall_exit":
                calls[event.syscall] += 1
            elif kind == "lost":
                lost += event.count
    print(json.dumps({"calls": calls, "lost": lost}))


if __name__ == "__main__":
    main()
