"""Who starts, stops and undoes a large job: an operator on the pages, or a program by the API."""

import http.client
import json
import random
import time
import urllib.error
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from bench import dataset
from bench.invalid_lines import HEADER, write_file
from tests.torture.large_run import Run
from tests.torture.operator_client import persist
from tests.torture.services import PATIENCE_S

POLL_S = 0.2
SENT_AT_ONCE = 1 << 18
INVALID_LINES = (b'{"document_id": "x"\n', b"{}\n", b'{"document_id": "", "name": "Ana"}\n', b'{"document_id": 7}\n')


class JobSender(Protocol):
    """Starts jobs, which are being applied or will be without further ado."""

    rejected: int
    """Rows with errors in the file."""

    def write(self, path: Path, rows: int) -> None:
        """Write a file that creates so many customers."""

    def start(self, file: Path) -> int:
        """Have the file applied; return the job."""

    def stop(self, job_id: int) -> None:
        """Cancel the job after its current batch."""

    def resume(self, job_id: int, file: Path) -> int:
        """Have the rest of the file applied; return the job that does it."""

    def undo(self, change_set_id: int) -> int:
        """Have a change set undone; return the job."""


class PageSender:
    """On the pages: an import that creates customers with segments; stopped and continued."""

    rejected = 0

    def __init__(self, run: Run) -> None:
        self._run = run
        self._paths: dict[int, str] = {}

    def write(self, path: Path, rows: int) -> None:
        write_file(path, rows, rows, 0, random.Random(6))

    def start(self, file: Path) -> int:
        path = persist(self._run.operator.upload, "/imports", file)
        persist(self._run.operator.post, path, action="check", create="yes", role=[*HEADER])
        return self._apply(path)

    def stop(self, job_id: int) -> None:
        persist(self._run.operator.post, self._paths[job_id], action="stop")

    def resume(self, job_id: int, file: Path) -> int:
        persist(self._run.operator.post, self._paths[job_id], action="continue")
        return job_id

    def undo(self, change_set_id: int) -> int:
        return self._apply(persist(self._run.operator.post, f"/changes/{change_set_id}/undo"))

    def _apply(self, path: str) -> int:
        job_id = int(path.rpartition("/")[2])
        self._paths[job_id] = path
        wait_for_state(self._run, job_id, "ready")
        persist(self._run.operator.post, path, action="apply")
        return job_id


class ApiSender:
    """By the API: POST /api/v3/jobs with JSON Lines that create customers; cancelled, and sent again."""

    def __init__(self, run: Run, rejected: int) -> None:
        self._run, self.rejected = run, rejected

    def write(self, path: Path, rows: int) -> None:
        step = rows // self.rejected if self.rejected else rows + 1
        with path.open("wb") as file:
            for number in range(rows):
                if self.rejected and number % step == 0 and number // step < self.rejected:
                    file.write(INVALID_LINES[number // step % len(INVALID_LINES)])
                customer = {"document_id": dataset.document_id(number), **dataset.profile(number)}
                file.write(json.dumps(customer).encode() + b"\n")

    def start(self, file: Path) -> int:
        key = str(uuid4())
        return int(insist(lambda: self._upload(file, key))["id"])

    def stop(self, job_id: int) -> None:
        insist(lambda: self._run.call(f"/api/v3/jobs/{job_id}", method="DELETE"))

    def resume(self, job_id: int, file: Path) -> int:
        return self.start(file)

    def undo(self, change_set_id: int) -> int:
        headers = {"Prefer": "respond-async", "Idempotency-Key": str(uuid4())}
        path = f"/api/v3/change-sets/{change_set_id}/revert"
        return int(insist(lambda: self._run.call(path, method="POST", **headers))["id"])

    def _upload(self, file: Path, key: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._run.service.port, timeout=PATIENCE_S)
        headers = {
            "Authorization": f"Bearer {self._run.token}",
            "Content-Type": "application/x-ndjson",
            "Content-Length": str(file.stat().st_size),
            "Idempotency-Key": key,
        }
        connection.blocksize = SENT_AT_ONCE
        with file.open("rb") as body:
            connection.request("POST", "/api/v3/jobs?action=upsert", body, headers)
            response = connection.getresponse()
            content = response.read()
        connection.close()
        if response.status != 202:
            raise RuntimeError(f"the job was answered {response.status}: {content[:500]!r}")
        return json.loads(content)


def insist(call: Callable[[], Any]) -> Any:
    """Call until it is answered: workers are killed meanwhile. A job that has ended cannot be cancelled: 409."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with suppress(http.client.HTTPException, ConnectionError, urllib.error.URLError):
            try:
                return call()
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    return {} if error.code == 409 else _fail(error)
        time.sleep(0.5)
    raise RuntimeError("no answer")


def _fail(error: urllib.error.HTTPError) -> None:
    raise RuntimeError(f"{error.url} was answered {error.code}: {error.read()[:500]!r}")


def state_of(run: Run, job_id: int) -> tuple[str, int]:
    """Return the state of a job, and how many customers it is done with."""
    state, done = run.rows("SELECT state, done FROM jobs WHERE id = :id", id=job_id)[0]
    return state, done


def wait_for_state(run: Run, job_id: int, *expected: str) -> str:
    """Wait until a job is in one of these states, and return it. Raises RuntimeError if it ends in another one."""
    while (state := state_of(run, job_id)[0]) not in expected:
        if state in ("failed", "discarded", "done", "cancelled"):
            (error,) = run.rows("SELECT error FROM jobs WHERE id = :id", id=job_id)[0]
            raise RuntimeError(f"job {job_id} is {state}: {error}")
        time.sleep(POLL_S)
    return state
