"""Changes of many: prepared, looked at, and then made in the background, whatever happens to the process that does it.

A job is a row. Whoever works on it holds it by a lease that must be renewed; a process that dies lets it run out, and
another begins again. What a job does to customers is one transaction whose last statement says, in the same row, that
it is done, and only under its own lease: it happens once, or not at all.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.changes import Actor
from app.core.database import Base, Moment, db, in_transaction, now, raise_unavailable
from app.core.errors import NotFound, Refusal, Unavailable

LEASE = timedelta(seconds=15)
RENEWED_EVERY_S = 2.0
MOST_ATTEMPTS = 8
"""Times a job is begun again after the process died: more often than that it is not by chance."""

Json = dict[str, Any]

BUSY = ("checking", "applying")
"""The states in which there is something to do."""


class NotReady(Refusal):
    """The job is not in the state for this: somebody else was faster, perhaps."""


class Stopped(Exception):
    """The process is about to end; another one begins the job again."""


class LeaseLost(Exception):
    """Another process took the job over: this one was taken for dead. Nothing of its work may stay."""


class Job(Base):
    """A change of many customers, by a file (`import`) or by what they have in common (`edit`).

    `draft` (a file whose columns are not known yet) → `checking` → `ready` → `applying` → `done`; `failed`, with its
    `problem`, and `discarded` are ends, too.
    """

    __tablename__ = "jobs"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(dialects.Id, primary_key=True)
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    actor: Mapped[str]
    source: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    wanted: Mapped[Json] = mapped_column(dialects.Json)
    effect: Mapped[Json | None] = mapped_column(dialects.Json)
    """What it would do: `app.core.effects.Effect.told`."""
    result: Mapped[Json | None] = mapped_column(dialects.Json)
    problem: Mapped[str | None]
    phase: Mapped[str | None]
    done: Mapped[int] = mapped_column(dialects.Id, default=0)
    total: Mapped[int | None] = mapped_column(dialects.Id)
    attempts: Mapped[int] = mapped_column(default=0)
    lease: Mapped[str | None]
    leased_until: Mapped[datetime | None] = mapped_column(Moment)
    change_set_id: Mapped[int | None] = mapped_column(dialects.Id)

    @property
    def busy(self) -> bool:
        return self.state in BUSY

    def by(self) -> Actor:
        return Actor(self.actor, self.source)


jobs = Job.__table__


# Asking for them


def new_job(kind: str, actor: Actor, wanted: Json, state: str) -> int:
    """Raises Unavailable."""

    def work(session: Session) -> int:
        job = Job(kind=kind, state=state, actor=actor.name, source=actor.source, created_at=now(), wanted=wanted)
        session.add(job)
        session.flush()
        return job.id

    return in_transaction(work)


def find_job(job_id: int, kind: str) -> Job:
    """As it is now. Raises NotFound."""
    db.session.remove()  # what was read before this moment may be as of another one
    found = db.session.get(Job, job_id)
    if found is None or found.kind != kind:
        raise NotFound(f"There is no {kind} {job_id}, or it is no longer kept.")
    return found


def list_jobs(kind: str, *, before: int | None = None, most: int) -> list[Job]:
    """The newest ones, or those before an id."""
    query = select(Job).where(Job.kind == kind).order_by(Job.id.desc()).limit(most)
    return list(db.session.scalars(query if before is None else query.where(Job.id < before)))


def move_on(
    job_id: int, state: str, *, from_: tuple[str, ...], wanted: Json | None = None, problem: str | None = None
) -> None:
    """To its next state, for which somebody asked. Raises NotReady, and Unavailable."""

    def work(session: Session) -> None:
        change = update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(from_))
        values: Json = {"state": state, "problem": problem, "done": 0, "total": None, "phase": None, "attempts": 0}
        if wanted is not None:
            values |= {"wanted": wanted, "effect": None}
        if not session.execute(change.values(values)).rowcount:  # type: ignore[attr-defined]
            raise NotReady("This was started, applied or thrown away already. Nothing was changed now.")

    in_transaction(work)


# Doing them


@dataclass
class Work:
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
            raise Stopped
        if self.lost:
            raise LeaseLost

    def renew(self) -> None:
        """Hold the job for some time longer, and say how far it is.

        On SQLite it cannot be said while our own transaction writes; nobody else can take the job over then, either.
        """
        values = {"phase": self.phase, "done": self.done, "total": self.total, "leased_until": now() + LEASE}
        with suppress(DBAPIError, PoolTimeout), Session(dialects.writing(self.engine, patient=False)) as session:
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
            while not over.wait(RENEWED_EVERY_S):
                self.renew()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


Handler = Callable[[Work], None]
"""Does what a job is for; must call `finish`."""


def work_on_next(handlers: Mapping[tuple[str, str], Handler], stop: threading.Event) -> bool:
    """Take the oldest job that is due, and do it, by its kind and state. Whether there was one."""
    work = _taken(stop)
    if work is None:
        return False
    try:
        with work.held():
            handlers[work.job.kind, work.job.state](work)
    except (Stopped, Unavailable):
        _put_down(work)
    except LeaseLost:
        pass
    except Refusal as refusal:
        _give_up(work, str(refusal))
    except Exception:
        _give_up(work, "A fault of ours: the log says more.")
        raise
    return True


def _give_up(work: Work, problem: str) -> None:
    in_transaction(lambda session: work.finish(session, state="failed", problem=f"{problem} Nothing was applied."))


def _due() -> Any:
    unheld = or_(jobs.c.leased_until.is_(None), jobs.c.leased_until < now())
    return select(jobs.c.id).where(jobs.c.state.in_(BUSY), unheld).order_by(jobs.c.id).limit(1)


def _taken(stop: threading.Event) -> Work | None:
    try:
        if db.session.scalar(_due()) is None:  # mostly: and then nothing is written
            return None
    except (DBAPIError, PoolTimeout) as error:
        raise_unavailable(error)
        raise
    lease = secrets.token_hex(8)

    def work(session: Session) -> Job | None:
        values = {"lease": lease, "leased_until": now() + LEASE, "attempts": jobs.c.attempts + 1}
        due = _due().with_for_update(skip_locked=True).scalar_subquery()
        taken = session.scalar(update(jobs).where(jobs.c.id == due).values(values).returning(jobs.c.id))
        job = session.get(Job, taken) if taken else None
        if job and job.attempts > MOST_ATTEMPTS:
            job.state, job.finished_at, job.leased_until = "failed", now(), None
            job.problem = f"The server ended {MOST_ATTEMPTS} times while it worked on this. Nothing was applied."
            return None
        return job

    job = in_transaction(work, patient=False)
    return Work(job, lease, stop, db.engine) if job else None


def _put_down(work: Work) -> None:
    """Leave it to the next one, at once."""
    with suppress(Unavailable, LeaseLost):
        values = {"lease": None, "leased_until": None, "attempts": jobs.c.attempts - 1}
        in_transaction(lambda session: session.execute(work.mine().values(values)), patient=False)
