"""Commands: flask jobs …"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from flask import current_app
from flask.cli import AppGroup

from app.cli.terminal import cli_actor, fail, print_message, reports_errors, timestamp
from app.jobs.jobs import cancel, get_any_job, list_open_jobs
from app.jobs.schedules import (
    Schedule,
    current_schedule,
    iter_move_errors,
    iter_schedule_errors,
    pending_revert,
    reschedule,
    schedule_job,
)
from app.jobs.states import JobState

jobs = AppGroup("jobs", help="List, schedule and cancel jobs.")

JOB_ID = click.IntRange(min=1, max=10**18)
NEVER = "never"


@jobs.command("list")
@reports_errors
def list_() -> None:
    """List the jobs that are prepared, scheduled or running: id, kind, state, moments to apply and revert, actor."""
    for job in list_open_jobs():
        schedule = current_schedule(job)
        moments = (_format(schedule.apply_at), _format(schedule.revert_at))
        click.echo("\t".join((str(job.id), job.kind, job.state, *moments, job.actor)))


def _format(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else "-"


def _timestamp_or_never(context: Any, option: Any, value: str | None) -> datetime | str | None:
    return value if value == NEVER else timestamp(context, option, value)


@jobs.command("schedule")
@click.argument("job_id", metavar="ID", type=JOB_ID)
@click.option("--apply-at", callback=timestamp, metavar="T", help="When it is applied; at once if it is not scheduled.")
@click.option("--revert-at", callback=_timestamp_or_never, metavar="T", help="When its changes are reverted, or never.")
@reports_errors
def schedule_(job_id: int, apply_at: datetime | None, revert_at: datetime | str | None) -> None:
    """Schedule the prepared job ID, or move the moments of a scheduled or applied one.

    T is an RFC 3339 time such as 2026-12-01T00:00:00+01:00.
    """
    given: dict[str, Any] = {"apply_at": apply_at, "revert_at": None if revert_at == NEVER else revert_at}
    named = {name: given[name] for name, value in (("apply_at", apply_at), ("revert_at", revert_at)) if value}
    if not named:
        fail("Give --apply-at, --revert-at or both.")
    job = get_any_job(job_id)
    days = current_app.config["HISTORY_RETENTION_DAYS"]
    retention = timedelta(days=days) if days else None
    if job.state == JobState.READY:
        schedule = Schedule(**named)
        _check(iter_schedule_errors(schedule, retention))
        schedule_job(job, schedule, cli_actor())
    else:
        schedule = replace(current_schedule(job), **named)
        _check(iter_move_errors(job, schedule, retention))
        reschedule(job.id, schedule)
    print_message(f"Job {job.id}: applied at {_format(schedule.apply_at)}, reverted at {_format(schedule.revert_at)}.")


def _check(errors: Any) -> None:
    for name, text in errors:
        fail(f"--{name.replace('_', '-')}: {text}")


@jobs.command("cancel")
@click.argument("job_id", metavar="ID", type=JOB_ID)
@reports_errors
def cancel_(job_id: int) -> None:
    """Cancel the job ID before it is applied, stop it after its current batch, or keep what it did if it is applied."""
    job = get_any_job(job_id)
    if pending_revert(job):
        reschedule(job.id, Schedule(job.apply_at, None))
        print_message(f"Job {job.id} stays applied.")
    else:
        cancel(job)
        print_message(f"Job {job.id} is cancelled.")
