"""nginx with requests from wrk: a server's time per request.

Both are used if they are installed.  If not, their Debian packages are fetched and unpacked below
`.build`: nothing is installed, and no service starts.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from errors import MeasurementError, UnavailableError
from setting import BUILD
from workloads import Workload

PACKAGES = ("nginx", "wrk", "libluajit-5.1-2")
START_S = 20.0
CONNECTIONS = 8

CONFIGURATION = """\
user root;
daemon off;
master_process on;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/errors;
events {{ worker_connections 128; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    server {{ listen 127.0.0.1:{port}; root {folder}/pages; }}
}}
"""


def nginx(scratch: Path, seconds: int) -> Workload:
    """Return nginx, asked for a page of 1 kB for so many seconds.  Raises UnavailableError."""
    server, load = (_program(name) for name in ("nginx", "wrk"))
    folder = scratch / "nginx"
    (folder / "pages").mkdir(parents=True, exist_ok=True)
    (folder / "pages" / "page").write_bytes(b"x" * 1024)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder, port=port))
    words = (server, "-p", str(folder), "-c", str(configuration), "-e", str(folder / "errors"))

    def meanwhile() -> float:
        _await(port)
        try:
            return _ask(load, port, seconds)
        finally:
            with suppress(OSError, ValueError):
                os.kill(int((folder / "pid").read_text()), signal.SIGTERM)

    what = f"nginx, 1 worker, wrk with {CONNECTIONS} connections for {seconds} s: per request"
    return Workload("nginx", what, words, meanwhile=meanwhile)


def _ask(load: str, port: int, seconds: int) -> float:
    """Return the seconds that one request takes, all connections together."""
    words = [load, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"http://127.0.0.1:{port}/page"]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=_environment(), timeout=seconds + 30
    )
    said = dict(line.split(":", 1) for line in done.stdout.splitlines() if ":" in line)
    try:
        per_second = float(said["Requests/sec"])
    except (KeyError, ValueError) as error:
        raise MeasurementError(f"wrk said {done.stdout} {done.stderr}") from error
    if "Non-2xx" in done.stdout or not per_second:
        raise MeasurementError(f"nginx did not answer well: {done.stdout}")
    return 1 / per_second


def _await(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise MeasurementError("nginx does not listen")


def _unpacked() -> Path:
    return BUILD / "server"


def _environment() -> dict[str, str]:
    """Return the environment in which what was unpacked finds its libraries."""
    return os.environ | {"LD_LIBRARY_PATH": str(_unpacked() / "usr/lib/x86_64-linux-gnu")}


def _program(name: str) -> str:
    if found := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"):
        return found
    places = [_unpacked() / "usr" / folder / name for folder in ("sbin", "bin")]
    if not any(place.exists() for place in places):
        _unpack()
    found = next((str(place) for place in places if place.exists()), None)
    if found is None:
        raise UnavailableError(f"{name} is not installed, and was not in {', '.join(PACKAGES)}")
    return found


def _unpack() -> None:
    """Fetch the packages and unpack them.  Raises UnavailableError."""
    folder = _unpacked()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(
            ["apt-get", "-qq", "download", *PACKAGES],
            cwd=folder, check=True, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, folder], check=True, capture_output=True)
    except FileNotFoundError as error:
        raise UnavailableError(f"nginx and wrk are not installed; no {error.filename}") from error
    except subprocess.SubprocessError as error:
        said = getattr(error, "stderr", "") or error
        raise UnavailableError(f"nginx and wrk are not installed, nor to be had: {said}") from error
