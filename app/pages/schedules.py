"""Schedules of jobs: when a prepared change is applied and undone, by the operator's local time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import current_app, flash, redirect, render_template, request, url_for
from flask_babel import get_timezone, to_user_timezone
from flask_babel import gettext as _

from app.jobs.jobs import Job, cancel, get_any_job
from app.jobs.schedules import (
    Schedule,
    current_schedule,
    get_origin,
    iter_move_errors,
    iter_schedule_errors,
    pending_revert,
    reschedule,
    schedule_job,
)
from app.jobs.states import JobKind, JobState
from app.pages import blueprint
from app.pages.auth import current_actor, require_role
from app.pages.domain_texts import translate_domain_text
from app.pages.job_texts import job_url
from app.pages.jobs import start_job
from app.pages.list_query import InvalidRequest
from app.pages.locale import TIME_ZONES

INPUT_FORMAT = "%Y-%m-%dT%H:%M"
FIELDS = ("apply_at", "revert_at")


@blueprint.get("/jobs/<number:job_id>/schedule")
@require_role("viewer")
def schedule(job_id: int) -> Any:
    """Show when a job is applied and undone, with the form to change it."""
    job = get_any_job(job_id)
    origin = get_origin(job) if job.kind == JobKind.REVERT else None
    if origin:
        return redirect(url_for("pages.schedule", job_id=origin.id))
    return _page(job)


def _page(job: Job, errors: dict[str, str] | None = None, status: int = 200) -> Any:
    current = current_schedule(job)
    return render_template(
        "schedule.html",
        job=job,
        schedule=current,
        revert=pending_revert(job),
        values={name: request.form.get(name, _to_input(getattr(current, name))) for name in FIELDS},
        time_zone=str(get_timezone()),
        errors=errors or {},
    ), status


def _to_input(moment: datetime | None) -> str:
    return to_user_timezone(moment).strftime(INPUT_FORMAT) if moment else ""


@blueprint.post("/jobs/<number:job_id>/schedule")
@require_role("editor")
def schedule_update(job_id: int) -> Any:
    """Schedule a job, move its moments, or cancel what has not happened yet."""
    job, action = get_any_job(job_id), request.form.get("action")
    if action == "save":
        return _save(job)
    if action != "cancel":
        raise InvalidRequest(_("Part of the form is missing. Reload the page and try again."))
    if job.state == JobState.SCHEDULED:
        cancel(job)
        flash(_("Schedule canceled. Nothing changed."))
    else:
        reschedule(job.id, Schedule(job.apply_at, None))
        flash(_("Undo canceled. The change stays."))
    return redirect(job_url(job))


def _save(job: Job) -> Any:
    current = current_schedule(job)
    zone = request.form.get("time_zone", "")
    if zone not in TIME_ZONES:
        raise InvalidRequest(_("Part of the form is missing. Reload the page and try again."))
    try:
        values = {name: _moment(name, getattr(current, name), ZoneInfo(zone)) for name in FIELDS}
    except ValueError:
        return _page(job, {"apply_at": _("Enter a date and a time.")}, 422)
    new = Schedule(**values)
    is_new = job.state == JobState.READY
    if not is_new and job.state != JobState.SCHEDULED:  # applied: only its undo is ahead
        new = replace(new, apply_at=current.apply_at)
    errors = iter_schedule_errors(new, _retention()) if is_new else iter_move_errors(job, new, _retention())
    found = {name: translate_domain_text(text) for name, text in errors}
    if new == Schedule() or (job.state == JobState.SCHEDULED and new.apply_at is None):
        found["apply_at"] = _("Enter a date and a time.")
    if found:
        return _page(job, found, 422)
    if is_new:
        schedule_job(job, new, current_actor(), current_app.config["APPROVAL_ABOVE"])
        start_job(job.id, job.kind)
    else:
        reschedule(job.id, new)
    flash(_("Schedule saved."))
    return redirect(job_url(job))


def _moment(name: str, current: datetime | None, zone: ZoneInfo) -> datetime | None:
    """Return the moment of a field; the current one if its text is unchanged. Raises ValueError."""
    text = request.form.get(name, "").strip()
    if current and text == current.astimezone(zone).strftime(INPUT_FORMAT):
        return current
    return parse_local_time(text, zone) if text else None


def parse_local_time(text: str, zone: ZoneInfo) -> datetime:
    """Return the moment at which clocks show this time.

    A time that a change of the clocks leaves out is as much later as they go forward; of two moments that show the same
    time, it is the earlier. Raises ValueError.
    """
    local = datetime.fromisoformat(text)
    if local.tzinfo:
        raise ValueError("A local time has no zone.")
    try:
        return local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    except OverflowError:
        raise ValueError("Before the year 1 or after 9999.") from None


def _retention() -> timedelta | None:
    days = current_app.config["HISTORY_RETENTION_DAYS"]
    return timedelta(days=days) if days else None
