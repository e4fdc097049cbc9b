"""Changes of many: prepared, looked at, and then made in the background. `app.jobs.runner` is how.

A job is a row, and what it is for is told by its `kind` and `state`: every process can show it, and take it up.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core import dialects
from app.core.database import Base, UtcDateTime, db, now, run_in_transaction
from app.core.errors import Conflict, NotFound, Unavailable
from app.core.models.change_sets import Actor

Json = dict[str, Any]

RUNNING = ("checking", "applying")
"""The states in which there is something to do."""


class NotReady(Conflict):
    code = "JOB_NOT_READY"
    explanation = "The job is not in a state that allows this."


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
    """Who made it; whoever has it applied is from then on the one by whom the change is."""
    source: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    wanted: Mapped[Json] = mapped_column("payload", dialects.Json, key="wanted")
    effect: Mapped[Json | None] = mapped_column("preview", dialects.Json, key="effect")
    """What it would do: `app.core.changes.preview.Effect.told`."""
    result: Mapped[Json | None] = mapped_column(dialects.Json)
    problem: Mapped[str | None] = mapped_column("error", key="problem")
    phase: Mapped[str | None]
    done: Mapped[int] = mapped_column(dialects.Id, default=0)
    total: Mapped[int | None] = mapped_column(dialects.Id)
    attempts: Mapped[int] = mapped_column(default=0)
    lease: Mapped[str | None]
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    change_set_id: Mapped[int | None] = mapped_column(dialects.Id)

    @property
    def busy(self) -> bool:
        return self.state in RUNNING

    @property
    def sender(self) -> str:
        """Who made it, whoever had it applied."""
        return str(self.wanted.get("sender", self.actor))

    def by(self) -> Actor:
        return Actor(self.actor, self.source)


jobs = Job.__table__


# Asking for them


def create_job(kind: str, actor: Actor, wanted: Json, state: str) -> int:
    """Raises Unavailable."""

    def work(session: Session) -> int:
        kept = wanted | {"sender": actor.name}
        job = Job(kind=kind, state=state, actor=actor.name, source=actor.source, created_at=now(), wanted=kept)
        session.add(job)
        session.flush()
        return job.id

    return run_in_transaction(work)


def get_job(job_id: int, kind: str) -> Job:
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


def transition(  # noqa: PLR0913 - one step, and what comes with it
    job_id: int,
    state: str,
    *,
    from_: tuple[str, ...],
    wanted: Json | None = None,
    problem: str | None = None,
    by: Actor | None = None,
) -> None:
    """To its next state, for which somebody asked; out of the hands of whoever works on it.

    Raises NotReady, and Unavailable.
    """

    def work(session: Session) -> None:
        change = update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(from_))
        values: Json = {"state": state, "problem": problem, **RESET_PROGRESS}
        if wanted is not None:
            values |= {"wanted": wanted, "effect": None}
        if by is not None:
            values |= {"actor": by.name, "source": by.source}
        if not session.execute(change.values(values)).rowcount:  # type: ignore[attr-defined]
            raise NotReady("This was started, applied or thrown away already. Nothing was changed now.")

    run_in_transaction(work)


RESET_PROGRESS: Json = {"done": 0, "total": None, "phase": None, "attempts": 0, "lease": None, "leased_until": None}


def cancel(job: Job) -> None:
    """Take it back to where it was before it was begun. Raises NotReady if that is too late."""
    before = {"checking": "draft" if job.kind == "import" else "discarded", "applying": "ready"}
    try:
        transition(job.id, before.get(job.state, ""), from_=(job.state,) if job.busy else ())
    except (NotReady, Unavailable):  # on SQLite nobody else writes while it is applied
        raise NotReady("It cannot be stopped any more. Once it is applied, it can be undone.") from None
