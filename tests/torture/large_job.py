"""One large import through the pages and its undo, with kills, traffic, ANALYZE, and a follower of the feed beside.

    .venv/bin/python -m tests.torture.large_job [--rows 1000000] [--database postgresql] [--kills 5]

Begins with 20 customers. The import is stopped and continued once; each of both jobs has its workers killed. Prints
how long a batch takes in the last tenth of each job beside the first tenth, what another writer waited, and whether a
recount and the follower agree. Exit code 1 means that they do not, or that a writer was refused.
"""

import argparse
import http.client
import json
import random
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, text

from bench.invalid_lines import HEADER, write_file
from bench.servers import postgresql
from tests.support.feed import Mirror, follow
from tests.torture.__main__ import _flask
from tests.torture.operator_client import OperatorClient, persist
from tests.torture.services import PATIENCE_S, RestartableService, kill

STORED = [f"stored-{number:02}" for number in range(20)]
EMAIL, PASSWORD = "operator@example.com", "torture torture torture"
KEY = "torture torture torture torture torture"
WRITER_PAUSE_S = 0.2
POLL_S = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.large_job", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--kills", type=int, default=5)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="customer-segments-large-job-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        is_sqlite = options.database == "sqlite"
        url = stack.enter_context(nullcontext(f"sqlite:///{folder / 'shop.db'}") if is_sqlite else postgresql.running())
        run = stack.enter_context(prepared(url, folder))
        print(f"{options.database}, {options.rows:,} rows, {options.kills} kills", flush=True)
        errors = run_all(run, options.rows, options.kills, folder)
    for error in errors:
        print(f"  WRONG {error}")
    sys.exit(bool(errors))


@dataclass
class Run:
    """The service, its database, and who uses it."""

    service: RestartableService
    environ: dict[str, str]
    engine: Engine
    token: str
    operator: OperatorClient
    waits: list[float] = field(default_factory=list)
    """Seconds that another writer waited."""
    failures: list[str] = field(default_factory=list)
    mirror: Mirror = field(default_factory=dict)
    finished: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.service.port}"

    def call(self, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self.address + path, data, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            return json.load(response)

    def rows(self, query: str, **parameters: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query), parameters).all())

    def analyze(self) -> None:
        """Let PostgreSQL count the rows as they are now."""
        if self.engine.dialect.name == "postgresql":
            with self.engine.connect() as connection:
                connection.execute(text("ANALYZE"))


@contextmanager
def prepared(url: str, folder: Path) -> Iterator[Run]:
    """Yield a running service with some customers, an operator and a token."""
    environ = {"DATABASE_URL": url, "SECRET_KEY": KEY, "LOG_FORMAT": "json"}
    file = folder / "stored.csv"
    file.write_text("document_id\n" + "\n".join(STORED) + "\n")
    _flask(environ, "db", "upgrade")
    _flask(environ, "customers", "import", str(file))
    token = _flask(environ, "tokens", "create", "torture").splitlines()[-1]
    _flask(environ, "operators", "create", EMAIL, "--role", "editor", "--password-stdin", stdin=PASSWORD)
    service = RestartableService(environ, folder / "log")
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    try:
        service.start()
        operator = OperatorClient(f"http://127.0.0.1:{service.port}", EMAIL, PASSWORD)
        yield Run(service, environ, engine, token, operator)
    finally:
        engine.dispose()
        service.stop()


def run_all(run: Run, rows: int, kills: int, folder: Path) -> list[str]:
    """Import, undo, and return what is wrong."""
    beside = [threading.Thread(target=work, args=(run,), daemon=True) for work in (write_beside, follow_feed)]
    for thread in beside:
        thread.start()
    file = folder / "customers.csv"
    write_file(file, rows, rows, 0, random.Random(6))
    path = persist(run.operator.upload, "/imports", file)
    imported = run_job(run, path, kills, with_stop=True)
    path = persist(run.operator.post, f"/changes/{imported}/undo")
    undone = run_job(run, path, kills)
    time.sleep(2)
    run.finished.set()
    for thread in beside:
        thread.join(timeout=PATIENCE_S)
    report_rates(run, "import", imported)
    report_rates(run, "undo", undone)
    report_waits(run)
    return [*run.failures[:20], *check_equality(run)]


def run_job(run: Run, path: str, kills: int, *, with_stop: bool = False) -> int:
    """Check and apply the job of a page, with kills at even distances; return its change set."""
    job_id = int(path.rpartition("/")[2])
    started = time.monotonic()
    if path.startswith("/imports"):
        persist(run.operator.post, path, action="check", create="yes", role=[*HEADER])
    wait_for_state(run, job_id, "ready")
    checked = time.monotonic()
    persist(run.operator.post, path, action="apply")
    (total,) = run.rows("SELECT sum(customers) FROM job_batches WHERE job_id = :id", id=job_id)[0]
    kill_at = [total * (number + 1) // (kills + 1) for number in range(kills)]
    analyze_at, stop_at = [total // 8, total // 2], [total * 2 // 3] if with_stop else []
    while (state := state_of(run, job_id))[0] == "applying":
        if kill_at and state[1] >= kill_at[0]:
            kill_at.pop(0)
            for pid in run.service.pids():
                kill(pid)
        if analyze_at and state[1] >= analyze_at[0]:
            analyze_at.pop(0)
            run.analyze()
        if stop_at and state[1] >= stop_at[0]:
            stop_at.pop(0)
            persist(run.operator.post, path, action="stop")
            wait_for_state(run, job_id, "cancelled")
            persist(run.operator.post, path, action="continue")
        time.sleep(POLL_S)
    applied = time.monotonic()
    wait_for_state(run, job_id, "done")
    left = f"; kills left {len(kill_at)}" if kill_at else ""
    print(f"  {path}: {total:,} customers, checked in {checked - started:.0f} s, ", end="")
    print(f"applied in {applied - checked:.0f} s{left}", flush=True)
    return int(run.rows("SELECT change_set_id FROM jobs WHERE id = :id", id=job_id)[0][0])


def state_of(run: Run, job_id: int) -> tuple[str, int]:
    state, done = run.rows("SELECT state, done FROM jobs WHERE id = :id", id=job_id)[0]
    return state, done


def wait_for_state(run: Run, job_id: int, expected: str) -> None:
    while (state := state_of(run, job_id)[0]) != expected:
        if state in ("failed", "discarded"):
            (error,) = run.rows("SELECT error FROM jobs WHERE id = :id", id=job_id)[0]
            raise RuntimeError(f"job {job_id} is {state}: {error}")
        time.sleep(POLL_S)


# Beside the job


def write_beside(run: Run) -> None:
    """Change one stored customer after the other, and note how long each change takes."""
    number = 0
    while not run.finished.is_set():
        number += 1
        segments = [{"type": "beside", "value": str(number)}]
        started = time.monotonic()
        try:
            run.call(
                "/api/v3/customers/segments",
                {"customers": [{"document_id": STORED[number % len(STORED)], "segments": segments}]},
            )
        except urllib.error.HTTPError as error:
            run.failures.append(f"a writer was answered {error.code}: {error.read()[:200]!r}")
        except (OSError, http.client.HTTPException):
            continue  # the worker was killed
        else:
            run.waits.append(time.monotonic() - started)
        run.finished.wait(WRITER_PAUSE_S)


def follow_feed(run: Run) -> None:
    """Follow the change feed from its beginning, until all is finished and nothing more comes."""
    after, parameters = "", "limit=1000"
    while True:
        was_finished = run.finished.is_set()
        with suppress(OSError, http.client.HTTPException):
            page = run.call(f"/api/v3/changes?{parameters}{after and '&after=' + quote(after)}")
            follow(run.mirror, page["changes"])
            after = page["next"] or after
            if page["changes"]:
                continue
            if was_finished:
                return
        time.sleep(POLL_S)


# Results


def report_rates(run: Run, name: str, change_set_id: int) -> None:
    query = "SELECT at FROM change_set_parts WHERE change_set_id = :id ORDER BY position"
    moments = [_seconds(at) for (at,) in run.rows(query, id=change_set_id)]
    batches = [later - earlier for earlier, later in pairwise(moments)]
    tenth = max(len(batches) // 10, 1)
    first, last = statistics.median(batches[:tenth]), statistics.median(batches[-tenth - 1 : -1] or batches)
    print(f"  {name}: {len(moments)} batches, first tenth {first:.2f} s each, last tenth {last:.2f} s:", end=" ")
    print(f"{last / first:.2f}", flush=True)


def _seconds(at: Any) -> float:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at  # SQLite stores texts
    return float(moment.timestamp())


def report_waits(run: Run) -> None:
    cuts = statistics.quantiles(run.waits, n=100)
    print(f"  {len(run.waits)} writes beside: p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, worst {max(run.waits):.2f} s")


def check_equality(run: Run) -> Iterator[str]:
    """Yield what recount and the follower of the feed find different."""
    report = _flask(run.environ, "segments", "recount").strip()
    if ":" in report:
        yield f"a recount found differences: {report[:500]}"
    headers = {"Authorization": f"Bearer {run.token}"}
    request = urllib.request.Request(run.address + "/api/v3/customers/export", headers=headers)
    stored: Mirror = {}
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        for line in response:
            row = json.loads(line)
            stored[row.pop("document_id")] = row
    if stored != run.mirror:
        different = [id_ for id_ in stored.keys() | run.mirror.keys() if stored.get(id_) != run.mirror.get(id_)]
        yield f"the follower differs for {len(different)} customers, such as {sorted(different)[:3]}"
    if set(stored) != set(STORED):
        yield f"{len(stored)} customers remain after the undo"
    print(f"  {len(stored)} customers remain", flush=True)


if __name__ == "__main__":
    main()
