"""The daemon and clients that know nothing of ours; and our library, from a script.

Everybody subscribes to the same program, and gets the same events.
"""

import base64
import json
import shutil
import socket
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path

import anyio
import msgspec
import pytest
import varlink

import tracerd.client
from tracerd.errors import InvalidFilter, NoSuchProcess

DEADLINE_S = 60

PATHS = ["/etc/hostname", "/none/**"]
SCRIPT = "read x; cat /etc/hostname /none/at/all; cat /etc/passwd; exit 3"
EXPECTED = [("cat", "openat", "/etc/hostname", None), ("cat", "openat", "/none/at/all", "ENOENT")]

IDL = Path(tracerd.client.__file__).parents[1] / "protocol" / "io.tracerd.varlink"


@pytest.fixture
def target(processes):
    """A shell that reads two files, one of which is not there, once it is told to."""
    return processes.start(
        ["sh", "-c", SCRIPT],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def act(target):
    """Have the program run to its end."""
    target.communicate(b"\n", timeout=DEADLINE_S)
    assert target.returncode == 3


def subscription(target):
    filters = [{"tree": [target.pid], "syscall": ["openat"], "path": PATHS}]
    return {"filters": filters, "until": target.pid}


def facts(events):
    return [
        (event["comm"], event["syscall"], event["files"][0]["path"], event.get("errno"))
        for event in events
    ]


def running(tracerctl, daemon, until, count):
    """Wait until there are `count` subscriptions."""

    def there():
        done = tracerctl("status", "--json", socket=daemon.socket)
        return len(json.loads(done.stdout)["subscriptions"]) == count

    until(there)


@pytest.fixture
def foreign(daemon):
    """The PyPI library `varlink`, connected; it reads the interface from the daemon."""
    with varlink.Client.new_with_address(f"unix:{daemon.socket}") as client:
        yield client


def test_varlink_library_asks_who_we_are(foreign):
    with foreign.open("org.varlink.service") as service:
        info = service.GetInfo()
        assert info["product"] == "tracerd"
        assert info["interfaces"] == ["org.varlink.service", "io.tracerd"]
        described = service.GetInterfaceDescription("io.tracerd")
        assert described["description"] == IDL.read_text()
        with pytest.raises(varlink.VarlinkError) as caught:
            service.GetInterfaceDescription("io.nobody")
        assert caught.value.error() in {
            "org.varlink.service.InterfaceNotFound", "org.varlink.service.InvalidParameter",
        }  # fmt: skip


def test_varlink_library_attaches_lists_and_detaches(foreign, target, tracer_of):
    with foreign.open("io.tracerd") as service:
        assert service.List() == {"processes": []}
        reply = service.Attach(target.pid)
        assert (reply["pid"], reply["threads"]) == (target.pid, [target.pid])
        assert tracer_of(target.pid)
        [one] = service.List()["processes"]
        assert (one["pid"], one["comm"], one["state"]) == (target.pid, "sh", "running")
        assert service.Status()["processes"] == 1
        assert service.Detach(target.pid) == {"pid": target.pid, "holders": 0}
        assert tracer_of(target.pid) == 0
        with pytest.raises(varlink.VarlinkError) as caught:
            service.Attach(2**31 - 1)
        assert caught.value.error() == "io.tracerd.NoSuchProcess"
        assert caught.value.parameters() == {"pid": 2**31 - 1}


def test_varlink_library_subscribes(foreign, target):
    with foreign.open("io.tracerd") as service, foreign.open("io.tracerd") as control:
        control.Attach(target.pid)
        stream = service.Subscribe(**subscription(target), _more=True)
        first = next(stream)
        assert first["filters"] == subscription(target)["filters"]
        assert first["pushed_down"] == ["openat"]
        act(target)
        rest = list(stream)

        # The connection goes on after the stream.
        assert service.List() == {"processes": []}

    assert rest[-1]["end"] == "target"
    assert facts(event for reply in rest[:-1] for event in reply["events"]) == EXPECTED


def test_varlink_library_is_told_what_is_wrong_with_a_filter(foreign):
    with foreign.open("io.tracerd") as service:
        with pytest.raises(varlink.VarlinkError) as caught:
            next(service.Subscribe(filters=[{"syscall": ["opena"]}], _more=True))
        assert caught.value.error() == "io.tracerd.InvalidFilter"
        assert caught.value.parameters()["field"] == "filters[0].syscall[0]"


def varlink_cli(processes, *words, **popen):
    command = [sys.executable, "-W", "ignore", "-m", "varlink.cli", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | popen
    return processes.start(command, **pipes)


def concatenated(text):
    """Decode JSON values that stand one after the other."""
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


def test_varlink_command(daemon, processes, target, tracerctl, tracer_of, until):
    address = f"unix:{daemon.socket}"

    def ask(*words):
        process = varlink_cli(processes, *words)
        out, err = process.communicate(timeout=DEADLINE_S)
        return out, err

    out, err = ask("info", address)
    assert err == ""
    assert "Product: tracerd" in out
    assert "io.tracerd" in out
    out, err = ask("help", f"{address}/io.tracerd")
    assert (out.strip(), err) == (IDL.read_text().strip(), "")
    out, err = ask("call", f"{address}/io.tracerd.Attach", json.dumps({"pid": target.pid}))
    assert (json.loads(out)["threads"], err) == ([target.pid], "")
    assert tracer_of(target.pid)
    out, err = ask("call", f"{address}/io.tracerd.List")
    assert [one["pid"] for one in json.loads(out)["processes"]] == [target.pid]
    out, err = ask("call", f"{address}/io.tracerd.Attach", json.dumps({"pid": daemon.pid}))
    assert out == ""
    assert "io.tracerd.OwnDaemon" in err

    stream = varlink_cli(
        processes, "call", "-m", f"{address}/io.tracerd.Subscribe",
        json.dumps(subscription(target)),
    )  # fmt: skip
    running(tracerctl, daemon, until, 1)
    act(target)
    out, err = stream.communicate(timeout=DEADLINE_S)
    first, *batches, last = concatenated(out)
    assert first["pushed_down"] == ["openat"]
    assert facts(event for batch in batches for event in batch["events"]) == EXPECTED
    assert last == {"end": "target"}
    assert err == ""


needs_socat_and_jq = pytest.mark.skipif(
    not (shutil.which("socat") and shutil.which("jq")), reason="needs socat and jq"
)


@needs_socat_and_jq
def test_shell_tools(daemon, processes, target, tracerctl, until):
    """One line in, one line per reply out."""

    asked = processes.start(
        ["sh", "-c", 'echo "$1" | socat -t 20 - "UNIX-CONNECT:$2" | jq -c .parameters.threads',
         "sh", json.dumps({"method": "io.tracerd.Attach", "parameters": {"pid": target.pid}}),
         daemon.socket],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert asked.communicate(timeout=DEADLINE_S)[0] == f"[{target.pid}]\n"

    call = {
        "method": "io.tracerd.Subscribe", "parameters": subscription(target), "more": True,
    }  # fmt: skip
    program = ".parameters | .end // (.events[]? | [.comm, .syscall, .files[0].path, .errno])"
    # socat stays when its input has ended, so the end of the stream is a line, not an end of file.
    watching = processes.start(
        ["sh", "-c", 'echo "$1" | socat -,ignoreeof "UNIX-CONNECT:$2" | jq --unbuffered -c "$3"',
         "sh", json.dumps(call), daemon.socket, program],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    running(tracerctl, daemon, until, 1)
    act(target)
    lines = [json.loads(watching.stdout.readline()) for _ in range(3)]
    assert lines == [*map(list, EXPECTED), "target"]


class Raw:
    """A socket and bytes."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(path)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.socket.close()

    def send(self, method, parameters, end=b"\0", **flags):
        message = {"method": f"io.tracerd.{method}", "parameters": parameters, **flags}
        self.socket.sendall(json.dumps(message).encode() + end)

    def until(self, end):
        while end not in self.buffer:
            data = self.socket.recv(4096)
            assert data, self.buffer
            self.buffer += data
        found, _, self.buffer = self.buffer.partition(end)
        return json.loads(found)

    def exactly(self, count):
        while len(self.buffer) < count:
            data = self.socket.recv(4096)
            assert data, self.buffer
            self.buffer += data
        found, self.buffer = self.buffer[:count], self.buffer[count:]
        return found

    def frame(self):
        (length,) = struct.unpack(">I", self.exactly(4))
        return msgspec.msgpack.decode(self.exactly(length))


def test_messagepack_says_what_json_says(daemon, target):
    """Every event of the program, in both formats, taken apart by hand."""
    everything = {"filters": [{"tree": [target.pid]}], "until": target.pid, "overflow": "block"}
    with Raw(daemon.socket) as control, Raw(daemon.socket) as text, Raw(daemon.socket) as binary:
        control.send("Attach", {"pid": target.pid}, end=b"\n")
        assert control.until(b"\n")["parameters"]["threads"] == [target.pid]
        text.send("Subscribe", everything, end=b"\n", more=True)
        assert text.until(b"\n")["continues"] is True
        binary.send("Subscribe", everything, upgrade=True)
        first = binary.until(b"\0")
        assert first["parameters"]["filters"] == everything["filters"]
        assert first["parameters"]["pushed_down"] == ["*"]
        act(target)

        packed = []
        while isinstance(frame := binary.frame(), list):
            packed += frame
        assert frame == {"end": "target"}
        assert binary.socket.recv(1) == b""
        spelt = []
        while (reply := text.until(b"\n")).get("continues"):
            spelt += reply["parameters"]["events"]
        assert reply["parameters"] == {"end": "target"}

    assert len(spelt) > 50
    assert packed == spelt
    assert [event["seq"] for event in spelt] == list(
        range(spelt[0]["seq"], spelt[0]["seq"] + len(spelt))
    )


def test_names_that_are_not_utf8_have_their_bytes(daemon, processes):
    name = b"/none/\xff\n\x1b[2J"
    target = processes.start(
        ["sh", "-c", b'read x; test -e "$1"; exit 0', "sh", name], stdin=subprocess.PIPE
    )
    with Raw(daemon.socket) as control, Raw(daemon.socket) as stream:
        control.send("Attach", {"pid": target.pid})
        control.until(b"\0")
        stream.send("Subscribe", {"filters": [{"path": ["/none/**"]}], "until": target.pid},
                    more=True)  # fmt: skip
        stream.until(b"\0")
        target.communicate(b"\n", timeout=DEADLINE_S)
        replies = []
        while (reply := stream.until(b"\0")).get("continues"):
            replies += reply["parameters"]["events"]

    [event] = replies
    [file] = event["files"]
    assert file["path"] == "/none/\\xff\n\x1b[2J"
    assert base64.b64decode(file["path_b64"]) == name


@pytest.mark.parametrize("wire_format", ["json", "msgpack"])
def test_our_library_in_a_plain_script(daemon, target, wire_format, tracer_of):
    with tracerd.client.connect_sync(daemon.socket, timeout=DEADLINE_S) as client:
        assert client.attach(target.pid).threads == [target.pid]
        assert tracer_of(target.pid)
        subscribed = client.subscribe(
            path=PATHS, syscall="openat", tree=target.pid, until=target.pid, format=wire_format
        )
        with subscribed as events:
            assert events.fileno() >= 0
            act(target)
            found = list(events)
            assert events.end == "target"
        assert client.list().processes == []
        with pytest.raises(NoSuchProcess):
            client.attach(target.pid)
        with pytest.raises(InvalidFilter):
            client.subscribe(syscall="opena")

    assert from_structs(found) == EXPECTED


def from_structs(events):
    return [(event.comm, event.syscall, event.files[0].path, event.errno) for event in events]


@pytest.fixture(params=["asyncio", "trio"])
def run(request):
    """Run a coroutine function on an event loop, for a while at most."""

    async def limited(function):
        with anyio.fail_after(DEADLINE_S):
            return await function()

    return lambda function: anyio.run(partial(limited, function), backend=request.param)


@pytest.mark.parametrize("wire_format", ["json", "msgpack"])
def test_our_library_in_an_event_loop(daemon, target, run, wire_format):
    async def script():
        async with tracerd.client.connect(daemon.socket) as client:
            await client.attach(target.pid)
            found = []
            async with client.subscribe(
                path=PATHS, syscall="openat", tree=target.pid, until=target.pid, format=wire_format
            ) as events:
                await anyio.to_thread.run_sync(act, target)
                async for event in events:
                    found.append(event)  # noqa: PERF401  as a script has it
                assert events.end == "target"
            assert (await client.list()).processes == []
            with pytest.raises(NoSuchProcess):
                await client.attach(target.pid)
        return found

    assert from_structs(run(script)) == EXPECTED


def test_several_subscriptions_in_one_event_loop(daemon, target, run):
    """With exclusions, as in the command line; all see the program's end."""
    found = {}

    async def collect(client, name, started, **options):
        async with client.subscribe(tree=target.pid, until=target.pid, **options) as events:
            started()
            found[name] = [event async for event in events]

    async def script():
        left = 3
        everybody = anyio.Event()

        def started():
            nonlocal left
            left -= 1
            if not left:
                everybody.set()

        async with tracerd.client.connect(daemon.socket) as client:
            await client.attach(target.pid)
            async with anyio.create_task_group() as group:
                for name, options in (
                    ("passwd", {"path": ["/etc/**", "!/etc/hostname", "!/etc/ld.so.*"],
                                "syscall": "openat"}),
                    ("failed", {"path": PATHS, "result": "error"}),
                    ("ends", {"type": "exit"}),
                ):  # fmt: skip
                    group.start_soon(partial(collect, client, name, started, **options))
                await everybody.wait()
                await anyio.to_thread.run_sync(act, target)

    run(script)

    assert {event.files[0].path for event in found["passwd"]} >= {"/etc/passwd"}
    assert not {event.files[0].path for event in found["passwd"]} & {"/etc/hostname"}
    assert from_structs(found["failed"]) == EXPECTED[1:]
    assert [event.code for event in found["ends"]] == [1, 0, 3]
