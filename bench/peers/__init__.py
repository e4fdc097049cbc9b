"""The same endpoint in other stacks, idiomatic and on the same tables, without history.

Each peer checks the token against the `tokens` table, validates the body, lets the first occurrence of a document_id
win, replaces the segments of existing customers in one transaction, and answers `{"updatedCustomers": […]}`. It reads
DATABASE_URL.
"""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.servers.gunicorn import ROOT, free_port

PEERS = {
    "tutorial": "Flask-SQLAlchemy tutorial",
    "rest_framework": "Django REST framework",
    "fast_api": "FastAPI with SQLAlchemy",
}
WITH_HISTORY = {
    "tutorial": "tutorial with SQLAlchemy-Continuum",
    "rest_framework": "Django REST framework with django-simple-history",
    "fast_api": "FastAPI with an audit trigger",
}
"""What an engineer would add to each peer for an audit trail."""


@contextmanager
def serving(name: str, url: str, log: Path, workers: int, *, history: bool = False) -> Iterator[str]:
    """Serve a peer, or `empty`, and yield its address: FastAPI with uvicorn, the others with gunicorn as ours."""
    port, application = free_port(), f"bench.peers.{name}:app"
    gunicorn = ["gunicorn", application, "-c", "python:bench.peers.gunicorn", "-b", f"127.0.0.1:{port}"]
    uvicorn = ["uvicorn", application, "--port", str(port), "--log-level", "warning"]
    served = [*uvicorn, "--workers", str(workers)] if name == "fast_api" else [*gunicorn, "-w", str(workers)]
    environ = {
        **os.environ,
        "DATABASE_URL": url.replace("postgresql://", "postgresql+psycopg://"),
        "HISTORY": str(int(history)),
    }
    command = [sys.executable, "-m", *served]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=output, stderr=output)
        try:
            _await(process, f"http://127.0.0.1:{port}", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=70)


def _await(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(log.read_text())
