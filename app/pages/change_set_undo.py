"""Undo of a change set: previewed first, and applied in the request if it is one batch, otherwise as a job."""

from typing import Any

from flask import current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.core.changes.revert import RevertResult, check_ended, preview_revert, revert
from app.core.database import db
from app.core.history.change_sets import list_segment_changes
from app.core.history.segment_diff import diff_segments
from app.core.models.change_sets import get_change_set
from app.jobs.jobs import create_job, get_job
from app.jobs.revert_job import RevertJob
from app.jobs.reverts import count_entries, is_one_batch
from app.jobs.states import JobKind, JobState
from app.pages import blueprint
from app.pages.auth import current_actor, require_role
from app.pages.jobs import act_on_job, job_context, start_job
from app.pages.reasons import parse_reason
from app.pages.template_filters import number

MAX_CONFLICTS = 50
MAX_EXAMPLES = 5


@blueprint.get("/changes/<number:change_set_id>/undo")
@require_role("editor")
def change_set_undo(change_set_id: int) -> Any:
    """Show what an undo would do; for more than one batch, offer to compute it in the background."""
    check_ended(db.session(), change_set_id)
    if not _in_request(change_set_id):
        return render_template("change_set_undo_large.html", change_set=get_change_set(change_set_id))
    result = preview_revert(change_set_id)
    rows = list_segment_changes(change_set_id, limit=MAX_EXAMPLES + len(result.conflicts[:MAX_CONFLICTS]))
    examples = [row for row in rows if row.document_id not in result.conflicts][:MAX_EXAMPLES]
    return render_template(
        "change_set_undo.html",
        change_set=get_change_set(change_set_id),
        result=result,
        conflicts=result.conflicts[:MAX_CONFLICTS],
        examples=[(row, diff_segments(row.after, row.before)) for row in examples],
    )


def _in_request(change_set_id: int) -> bool:
    """Return whether an operator undoes the change set at once; otherwise a job is prepared, which may be held."""
    approval_above = current_app.config["APPROVAL_ABOVE"]
    is_small = approval_above is None or count_entries(change_set_id) <= approval_above
    return is_small and is_one_batch(change_set_id)


@blueprint.post("/changes/<number:change_set_id>/undo")
@require_role("editor")
def change_set_undo_apply(change_set_id: int) -> Any:
    check_ended(db.session(), change_set_id)
    if not _in_request(change_set_id):
        job = RevertJob(change_set_id, reason=parse_reason())
        job_id = create_job(JobKind.REVERT, current_actor(), job.to_dict(), JobState.CHECKING)
        start_job(job_id, JobKind.REVERT)
        return redirect(url_for("pages.undo", job_id=job_id))
    result = revert(change_set_id, current_actor(), note=parse_reason())
    if result.change_set_id is None:
        flash(_("Nothing to undo: all these customers changed later."))
        return redirect(url_for("pages.change_set", change_set_id=change_set_id))
    flash(_undone_message(result))
    return redirect(url_for("pages.change_set", change_set_id=result.change_set_id))


def _undone_message(result: RevertResult) -> str:
    conflicts = len(result.conflicts)
    undone = ngettext(
        "Undone for %(count)s customer.",
        "Undone for %(count)s customers.",
        result.customers,
        count=number(result.customers),
    )
    skipped = ngettext(
        "%(count)s skipped because it changed later.",
        "%(count)s skipped because they changed later.",
        conflicts,
        count=number(conflicts),
    )
    return f"{undone} {skipped}" if conflicts else str(undone)


# As a job


@blueprint.get("/undo/<number:job_id>")
@require_role("viewer")
def undo(job_id: int) -> Any:
    """Show the preview, the progress or the result of an undo in the background."""
    job = get_job(job_id, JobKind.REVERT)
    if job.state == JobState.SCHEDULED:
        return redirect(url_for("pages.schedule", job_id=job.id))
    return render_template(
        "undo.html",
        **job_context(job),
        change_set_id=job.payload["change_set_id"],
        conflicts=(job.preview or {}).get("conflict_ids", [])[:MAX_CONFLICTS],
    )


@blueprint.post("/undo/<number:job_id>")
@require_role("editor")
def undo_update(job_id: int) -> Any:
    """Apply the button that was pressed."""
    job = get_job(job_id, JobKind.REVERT)
    act_on_job(job, request.form.get("action"))
    return redirect(url_for("pages.undo", job_id=job.id))
