"""Undo one change for one customer, with a preview."""

from typing import Any

from flask import render_template, request

from app.core.changes.preview_undo import UndoPreview, preview_undo
from app.core.changes.replace_segments import replace_segments
from app.core.changes.segment_updates import Version
from app.core.history.segment_diff import diff_segments
from app.core.models.change_sets import with_reason
from app.pages import blueprint
from app.pages.auth import current_actor, require_role
from app.pages.customer import redirect_to_saved
from app.pages.reasons import parse_reason

URL = "/changes/<number:change_set_id>/undo/<document_id:document_id>"


@blueprint.get(URL)
@require_role("viewer")
def customer_undo(change_set_id: int, document_id: str) -> Any:
    return _page(preview_undo(document_id, change_set_id))


def _page(preview: UndoPreview, status: int = 200) -> Any:
    return render_template(
        "customer_undo.html",
        customer=preview.customer,
        entry=preview.step,
        undone=diff_segments(preview.step.before, preview.step.after),
        after_undo=diff_segments(preview.customer.segments, preview.segments),
        outdated=status == 409,
    ), status


@blueprint.post(URL)
@require_role("editor")
def customer_undo_apply(change_set_id: int, document_id: str) -> Any:
    """Undo the change, unless the customer was changed after the preview."""
    preview = preview_undo(document_id, change_set_id)
    version = preview.customer.part_id
    if request.form.get("version", "") != str(version or ""):
        return _page(preview, 409)
    result = replace_segments(
        {document_id: preview.segments},
        current_actor(),
        as_of=Version(version),
        limited=False,
        note=with_reason(f"Reverts change #{change_set_id} for this customer", parse_reason()),
    )
    if result.stale:
        return _page(preview_undo(document_id, change_set_id), 409)
    return redirect_to_saved(document_id, result.change_set_id)
