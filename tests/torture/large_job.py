"""One large job and its undo, with kills, traffic, ANALYZE, and a follower of the feed beside.

    .venv/bin/python -m tests.torture.large_job [--rows 1000000] [--database postgresql] [--kills 5] [--by api]

Begins with 20 customers, and creates as many as the file has rows: by an import on the pages, or by a job of the API
from JSON Lines, of which some are rejected. The job is cancelled once and continued, by the API with a second job from
the same file. Each job has its workers killed. Prints how long a batch takes and how much memory a worker has in the
last tenth of each job beside the first tenth, what another writer waited, and whether a recount and the follower agree.
Exit code 1 means that they do not, or that a writer was refused.
"""

import argparse
import csv
import json
import shutil
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

from bench.servers import postgresql
from tests.support.feed import Mirror
from tests.torture.__main__ import _flask
from tests.torture.beside import follow_feed, report_beside, report_rates, watch_memory, write_beside
from tests.torture.job_senders import POLL_S, ApiSender, JobSender, PageSender, state_of, wait_for_state
from tests.torture.large_run import STORED, Run, prepared
from tests.torture.services import PATIENCE_S, kill


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.large_job", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--by", choices=["pages", "api"], default="pages")
    parser.add_argument("--rejected", type=int, default=1_000, help="rows with errors, by the API")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="customer-segments-large-job-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        is_sqlite = options.database == "sqlite"
        url = stack.enter_context(nullcontext(f"sqlite:///{folder / 'shop.db'}") if is_sqlite else postgresql.running())
        run = stack.enter_context(prepared(url, folder))
        print(f"{options.database}, {options.rows:,} rows by {options.by}, {options.kills} kills", flush=True)
        sender = PageSender(run) if options.by == "pages" else ApiSender(run, options.rejected)
        errors = run_all(run, sender, options.rows, options.kills, folder)
    for error in errors:
        print(f"  WRONG {error}")
    sys.exit(bool(errors))


def run_all(run: Run, sender: JobSender, rows: int, kills: int, folder: Path) -> list[str]:
    """Create the customers, undo it, and return what is wrong."""
    file = folder / "customers"
    sender.write(file, rows)
    watchers = [
        threading.Thread(target=work, args=(run,), daemon=True) for work in (write_beside, follow_feed, watch_memory)
    ]
    for thread in watchers:
        thread.start()
    jobs = apply(run, sender, file, rows, kills)
    errors = [*check_rejected(run, sender, jobs[-1])]
    undone = [
        follow_job(run, "undo", sender.undo(change_set_of(run, job_id)), JobFaults(kills if job_id == jobs[0] else 0))
        for job_id in reversed(jobs)
    ]
    time.sleep(2)
    run.finished.set()
    for thread in watchers:
        thread.join(timeout=PATIENCE_S)
    follow_feed(run)  # the last write may have come after the last look
    for name, job_ids in (("applied", jobs), ("undone", undone)):
        for job_id in job_ids:
            report_rates(run, name, change_set_of(run, job_id))
    report_beside(run)
    return [*errors, *run.failures[:20], *check_equality(run)]


class JobFaults:
    """What is done to a job, and at which part of its customers."""

    def __init__(self, kills: int, stop_at: float = 2) -> None:
        self.kill_at = [(number + 1) / (kills + 1) for number in range(kills)]
        self.analyze_at = [1 / 8, 1 / 2]
        self.stop_at = [stop_at]

    def due(self, moments: list[float], progress: float) -> bool:
        """Return whether the next moment has come, and forget it."""
        return bool(moments) and progress >= moments[0] and moments.pop(0) > 0


def apply(run: Run, sender: JobSender, file: Path, rows: int, kills: int) -> list[int]:
    """Have the file applied, with one stop; return the jobs that did it."""
    faults = JobFaults(kills, stop_at=2 / 3)
    jobs = [follow_job(run, "apply", sender.start(file), faults, sender)]
    if state_of(run, jobs[0])[0] == "cancelled":
        rest = sender.resume(jobs[0], file)
        follow_job(run, "continue", rest, faults)
        jobs += [rest] if rest != jobs[0] else []
    else:
        print("  was done before it could be stopped: more rows are needed", flush=True)
    return jobs


def follow_job(run: Run, name: str, job_id: int, faults: JobFaults, sender: JobSender | None = None) -> int:
    """Do to the job what is due until it has ended, and return it; with a sender, it is stopped once."""
    started = time.monotonic()
    wait_for_state(run, job_id, "applying", "done")
    checked = time.monotonic()
    total = run.rows("SELECT sum(customers) FROM job_batches WHERE job_id = :id", id=job_id)[0][0]
    while (state := state_of(run, job_id))[0] == "applying":
        progress = state[1] / total
        if faults.due(faults.kill_at, progress):
            run.kills.append(time.monotonic())
            for pid in run.service.pids():
                kill(pid)
        if faults.due(faults.analyze_at, progress):
            run.analyze()
        if sender and faults.due(faults.stop_at, progress):
            sender.stop(job_id)
        time.sleep(POLL_S)
    applied = time.monotonic()
    end = wait_for_state(run, job_id, "done", "cancelled")
    print(f"  {name}, job {job_id}: {total:,} customers, started in {checked - started:.0f} s, ", end="")
    print(f"{end} in {applied - checked:.0f} s; kills left {len(faults.kill_at)}", flush=True)
    return job_id


def change_set_of(run: Run, job_id: int) -> int:
    return int(run.rows("SELECT change_set_id FROM jobs WHERE id = :id", id=job_id)[0][0])


# Results


def check_rejected(run: Run, sender: JobSender, job_id: int) -> Iterator[str]:
    """Yield what is wrong with the rejected rows of a job."""
    if not sender.rejected:
        return
    report = run.call(f"/api/v3/jobs/{job_id}")["report"]
    headers = {"Authorization": f"Bearer {run.token}"}
    request = urllib.request.Request(f"{run.address}/api/v3/jobs/{job_id}/rejected", headers=headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        rows = [*csv.DictReader(line.decode() for line in response)]
    if (report["rejected"], len(rows)) != (sender.rejected, sender.rejected):
        yield f"{sender.rejected} rows have errors, {report['rejected']} are reported and {len(rows)} can be read"
    print(f"  {len(rows):,} rejected rows, such as {rows[:1]}", flush=True)


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
