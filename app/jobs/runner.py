"""Doing jobs in the background, whatever happens to the process that does it.

Whoever works on a job holds it by a lease that must be renewed; a process that dies lets it run out, and another begins
again. What a job does to customers is one transaction whose last statement says, in the job's own row, that it is done,
and only under its own lease: it happens once, or not at all.

Why no library does this. huey needs no broker, but takes a task out of its queue before it is done: "if a worker is
killed while executing a task, then that task is simply lost" (coleifer/huey#569). Celery, Dramatiq and RQ need a
broker, a further server, which the embedded database is there to do without; told to acknowledge late, they do a task
again that was done, since no broker is part of the database's transaction. Procrastinate is for PostgreSQL alone. Here
the task is a row beside the customers, "done" is committed with what was done, on SQLite and PostgreSQL alike.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, exists, not_, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.database import db, now, raise_if_unavailable, run_in_transaction
from app.core.errors import DomainError, Unavailable
from app.jobs.jobs import RUNNING, Job, jobs

LEASE = timedelta(seconds=15)
HEARTBEAT_S = 2.0
MAX_ATTEMPTS = 8
"""Times a job is begun: more often than that it is not by chance that nobody brought it to its end."""
RETRY_DELAY = timedelta(seconds=3)
"""Until it is begun again after the database was busy, twice as long each time: some ten minutes in all."""


WORKER_DIED = "each time the server ended, or the database was away, full or busy."

other_jobs = jobs.alias("others")


class ShuttingDown(Exception):
    """The process is about to end; another one begins the job again."""


class LeaseLost(Exception):
    """Another process took the job over, or somebody stopped it. Nothing of this one's work may stay."""


@dataclass
class JobRun:
    """A job in hand."""

    job: Job
    lease: str
    stop: threading.Event
    engine: Engine
    """The lease is renewed beside the transaction that does the work, on a connection of its own."""
    phase: str = ""
    done: int = 0
    total: int | None = None
    lost: bool = False

    def begin(self, phase: str, total: int | None) -> None:
        """What comes next, and how much of it there is: bytes, or customers."""
        self.phase, self.done, self.total = phase, 0, total
        self.renew()

    def tell(self, done: int) -> None:
        """How far it is. Raises Stopped and LeaseLost: then what was done must be taken back."""
        self.done = done
        if self.stop.is_set():
            raise ShuttingDown
        if self.lost:
            raise LeaseLost

    def renew(self) -> None:
        """Hold the job for some time longer, and say how far it is.

        On SQLite it cannot be said while our own transaction writes; nobody else can take the job over then, either.
        """
        values = {"phase": self.phase, "done": self.done, "total": self.total, "leased_until": now() + LEASE}
        with suppress(DBAPIError, PoolTimeout), Session(dialects.for_writing(self.engine, patient=False)) as session:
            self.lost = not session.execute(self.mine().values(values)).rowcount  # type: ignore[attr-defined]
            session.commit()

    def finish(self, session: Session, **values: Any) -> None:
        """The end of the job, as part of the transaction that does it. Raises LeaseLost."""
        done = {"lease": None, "leased_until": None, "phase": None, "finished_at": now(), **values}
        if not session.execute(self.mine().values(done)).rowcount:  # type: ignore[attr-defined]
            raise LeaseLost

    def mine(self) -> Any:
        """An UPDATE of the job while it is in this hand."""
        return update(jobs).where(jobs.c.id == self.job.id, jobs.c.lease == self.lease)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Renew the lease every so often, beside the work. Raises nothing: `tell` says if it was lost."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(HEARTBEAT_S):
                self.renew()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


Handler = Callable[[JobRun], None]
"""Does what a job is for; must call `finish`."""


def run_next_job(handlers: Mapping[tuple[str, str], Handler], stop: threading.Event) -> bool:
    """Take the oldest job that is due, and do it, by its kind and state. Whether there was one."""
    work = _claim(stop)
    if work is None:
        return False
    try:
        with work.held():
            handlers[work.job.kind, work.job.state](work)
    except ShuttingDown:
        _release(work, attempts=work.job.attempts - 1)
    except Unavailable:
        _release(work, leased_until=now() + RETRY_DELAY * 2 ** (work.job.attempts - 1))
    except LeaseLost:
        pass
    except DomainError as refusal:
        _fail(work, str(refusal))
    except Exception:
        _fail(work, "A fault of ours: the log says more.")
        raise
    return True


def _fail(work: JobRun, problem: str) -> None:
    with suppress(LeaseLost):
        run_in_transaction(
            lambda session: work.finish(session, state="failed", problem=f"{problem} Nothing was applied.")
        )


def _is_leased(table: Any) -> ColumnElement[bool]:
    return and_(table.c.leased_until.is_not(None), table.c.leased_until >= now())


def _due() -> Any:
    """The oldest one that nobody holds. One is applied at a time: two would wait for each other's customers."""
    being_applied = select(other_jobs.c.id).where(
        other_jobs.c.state == "applying", other_jobs.c.lease.is_not(None), _is_leased(other_jobs)
    )
    unhindered = or_(jobs.c.state != "applying", not_(exists(being_applied)))
    return (
        select(jobs.c.id)
        .where(jobs.c.state.in_(RUNNING), not_(_is_leased(jobs)), unhindered)
        .order_by(jobs.c.id)
        .limit(1)
    )


def _claim(stop: threading.Event) -> JobRun | None:
    try:
        if db.session.scalar(_due()) is None:  # mostly: and then nothing is written
            return None
    except (DBAPIError, PoolTimeout) as error:
        raise_if_unavailable(error)
        raise
    lease = secrets.token_hex(8)

    def work(session: Session) -> Job | None:
        values = {"lease": lease, "leased_until": now() + LEASE, "attempts": jobs.c.attempts + 1}
        due = _due().with_for_update(skip_locked=True).scalar_subquery()
        taken = session.scalar(update(jobs).where(jobs.c.id == due).values(values).returning(jobs.c.id))
        job = session.get(Job, taken) if taken else None
        if job and job.attempts > MAX_ATTEMPTS:
            job.state, job.finished_at, job.leased_until = "failed", now(), None
            job.problem = f"It was begun {MAX_ATTEMPTS} times: {WORKER_DIED} Nothing was applied."
            return None
        return job

    job = run_in_transaction(work, patient=False)
    return JobRun(job, lease, stop, db.engine) if job else None


def _release(work: JobRun, **values: Any) -> None:
    """Leave it to the next one, at once or after a while."""
    with suppress(Unavailable):
        released = work.mine().values({"lease": None, "leased_until": None, **values})
        run_in_transaction(lambda session: session.execute(released), patient=False)
