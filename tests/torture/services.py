"""The service and its PostgreSQL as processes that can be killed, stopped, cut off and started again."""

import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from bench.servers.gunicorn import ROOT, clean, free_port

PATIENCE_S = 900.0
"""A wait ends after this time only because something hangs: a busy machine is slow, and that is no fault."""


class RestartableService:
    """gunicorn on one port, started again on the same port after a kill."""

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        self.port, self.log = free_port(), log.open("ab")
        self.environ = {**clean(), "WEB_CONCURRENCY": "2", **environ, "PORT": str(self.port)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the master and wait until it serves. Raises RuntimeError if it never does."""
        self._launch()
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            # Orphans of a killed master may hold the port longer than a new one tries to take it.
            if self.process is None or self.process.poll() is not None:
                self._launch()
            with suppress(OSError, http.client.HTTPException):
                # Workers of a killed master may still answer: the new one must have workers of its own.
                if self.pids():
                    urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=30).close()
                    return
            time.sleep(0.1)
        raise RuntimeError("the service does not start")

    def _launch(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "wsgi:app"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self.environ, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def pids(self) -> list[int]:
        """Return the process ids of the workers."""
        assert self.process
        return children_of(self.process.pid)

    def kill_master(self) -> None:
        """Kill the master alone, then start a new one on the same port: orphaned workers must give it up."""
        assert self.process
        self.process.kill()
        self.process.wait()
        self.start()

    def reload(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.log.close()


class Proxy(threading.Thread):
    """Forwards TCP to a server, and stops forwarding while `paused` is set, as a silent network does."""

    def __init__(self, target: tuple[str, int] | str) -> None:
        super().__init__(daemon=True)
        self.target, self.paused = target, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])

    def run(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        try:
            server = self._connect()
        except OSError:
            client.close()
            return
        with client, server, suppress(OSError):
            while True:
                ready, _, _ = select.select([client, server], [], [], 0.2)
                if self.paused.is_set():
                    time.sleep(0.05)
                    continue
                for source in ready:
                    data = source.recv(65_536)
                    if not data:
                        return
                    (server if source is client else client).sendall(data)

    def _connect(self) -> socket.socket:
        if isinstance(self.target, tuple):
            return socket.create_connection(self.target, timeout=5)
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.target)
        return server

    def close(self) -> None:
        self.listener.close()


def children_of(pid: int) -> list[int]:
    """Return the process ids of the children of a process; none if it has ended."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in children.split()]


def has_ended(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
