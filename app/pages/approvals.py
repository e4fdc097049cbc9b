"""Held changes: listed, shown with their preview, and approved or rejected by an operator who did not request them."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from app.core.changes.guard import Guard
from app.core.limits import MAX_REASON_LENGTH
from app.core.models.customers import replace_unstorable
from app.jobs.affected_customers import count_affected
from app.jobs.bulk_edits import BulkEdit
from app.jobs.held_changes import approve, count_losses, get_held, is_own, list_held, reject
from app.jobs.jobs import Job, cancel
from app.jobs.states import JobKind, JobState
from app.pages import blueprint
from app.pages.auth import current_actor, require_role
from app.pages.jobs import job_context, start_job
from app.pages.list_query import InvalidRequest

MAX_LISTED = 100


@blueprint.get("/approvals")
@require_role("viewer")
def approvals() -> Any:
    held = [(job, describe(job), count_losses(job), count_affected(job)) for job in list_held(MAX_LISTED)]
    return render_template("approvals.html", held=held)


@blueprint.get("/approvals/<number:job_id>")
@require_role("viewer")
def approval(job_id: int) -> Any:
    job = get_held(job_id)
    guard = job.payload.get("guard")
    return render_template(
        "approval.html",
        **_losses_first(job_context(job)),
        title=describe(job),
        customers=count_affected(job),
        guard=Guard.from_dict(guard) if guard else None,
        own=is_own(job, current_actor()),
        change_url=page_of(job),
        max_reason=MAX_REASON_LENGTH,
    )


def _losses_first(context: dict[str, Any]) -> dict[str, Any]:
    """Return the variables of a job's preview with the segments and customers first that lose most."""
    preview = context["preview"] or {}
    examples = sorted(context["examples"], key=lambda example: len(example[0]["after"]) - len(example[0]["before"]))
    deltas = sorted(preview.get("deltas", []), key=lambda row: row[2])
    return {**context, "examples": examples, "preview": {**preview, "deltas": deltas}}


def describe(job: Job) -> str:
    """Return what a held change is, as a heading."""
    if job.kind == JobKind.IMPORT:
        return str(_("Import %(name)s", name=job.payload["name"]))
    if job.kind == JobKind.REVERT:
        return str(_("Undo change #%(id)s", id=job.payload["change_set_id"]))
    if job.kind == JobKind.MEMBERS:
        return str(_("Set the members of %(segment)s", segment=job.payload["segment"]["value"]))
    if job.kind == JobKind.EDIT:
        return _describe_edit(BulkEdit.from_dict(job.payload))
    titles = {
        "replace": _("Replace segments"),
        "merge": _("Add segments"),
        "remove": _("Remove segments"),
        "patch": _("Add and remove segments"),
    }
    return str(titles[job.payload["action"]])


def _describe_edit(edit: BulkEdit) -> str:
    names = [segment["value"] for segment in edit.segments]
    titles = {
        "add": _("Add %(segment)s", segment=", ".join(names)),
        "remove": _("Remove %(segment)s", segment=", ".join(names)),
        "replace": _("Replace all segments with %(segment)s", segment=", ".join(names)),
        "clear": _("Remove all segments"),
        "rename": _("Rename %(old)s to %(new)s", old="".join(names[:1]), new="".join(names[1:])),
    }
    return str(titles[edit.action])


def page_of(job: Job) -> str:
    """Return the URL of the page that shows the progress and the result of a job."""
    if job.kind == JobKind.IMPORT:
        return url_for("pages.import_detail", import_id=job.id)
    if job.kind == JobKind.REVERT:
        return url_for("pages.undo", job_id=job.id)
    if job.kind == JobKind.EDIT:
        return url_for("pages.bulk_edit", bulk_edit_id=job.id)
    return url_for("pages.approval", job_id=job.id)


@blueprint.post("/approvals/<number:job_id>")
@require_role("editor")
def approval_decide(job_id: int) -> Any:
    """Approve, reject or withdraw a held change, or do what a button of its progress says."""
    job, action = get_held(job_id), request.form.get("action")
    if action == "approve":
        approve(job_id, current_actor())
        start_job(job_id, job.kind)
    elif action == "reject":
        reason = replace_unstorable(request.form.get("reason", "").strip()[:MAX_REASON_LENGTH])
        reject(job_id, current_actor(), reason)
        flash(_("Rejected. Nothing was changed."))
    elif (action, job.state) == ("stop", JobState.APPLYING) or _is_withdrawn(action, job):
        cancel(job)
    else:
        raise InvalidRequest(_("Unknown action."))
    return redirect(page_of(job))


def _is_withdrawn(action: str | None, job: Job) -> bool:
    """Return whether an operator takes back their own request."""
    return action == "withdraw" and job.state == JobState.HELD and is_own(job, current_actor())
