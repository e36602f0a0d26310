"""drain.py COUNT LAZY OPTIONS: COUNT subscribers in one process that read and throw away.

OPTIONS (JSON): of subscribe().  The last LAZY of them never read.  Prints the ids of all, as JSON,
once all are subscribed, and goes on until it is killed.

It does next to nothing with what it reads, so that what many subscribers cost the daemon is seen
apart from what they cost the machine; readers/one.py is what a subscriber costs both.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time

import tracerd.client

CHUNK = 1 << 20
LINGER_S = 0.001
"""Between two rounds of reading: else it would be woken for each write to each of them."""


def main() -> None:
    count, lazy, options = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    with tracerd.client.connect_sync() as connection:
        subscriptions = [connection.subscribe(**options) for _ in range(count)]
        poll = select.epoll()
        sockets = {one.fileno(): one for one in subscriptions[: count - lazy]}
        for number in sockets:
            poll.register(number, select.EPOLLIN)
        print(json.dumps([one.id for one in subscriptions]), flush=True)
        place = bytearray(CHUNK)
        while sockets:
            for number, _ in poll.poll():
                if not read(number, place):
                    poll.unregister(number)
                    del sockets[number]
            time.sleep(LINGER_S)
        select.select([], [], [])  # the lazy ones stay until they are killed


def read(number: int, place: bytearray) -> int:
    """Read what there is; returns how much, 0 at the end of the stream."""
    return os.readv(number, [place])


if __name__ == "__main__":
    main()
