"""Time that passes for scheduled jobs, and their moments."""

from datetime import datetime, timedelta

from sqlalchemy import select, update

from app.core.database import db, now
from app.jobs.jobs import Job
from app.jobs.states import JobKind
from tests.support.imports import run_job


def moment(hours: float) -> datetime:
    """Return the time so many hours from now, in whole seconds."""
    return (now() + timedelta(hours=hours)).replace(microsecond=0)


def rfc_3339(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def let_pass(hours: float) -> None:
    """Let time pass for all jobs, as if the database's clock went on."""
    db.session.rollback()
    for id_, apply_at, revert_at in db.session.execute(select(Job.id, Job.apply_at, Job.revert_at)).all():
        moments = {"apply_at": apply_at, "revert_at": revert_at}
        earlier = {name: at and at - timedelta(hours=hours) for name, at in moments.items()}
        db.session.execute(update(Job).where(Job.id == id_).values(earlier))
    db.session.commit()


def run_all() -> int:
    """Run every job that is due; return how many steps there were."""
    steps = 0
    while run_job():
        steps += 1
    return steps


def job_states() -> list[tuple[str, str]]:
    """Return the kind and state of each job."""
    db.session.rollback()
    return [
        (kind.value, state.value) for kind, state in db.session.execute(select(Job.kind, Job.state).order_by(Job.id))
    ]


def last_job(kind: JobKind) -> Job:
    db.session.rollback()
    return db.session.scalars(select(Job).where(Job.kind == kind).order_by(Job.id.desc()).limit(1)).one()
