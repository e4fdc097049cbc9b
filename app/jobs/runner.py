"""Running jobs in the background, whatever happens to the process that runs them.

A worker holds a job by a lease (`app.core.leases`) that it renews; when the process dies, the lease ends, and another
worker continues the job. What a job does to customers is a series of transactions (`app.jobs.apply_job`), each of which
ends with a statement, conditional on the lease, that counts the batch in the job's own row: it happens once.

Why no library does this. huey needs no broker, but removes a task from its queue before the task is finished: "if a
worker is killed while executing a task, then that task is simply lost" (coleifer/huey#569). Celery, Dramatiq and RQ
need a broker, a further server, which the embedded database exists to avoid; with late acknowledgement they repeat a
task that was finished, because no broker takes part in the database's transaction. Procrastinate supports PostgreSQL
alone. Here the task is a row beside the customers, and "done" is committed with the changes, on both databases.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine, Update, exists, not_, or_, select, true, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.batched_change import BatchedChange, end_early
from app.core.database import db, now, raise_if_unavailable, run_in_transaction
from app.core.errors import DomainError, Unavailable
from app.core.leases import NO_LEASE, is_free, is_leased, lease_values, new_lease, owned_update
from app.jobs.jobs import Job, jobs
from app.jobs.schedules import start_due_jobs
from app.jobs.states import RUNNING, JobKind, JobState

LEASE = timedelta(seconds=15)
HEARTBEAT_S = 2.0
MAX_ATTEMPTS = 8
"""Maximum attempts before a job fails."""
RETRY_DELAY_S = 3.0
"""Before the first retry after the database was busy; doubled each time, some ten minutes in all."""

WORKER_DIED = "each time the server stopped, or the database was unavailable, full or busy."

other_jobs = jobs.alias("other_jobs")


class ShuttingDown(Exception):
    """The process is about to end; another worker starts the job again."""


class LeaseLost(Exception):
    """Another worker took the job over, or a user cancelled it. The transaction must not be committed."""


@dataclass
class JobRun:
    """One attempt of a worker at a job."""

    job: Job
    lease: str
    stop: threading.Event
    engine: Engine
    """The lease is renewed on a connection of its own, beside the transaction that does the work."""
    phase: str = ""
    done: int = 0
    total: int | None = None
    lease_lost: bool = False

    def start_phase(self, phase: str, total: int | None, done: int = 0) -> None:
        """Begin the next phase; `total` counts bytes or customers."""
        self.phase, self.done, self.total = phase, done, total
        self.renew_lease()

    def report_progress(self, done: int) -> None:
        """Note the progress. Raises ShuttingDown and LeaseLost: the transaction must be rolled back."""
        self.done = done
        if self.stop.is_set():
            raise ShuttingDown
        if self.lease_lost:
            raise LeaseLost

    def renew_lease(self) -> None:
        """Extend the lease and publish the progress.

        On SQLite this fails while our own transaction writes; no other worker can claim the job then, either.
        """
        values = {"phase": self.phase, "total": self.total, **lease_values(self.lease, LEASE)}
        if self.job.state != JobState.APPLYING:  # there the transaction of each batch writes the progress
            values["done"] = self.done
        with suppress(DBAPIError, PoolTimeout), Session(dialects.for_writing(self.engine, wait=False)) as session:
            self.lease_lost = not session.execute(self.owned_update().values(values)).rowcount  # type: ignore[attr-defined]
            session.commit()

    def finish(self, session: Session, **values: Any) -> None:
        """End this state of the job as part of the transaction that did its work. Raises LeaseLost.

        With `finished_at=None` the job goes on, and the progress of its next state begins anew.
        """
        ended = {"finished_at": now()} if values.get("finished_at", True) else {"done": 0, "total": None}
        self.update(session, **{**NO_LEASE, "phase": None, **ended, **values})

    def update(self, session: Session, **values: Any) -> None:
        """Write columns of the job in this transaction. Raises LeaseLost."""
        if not session.execute(self.owned_update().values(values)).rowcount:  # type: ignore[attr-defined]
            raise LeaseLost

    def check_lease(self, session: Session) -> None:
        """Raise LeaseLost unless the job is still this worker's when the transaction commits."""
        self.update(session, phase=self.phase)

    def owned_update(self) -> Update:
        """Return an UPDATE of the job that changes nothing once the lease is lost."""
        return owned_update(jobs, self.job.id, self.lease)

    @contextmanager
    def keep_lease(self) -> Iterator[None]:
        """Renew the lease regularly in a thread. `report_progress` raises when the lease is lost."""
        finished = threading.Event()

        def heartbeat() -> None:
            while not finished.wait(HEARTBEAT_S):
                self.renew_lease()

        thread = threading.Thread(target=heartbeat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            finished.set()
            thread.join()


Handler = Callable[[JobRun], None]
"""Does the work of a job in one state; must call `finish`."""


Handlers = Mapping[tuple[JobKind, JobState], Handler]
"""The handler of each kind of job in each state."""


def run_next_job(handlers: Handlers, stop: threading.Event, job_id: int | None = None) -> bool:
    """Run the oldest job that is due, or this one if it is, by its handler; return whether there was one."""
    run = _claim(stop, job_id)
    if run is None:
        return False
    try:
        with run.keep_lease():
            handlers[run.job.kind, run.job.state](run)
    except ShuttingDown:
        _release(run, attempts=run.job.attempts - 1)
    except Unavailable:
        _release(run, not_before=dialects.database_time(RETRY_DELAY_S * 2 ** (run.job.attempts - 1)))
    except LeaseLost:
        pass
    except DomainError as error:
        _fail(run, str(error))
    except Exception:
        _fail(run, "Internal error; see the server's log.")
        raise
    return True


def _fail(run: JobRun, error: str) -> None:
    with suppress(LeaseLost):
        run_in_transaction(lambda session: fail_job(session, session.get_one(Job, run.job.id), error, run))


def fail_job(session: Session, job: Job, error: str, run: JobRun | None = None) -> None:
    """End a job as failed; its change set ends with the batches that are applied. Raises LeaseLost."""
    end_early(session, BatchedChange(job.to_actor(), change_set_id=job.change_set_id))
    applied = f"{job.done:,} customers were applied before." if job.change_set_id else "Nothing was applied."
    values = {"state": JobState.FAILED, "error": f"{error} {applied}"}
    if run:
        run.finish(session, **values)
    else:
        session.execute(update(jobs).where(jobs.c.id == job.id).values({**NO_LEASE, "finished_at": now(), **values}))


def _next_due(job_id: int | None = None) -> Any:
    """Select the oldest free job, or this one if it is free.

    One job is applied at a time: two would wait for each other's customers. Of one creator, one job is checked at a
    time: large files of one cannot keep all workers from the jobs of others.
    """
    leased = other_jobs.c.lease.is_not(None), is_leased(other_jobs, LEASE)
    checking = select(other_jobs.c.id).where(
        other_jobs.c.state == JobState.CHECKING, other_jobs.c.created_by == jobs.c.created_by, *leased
    )
    applying = select(other_jobs.c.id).where(other_jobs.c.state == JobState.APPLYING, *leased)
    return (
        select(jobs.c.id)
        .where(
            jobs.c.state.in_(RUNNING),
            true() if job_id is None else jobs.c.id == job_id,
            is_free(jobs, LEASE),
            or_(jobs.c.not_before.is_(None), jobs.c.not_before <= dialects.database_time()),
            or_(jobs.c.state != JobState.APPLYING, not_(exists(applying))),
            or_(jobs.c.state != JobState.CHECKING, not_(exists(checking))),
        )
        .order_by(jobs.c.id)
        .limit(1)
    )


def _claim(stop: threading.Event, job_id: int | None = None) -> JobRun | None:
    try:
        start_due_jobs()
        if db.session.scalar(_next_due(job_id)) is None:  # the usual case writes nothing
            return None
    except (DBAPIError, PoolTimeout) as error:
        raise_if_unavailable(error)
        raise
    lease = new_lease()

    def work(session: Session) -> Job | None:
        values = {**lease_values(lease, LEASE), "not_before": None, "attempts": jobs.c.attempts + 1}
        due = _next_due(job_id).with_for_update(skip_locked=True).scalar_subquery()
        claimed = session.scalar(update(jobs).where(jobs.c.id == due).values(values).returning(jobs.c.id))
        job = session.get(Job, claimed) if claimed else None
        if job and job.attempts > MAX_ATTEMPTS:
            fail_job(session, job, f"Failed after {MAX_ATTEMPTS} attempts: {WORKER_DIED}")
            return None
        return job

    job = run_in_transaction(work, wait=False)
    return JobRun(job, lease, stop, db.engine) if job else None


def _release(run: JobRun, **values: Any) -> None:
    """Leave the job to the next worker, at once or after a delay."""
    with suppress(Unavailable):
        released = run.owned_update().values({**NO_LEASE, **values})
        run_in_transaction(lambda session: session.execute(released), wait=False)
