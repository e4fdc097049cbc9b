"""The HTTP server beside gunicorn's gthread worker: an empty view, and a body of 8 MB.

    python -m bench.http_server

The two servers answer in turn. The rate is per second of CPU time of the worker, which other load on the machine
changes little.
"""

import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from flask import Flask, request

WORKERS = {"gthread": "gthread", "buffered": "app.server.worker.BufferedWorker"}
ROOT = Path(__file__).parent.parent
ROUNDS = 7
BODY = b"x" * 8_000_000
EMPTY = b"GET /empty HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer x\r\n\r\n"
LARGE = b"POST /length HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY

app = Flask(__name__)


@app.get("/empty")
def empty() -> str:
    return ""


@app.post("/length")
def length() -> str:
    return str(len(request.get_data(cache=False)))


@contextmanager
def server(worker_class: str) -> Iterator[tuple[str, int, int]]:
    """Serve `app` with one worker process of this class."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = listener.getsockname()
    command = [sys.executable, "-m", "gunicorn", "bench.http_server:app", "-c", "python:bench.peers.gunicorn"]
    options = ["-k", worker_class, "-b", f"127.0.0.1:{address[1]}", "-w", "1"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([*command, *options], cwd=ROOT, env=os.environ, stdout=log, stderr=log)
        try:
            _await(address, process)
            yield (*address, process.pid)
        finally:
            process.terminate()
            process.wait(timeout=70)


def _await(address: tuple[str, int], process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        try:
            socket.create_connection(address, timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, "the server does not start"
            time.sleep(0.1)


def cpu_seconds(master: int) -> float:
    """Return the CPU time of the worker process so far."""
    worker = Path(f"/proc/{master}/task/{master}/children").read_text().split()[0]
    fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def receive(connection: socket.socket) -> None:
    """Receive one response."""
    data = b""
    while True:
        data += connection.recv(65_536)
        head, found, body = data.partition(b"\r\n\r\n")
        if found and len(body) == int(re.search(rb"Content-Length: (\d+)", head)[1]):
            assert head.startswith(b"HTTP/1.1 200"), head
            return


def rate(address: tuple[str, int, int], message: bytes, clients: int, seconds: float) -> float:
    """Return the responses per CPU second to clients that send the next request after each response."""
    connections = [socket.create_connection(address[:2]) for _ in range(clients)]
    for connection in connections:
        connection.sendall(message)
    answered, started, cpu_before = 0, time.perf_counter(), cpu_seconds(address[2])
    while time.perf_counter() - started < seconds:
        for connection in connections:
            receive(connection)
            answered += 1
            connection.sendall(message)
    used = cpu_seconds(address[2]) - cpu_before
    for connection in connections:
        receive(connection)
        connection.close()
    return answered / used


def main() -> None:
    with ExitStack() as stack:
        addresses = {name: stack.enter_context(server(worker)) for name, worker in WORKERS.items()}
        for title, message, clients in (("empty view", EMPTY, 8), ("body of 8 MB", LARGE, 2)):
            rates: dict[str, list[float]] = {name: [] for name in addresses}
            for _ in range(ROUNDS):
                for name, address in addresses.items():
                    rates[name].append(rate(address, message, clients, seconds=2))
            ratio = statistics.median(
                ours / theirs for ours, theirs in zip(rates["buffered"], rates["gthread"], strict=True)
            )
            print(title, {name: round(statistics.median(values), 1) for name, values in rates.items()}, round(ratio, 2))


if __name__ == "__main__":
    main()
