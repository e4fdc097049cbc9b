"""The service as it is run: gunicorn in a process of its own, stopped by its process id."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.settings import SETTINGS

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    address: str
    log: Path

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def workers(self) -> list[int]:
        """The process ids of the workers that are alive."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill(self) -> None:
        """The master and all its workers at once, as a machine that loses its power."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=20)

    def log_lines(self) -> list[str]:
        return self.log.read_text().splitlines()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def clean() -> dict[str, str]:
    """This process's environment without any setting of ours."""
    names = [setting.name for setting in SETTINGS]
    return {name: value for name, value in os.environ.items() if name not in names}


@contextmanager
def serving(environ: dict[str, str], log: Path, root: Path = ROOT, application: str = "wsgi:app") -> Iterator[Server]:
    """Gunicorn as `make run` starts it, once it answers; ended with SIGTERM if it still runs."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", application],
            cwd=root,
            env={**clean(), "WEB_CONCURRENCY": "2", **environ, "PORT": str(port)},
            stdout=output,
            stderr=output,
            start_new_session=True,  # so that its workers can be killed with it
        )
        server = Server(process, f"http://127.0.0.1:{port}", log)
        try:
            _await(server)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=70)


def _await(server: Server) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(server.address + "/healthz", timeout=5).close()
            return
        except urllib.error.URLError:
            assert server.process.poll() is None, server.log.read_text()
            time.sleep(0.1)
    raise AssertionError(server.log.read_text())
