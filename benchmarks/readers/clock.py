"""clock.py PID: how late the events of programs/ticks.c come, in nanoseconds.

READY once subscribed.  Each call has the time at which it was made in its `offset`; the time at
which its bytes arrived is taken before they are decoded.  Prints, as JSON, what `lost` and the
latencies in order of arrival, once the trace of PID has ended.
"""

from __future__ import annotations

import json
import select
import sys
import time

import tracerd.client


def main() -> None:
    pid = int(sys.argv[1])
    late: list[int] = []
    lost = 0
    with (
        tracerd.client.connect_sync() as connection,
        connection.subscribe(
            tree=[pid], syscall=["lseek"], type=["syscall_exit"], result=["EBADF"], until=pid
        ) as subscription,
    ):
        print("READY", flush=True)
        while True:
            if not subscription.waiting:
                select.select([subscription], [], [])
            now_ns = time.monotonic_ns()
            batch = subscription.read(0)
            if batch is None:
                break
            for event in batch:
                if event.__struct_config__.tag == "syscall_exit":
                    late.append(now_ns - event.args["offset"])
                else:
                    lost += event.count
    print(json.dumps({"late": late, "lost": lost}))


if __name__ == "__main__":
    main()
