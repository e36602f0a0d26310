"""A daemon of few words: answers calls as a test tells it to, on a real socket."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from typing import Any

import msgspec

from tracerd.errors import TracerdError
from tracerd.protocol import messages
from tracerd.protocol.codec import encode_json, encode_msgpack
from tracerd.protocol.connection import ServerConnection, decode_parameters
from tracerd.protocol.framing import msgpack_batch, msgpack_end

DEADLINE_S = 60


class FakeStream:
    """A subscription, from the daemon's side."""

    def __init__(self, sock, connection, call, parameters):
        self.socket = sock
        self.parameters: messages.Subscribe = parameters
        self._connection = connection
        self._binary = call.upgrade
        self.gone = threading.Event()
        """Set once the subscriber has closed its end."""

    def send(self, *events):
        """Send a batch; an event may be given encoded, as a dict of what it should hold."""
        encode = msgspec.msgpack.encode if self._binary else msgspec.json.encode
        typed = encode_msgpack if self._binary else encode_json
        encoded = [encode(e) if isinstance(e, dict) else typed(e) for e in events]
        self.socket.sendall(self._batch(encoded))

    def _batch(self, encoded):
        if self._binary:
            return msgpack_batch(encoded)
        return self._connection.events_reply(encoded)

    def send_raw(self, data):
        self.socket.sendall(data)

    def end(self, reason):
        if self._binary:
            self.socket.sendall(msgpack_end(reason))
        else:
            self.socket.sendall(self._connection.reply(messages.SubscribeReply(end=reason)))
        self.drop()

    def drop(self):
        """End the connection without a word, unless the subscriber has done so already."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class FakeDaemon:
    """answers: method (without its interface) -> reply, error, or function of the parameters."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.answers: dict[str, Any] = {
            "Status": status(),
            "Syscalls": messages.SyscallsReply(syscalls=[]),
            "Subscribe": messages.SubscribeReply(id="s1", run="r1", head=7, oldest=1),
        }
        self.calls: list[tuple[str, msgspec.Struct]] = []
        self.streams: list[FakeStream] = []
        self.early: list[Any] = []
        """Events sent in the same write as the answer to Subscribe."""
        self._changed = threading.Condition()
        self._sockets: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()

    def stream(self, index=0) -> FakeStream:
        """Wait for a subscription, and return it."""
        self.wait(lambda: len(self.streams) > index)
        return self.streams[index]

    def wait(self, condition):
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE_S), "nothing came"

    def end_with_processes(self, *events):
        """From now on, end the newest stream once the process attached to has ended.

        events: sent when the process is attached.
        """

        def attach(call):
            self.wait(lambda: len(self.streams) == len(self.called("Subscribe")))
            stream = self.streams[-1]
            pidfd = os.pidfd_open(call.pid)
            stream.send(*events)

            def wait():
                select.select([pidfd], [], [])
                os.close(pidfd)
                with contextlib.suppress(OSError):
                    stream.end("target")

            thread = threading.Thread(target=wait)
            self._threads.append(thread)
            thread.start()
            return messages.AttachReply(pid=call.pid, threads=[call.pid])

        self.answers["Attach"] = attach

    def called(self, method):
        return [parameters for name, parameters in self.calls if name == method]

    def _accept(self):
        while True:
            try:
                sock, _address = self._listener.accept()
            except OSError:
                return
            self._sockets.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock):
        connection = ServerConnection()
        with sock, contextlib.suppress(OSError), contextlib.ExitStack() as left:
            while data := sock.recv(65536):
                connection.receive_data(data)
                while (call := connection.next_call()) is not None:
                    self._answer(sock, connection, call, left)

    def _answer(self, sock, connection, call, left):
        parameters = decode_parameters(call.method, call.parameters)
        method = call.method.rpartition(".")[2]
        with self._changed:
            self.calls.append((method, parameters))
            self._changed.notify_all()
        answer = self.answers.get(method, {})
        if callable(answer):
            answer = answer(parameters)
        if isinstance(answer, TracerdError):
            data = connection.error(answer)
        else:
            data = connection.reply(answer, continues=method == "Subscribe" and call.more)
        if method == "Subscribe" and not isinstance(answer, TracerdError):
            stream = FakeStream(sock, connection, call, parameters)
            left.callback(stream.gone.set)
            if self.early:
                sock.sendall(
                    data
                    + stream._batch(
                        [encode_json(e) if call.more else encode_msgpack(e) for e in self.early]
                    )
                )
            else:
                sock.sendall(data)
        else:
            stream = None
            sock.sendall(data)
        if stream is not None:
            with self._changed:
                self.streams.append(stream)
                self._changed.notify_all()


def status(**fields):
    """A daemon's state of which nothing is remarkable."""
    return messages.StatusReply(
        **{
            "version": "0.1",
            "run": "r1",
            "pid": os.getpid(),
            "pump": "python",
            "uptime_ns": 93_784_000_000_000,
            "head": 7,
            "processes": 1,
            "tracees": 2,
            "held": 0,
            "connections": 1,
            "subscriptions": [],
            "anomalies": 0,
        }
        | fields
    )
