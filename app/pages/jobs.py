"""What the pages of imports and of bulk edits share: a change that is prepared, previewed and then applied."""

import time
from typing import Any

from flask import current_app
from flask_babel import gettext as _

from app import background
from app.core.history.segment_diff import diff_segments
from app.jobs.batches import SKIP_REASONS, iter_skipped
from app.jobs.held_changes import apply_or_hold
from app.jobs.jobs import Job, cancel, get_job, resume, transition
from app.jobs.schedules import current_schedule, pending_revert
from app.jobs.states import JobKind, JobState
from app.pages.auth import current_actor
from app.pages.list_query import InvalidRequest

WAIT_S = 0.8
POLL_INTERVAL_S = 0.04
MAX_SKIPPED_SHOWN = 50


def start_job(job_id: int, kind: JobKind) -> None:
    """Wake a worker and wait a moment: most jobs end before their progress could be seen."""
    until = time.monotonic() + WAIT_S
    if background.notify_workers():
        while time.monotonic() < until and get_job(job_id, kind).is_running:
            time.sleep(POLL_INTERVAL_S)


def apply_prepared(job: Job) -> None:
    """Apply a prepared job, or hold it for another operator if it is larger than APPROVAL_ABOVE."""
    apply_or_hold(job, current_actor(), current_app.config["APPROVAL_ABOVE"])
    start_job(job.id, job.kind)


def act_on_job(job: Job, action: str | None) -> None:
    """Do what a button of a prepared job's page says. Raises InvalidRequest, NotReady and Unavailable."""
    if action == "apply":
        apply_prepared(job)
    elif action == "continue":
        resume(job.id)
        start_job(job.id, job.kind)
    elif action == "stop":
        cancel(job)
    elif action == "discard":
        transition(job.id, JobState.DISCARDED, from_=(JobState.DRAFT, JobState.READY, JobState.FAILED))
    else:
        raise InvalidRequest(_("Unknown action."))


def job_context(job: Job) -> dict[str, Any]:
    """Return the variables of every template that shows a job."""
    examples = (job.preview or {}).get("examples", ())
    return {
        "job": job,
        "preview": job.preview,
        "schedule": current_schedule(job),
        "revert": pending_revert(job),
        "skipped": list(iter_skipped(job.id, MAX_SKIPPED_SHOWN)) if (job.result or {}).get("skipped") else [],
        "skip_reasons": SKIP_REASONS,
        "examples": [(example, diff_segments(example["before"], example["after"])) for example in examples],
    }
