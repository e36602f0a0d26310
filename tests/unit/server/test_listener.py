"""The socket file: never stolen from the living, never left by the dead."""

import os
import socket
import stat
import threading

import pytest

from tracerd.server.listener import AlreadyRunningError, ListenError, adopt, listen


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "tracerd.sock")


def stale(path):
    """Leave a socket file behind, as a killed daemon does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(path)
        sock.listen()


def answers(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        return sock.connect_ex(path) == 0


@pytest.mark.parametrize("mode", [0o666, 0o600, 0o660])
@pytest.mark.parametrize("umask", [0o022, 0o077, 0])
def test_the_file_has_exactly_the_mode_asked_for(path, mode, umask):
    before = os.umask(umask)
    try:
        listening = listen(path, mode)
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(path).st_mode) == mode
    assert answers(path)
    listening.close()
    assert os.listdir(os.path.dirname(path)) == []


def test_a_stale_file_is_replaced(path):
    stale(path)
    assert not answers(path)
    listening = listen(path, 0o600)
    assert answers(path)
    listening.close()


def test_a_live_one_is_left_alone(path):
    listening = listen(path, 0o600)
    with pytest.raises(AlreadyRunningError, match="already running"):
        listen(path, 0o600)
    assert answers(path)
    listening.close()


def test_a_live_one_with_a_full_backlog_is_live(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(path)
        sock.listen(0)
        clients = []
        while True:
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            clients.append(client)
            if client.connect_ex(path):
                break
        with pytest.raises(AlreadyRunningError):
            listen(path, 0o600)
        for client in clients:
            client.close()


@pytest.mark.parametrize("kind", ["file", "directory", "link", "datagram"])
def test_what_is_no_stream_socket_is_not_touched(path, kind):
    if kind == "file":
        with open(path, "w", encoding="utf-8") as file:
            file.write("precious")
    elif kind == "directory":
        os.mkdir(path)
    elif kind == "link":
        os.symlink("/etc/passwd", path)
    else:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind(path)
            with pytest.raises(ListenError):
                listen(path, 0o600)
            assert os.path.exists(path)
        return
    with pytest.raises(ListenError, match="is not a socket"):
        listen(path, 0o600)
    assert os.path.lexists(path)


@pytest.mark.parametrize("path", ["/no/such/directory/x.sock", "/tmp/" + "x" * 200])
def test_a_path_that_cannot_be_had_is_an_error_with_its_reason(path):
    with pytest.raises(ListenError, match="cannot listen on"):
        listen(path, 0o600)


def test_only_ones_own_file_is_unlinked(path):
    first = listen(path, 0o600)
    first.socket.close()
    second = listen(path, 0o600)
    first.close()
    assert answers(path)
    second.close()
    assert not os.path.exists(path)


def test_of_many_that_start_at_once_one_wins(path):
    stale(path)
    barrier = threading.Barrier(8)
    won, lost = [], []

    def start():
        barrier.wait()
        try:
            won.append(listen(path, 0o600))
        except AlreadyRunningError as error:
            lost.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert answers(path)
    won[0].close()
    assert os.listdir(os.path.dirname(path)) == []


def test_passed_sockets_are_used_and_their_files_left(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(path)
        sock.listen()
        [listening] = adopt([(os.dup(sock.fileno()), "tracerd.socket")])
        assert listening.path == path
        assert not listening.socket.getblocking()
        listening.close()
        assert answers(path)


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        (socket.AF_UNIX, socket.SOCK_STREAM),  # does not listen
        (socket.AF_UNIX, socket.SOCK_DGRAM),
        (socket.AF_INET, socket.SOCK_STREAM),
    ],
)
def test_passed_descriptors_of_another_kind_are_refused(family, kind):
    with socket.socket(family, kind) as sock, pytest.raises(ListenError, match=r"odd\.socket"):
        adopt([(os.dup(sock.fileno()), "odd.socket")])
    reader, writer = os.pipe()
    with pytest.raises(ListenError):
        adopt([(reader, "pipe")])
    os.close(reader)
    os.close(writer)
