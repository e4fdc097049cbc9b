"""What happens beside a large job: another writer, a follower of the change feed, and a look at the workers' memory."""

import http.client
import statistics
import time
import urllib.error
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.feed import follow
from tests.torture.large_run import STORED, Run

WRITER_PAUSE_S = 0.2
POLL_S = 0.2
MEMORY_PAUSE_S = 0.5
MIB = 1024
START_S = 5.0
"""A write so soon after a kill of all workers may have waited for new ones to start."""


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
            run.waits.append((started, time.monotonic() - started))
        run.finished.wait(WRITER_PAUSE_S)


def follow_feed(run: Run) -> None:
    """Follow the change feed from where it was left, until all is finished and nothing more comes."""
    while True:
        was_finished = run.finished.is_set()
        with suppress(OSError, http.client.HTTPException):
            page = run.call(f"/api/v3/changes?limit=1000{run.cursor and '&after=' + quote(run.cursor)}")
            follow(run.mirror, page["changes"])
            run.cursor = page["next"] or run.cursor
            if page["changes"]:
                continue
            if was_finished:
                return
        time.sleep(POLL_S)


def watch_memory(run: Run) -> None:
    """Note how much memory the larger worker has."""
    while not run.finished.wait(MEMORY_PAUSE_S):
        if sizes := [size for pid in run.service.pids() if (size := _resident_kib(pid))]:
            run.memory.append((time.time(), max(sizes)))


def _resident_kib(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


# Results


def report_rates(run: Run, name: str, change_set_id: int) -> None:
    """Print how long a batch took, and how much memory the larger worker had, in the first and the last tenth."""
    query = "SELECT at FROM change_set_parts WHERE change_set_id = :id ORDER BY position"
    moments = [_seconds(at) for (at,) in run.rows(query, id=change_set_id)]
    batches = [later - earlier for earlier, later in pairwise(moments)]
    if not batches:
        return
    tenth = max(len(batches) // 10, 1)
    first, last = statistics.median(batches[:tenth]), statistics.median(batches[-tenth - 1 : -1] or batches)
    print(f"  {name}: {len(moments)} batches, first tenth {first:.2f} s each, last tenth {last:.2f} s:", end=" ")
    print(f"{last / first:.2f}; worker {_memory(run, moments)}", flush=True)


def _memory(run: Run, moments: list[float]) -> str:
    sizes = [size / MIB for at, size in run.memory if moments[0] <= at <= moments[-1]]
    tenth = max(len(sizes) // 10, 1)
    if not sizes:
        return "not seen"
    first, last = statistics.median(sizes[:tenth]), statistics.median(sizes[-tenth:])
    return f"first tenth {first:.0f} MiB, last tenth {last:.0f} MiB, most {max(sizes):.0f} MiB"


def _seconds(at: Any) -> float:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at  # SQLite stores texts
    return float(moment.timestamp())


def _report_waits(name: str, seconds: list[float]) -> None:
    cuts = statistics.quantiles(seconds, n=100)
    print(f"  {len(seconds)} {name}: p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, worst {max(seconds):.2f} s")


def report_beside(run: Run) -> None:
    """Print what the other writer waited, and how much memory a worker had at most."""
    _report_waits("writes beside", [seconds for _, seconds in run.waits])
    served = [seconds for at, seconds in run.waits if not any(at - START_S < kill < at + seconds for kill in run.kills)]
    _report_waits("of them while no worker was started", served)
    sizes = [size / MIB for _at, size in run.memory]
    print(f"  memory of the larger worker: {sizes[0]:.0f} MiB at first, {max(sizes):.0f} MiB at most", flush=True)
