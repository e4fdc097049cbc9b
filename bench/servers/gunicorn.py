"""The service under gunicorn in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.settings import SETTINGS

ROOT = Path(__file__).parent.parent.parent
SECRET_KEY = "only-for-tests-0123456789"


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    address: str
    log: Path

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the master."""
        self.process.send_signal(number)

    def workers(self) -> list[int]:
        """Return the process ids of the running workers."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill(self) -> None:
        """Kill the master and its workers at once, as a power failure would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=20)

    def log_lines(self) -> list[str]:
        return self.log.read_text().splitlines()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def clean() -> dict[str, str]:
    """Return the environment of this process without the settings of the service."""
    names = [setting.name for setting in SETTINGS]
    return {name: value for name, value in os.environ.items() if name not in names}


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until the condition is true. Raises AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition did not become true in time"
        time.sleep(0.05)


@contextmanager
def serving(environ: dict[str, str], log: Path, root: Path = ROOT, application: str = "wsgi:app") -> Iterator[Server]:
    """Start gunicorn as `make run` does and wait for its first response; end it with SIGTERM if it still runs."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", application],
            cwd=root,
            env={**clean(), "WEB_CONCURRENCY": "2", **environ, "PORT": str(port)},
            stdout=output,
            stderr=output,
            start_new_session=True,  # a process group, so that the workers can be killed with the master
        )
        server = Server(process, f"http://127.0.0.1:{port}", log)
        try:
            _wait_for_start(server)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=70)


def _wait_for_start(server: Server) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(server.address + "/healthz", timeout=5).close()
            return
        except OSError:  # refused, or not answered in time
            assert server.process.poll() is None, server.log.read_text()
            time.sleep(0.1)
    raise AssertionError(server.log.read_text())
