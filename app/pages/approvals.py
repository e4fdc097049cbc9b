"""Held changes: listed, shown with their preview, and approved or rejected by an operator who did not request them."""

from typing import Any

from flask import flash, redirect, render_template, request
from flask_babel import gettext as _

from app.core.changes.guard import Guard
from app.jobs.affected_customers import count_affected
from app.jobs.held_changes import approve, count_losses, get_held, is_own, list_held, reject
from app.jobs.jobs import Job, cancel, get_any_job
from app.jobs.states import JobState
from app.pages import blueprint
from app.pages.auth import current_actor, require_role
from app.pages.job_texts import job_url
from app.pages.jobs import job_context, start_job
from app.pages.list_query import InvalidRequest
from app.pages.reasons import parse_reason

MAX_LISTED = 100


@blueprint.get("/approvals")
@require_role("viewer")
def approvals() -> Any:
    held = [(job, count_losses(job), count_affected(job)) for job in list_held(MAX_LISTED)]
    return render_template("approvals.html", held=held)


@blueprint.get("/approvals/<number:job_id>")
@require_role("viewer")
def approval(job_id: int) -> Any:
    job = get_held(job_id)
    guard = job.payload.get("guard")
    return render_template(
        "approval.html",
        **_losses_first(job_context(job)),
        customers=count_affected(job),
        guard=Guard.from_dict(guard) if guard else None,
        own=is_own(job, current_actor()),
    )


def _losses_first(context: dict[str, Any]) -> dict[str, Any]:
    """Return the variables of a job's preview with the segments and customers first that lose most."""
    preview = context["preview"] or {}
    examples = sorted(context["examples"], key=lambda example: len(example[0]["after"]) - len(example[0]["before"]))
    deltas = sorted(preview.get("deltas", []), key=lambda row: row[2])
    return {**context, "examples": examples, "preview": {**preview, "deltas": deltas}}


@blueprint.post("/approvals/<number:job_id>")
@require_role("editor")
def approval_decide(job_id: int) -> Any:
    """Approve, reject or withdraw a held change, or do what a button of its progress says."""
    job, action = get_held(job_id), request.form.get("action")
    if action == "approve":
        approve(job_id, current_actor())
        start_job(job_id, job.kind)
    elif action == "reject":
        reject(job_id, current_actor(), parse_reason() or "")
        flash(_("Rejected. Nothing was changed."))
    elif (action, job.state) == ("stop", JobState.APPLYING) or _is_withdrawn(action, job):
        cancel(job)
    else:
        raise InvalidRequest(_("Unknown action."))
    return redirect(job_url(get_any_job(job_id)))


def _is_withdrawn(action: str | None, job: Job) -> bool:
    """Return whether an operator takes back their own request."""
    return action == "withdraw" and job.state == JobState.HELD and is_own(job, current_actor())
