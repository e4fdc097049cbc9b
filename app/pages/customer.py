"""One customer: her facts, her segments with the editor, and everything that ever changed them."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for

from app.core.changes.document_ids import rename_customer
from app.core.changes.replace_segments import replace_segments
from app.core.changes.revert import UndoPreview, preview_undo
from app.core.changes.segment_updates import Version
from app.core.counts.segment_counts import largest_segments
from app.core.errors import CustomerExists, InvalidDocumentId
from app.core.history.segment_diff import diff_segments, rebase_change
from app.core.history.timeline import provenance, timeline
from app.core.models.customers import Customer, get_customer
from app.core.models.segments import Segments
from app.pages import blueprint, list_query
from app.pages.auth import current_actor, require_role
from app.pages.editor import Editor, make_editor, parse_editor
from app.pages.list_query import InvalidListQuery
from app.web.cursors import encode_cursor

TIMELINE_SIZE = 20
MAX_SUGGESTIONS = 100


@blueprint.get("/customers/<document_id:document_id>")
@require_role("viewer")
def customer(document_id: str) -> Any:
    found = get_customer(document_id)
    if "undo" in request.args:
        return _undo_preview(preview_undo(document_id, _change_set("undo")))
    if "new-id" in request.args:
        return _new_id(found)
    return _page(found, make_editor(found.segments, found.part_id))


def _page(found: Customer, editor: Editor, status: int = 200) -> Any:
    before = list_query.cursor("before", int, int)
    steps = timeline(found.document_id, limit=TIMELINE_SIZE + 1, before=before and (before[0], before[1]))
    return render_template(
        "customer.html",
        customer=found,
        editor=editor,
        held={(held.type, held.value): held.since for held in provenance(found.document_id)},
        steps=[(step, diff_segments(step.before, step.after)) for step in steps[:TIMELINE_SIZE]],
        older=encode_cursor(*steps[TIMELINE_SIZE - 1].key) if len(steps) > TIMELINE_SIZE else None,
        suggested=largest_segments(limit=MAX_SUGGESTIONS),
    ), status


def _change_set(name: str) -> int:
    value = list_query.text(name) or request.form.get(name, "")
    if not (value.isdecimal() and value.isascii() and len(value) < 19):
        raise InvalidListQuery("A change set is named by its number.")
    return int(value)


@blueprint.post("/customers/<document_id:document_id>")
@require_role("editor")
def change_customer(document_id: str) -> Any:
    """Save the editor, or do what one of its buttons says without saving; or undo one change."""
    found = get_customer(document_id)
    if "undo" in request.args:
        return _undo(preview_undo(document_id, _change_set("undo")))
    if "new-id" in request.args:
        return _change_id(found)
    editor = parse_editor(request.form)
    if editor is None:
        raise InvalidListQuery("The form did not arrive whole. Nothing was changed.")
    action = request.form.get("action", "save")
    if action == "save":
        return _save(found, editor)
    editor.act(action)
    return _page(found, editor)


def _save(found: Customer, editor: Editor) -> Any:
    if not editor.check():
        return _page(found, editor, 422)
    if "confirmed" not in request.form and editor.look_alikes():
        return _page(found, editor, 422)
    document_id, mine = found.document_id, editor.segments()
    outcome = replace_segments({document_id: mine}, current_actor(), as_of=editor.version)
    if outcome.stale and get_customer(document_id).segments != mine:
        return _conflict(document_id, editor)
    _flash_saved(outcome.change_set_id)
    return redirect(url_for("pages.customer", document_id=document_id))


def _flash_saved(change_set_id: int | None) -> None:
    if change_set_id is None:
        flash("Nothing was changed: the customer has these segments already.")
    else:
        flash("Saved.", f"change-set-{change_set_id}")


def _conflict(document_id: str, editor: Editor) -> Any:
    """Somebody else was faster: show what she had, what they made of it and what this operator wants."""
    found, mine = get_customer(document_id), editor.segments()
    theirs = timeline(document_id, limit=1)
    both = rebase_change(editor.base, mine, onto=found.segments)
    return render_template(
        "conflict.html",
        customer=found,
        base=editor.base,
        their_difference=diff_segments(editor.base, found.segments),
        mine=_rebased_editor(mine, found),
        my_difference=diff_segments(editor.base, mine),
        both=_rebased_editor(both, found) if both not in (mine, found.segments) else None,
        both_difference=diff_segments(editor.base, both),
        changed_by=theirs[0].change_set if theirs else None,
    ), 409


def _rebased_editor(segments: Segments, found: Customer) -> Editor:
    """These segments, to be saved over those that the customer has by now."""
    rows = make_editor(segments, None).rows
    for row, segment in zip(rows, segments, strict=True):
        row.was = str(found.segments.index(segment)) if segment in found.segments else ""
    return Editor(rows, found.segments, Version(found.part_id))


# Undoing one change


def _undo_preview(wanted: UndoPreview, status: int = 200) -> Any:
    return render_template(
        "customer_undo.html",
        customer=wanted.customer,
        step=wanted.step,
        undone=diff_segments(wanted.step.before, wanted.step.after),
        effect=diff_segments(wanted.customer.segments, wanted.segments),
    ), status


def _undo(wanted: UndoPreview) -> Any:
    version = request.form.get("version", "")
    seen = str(wanted.customer.part_id or "")
    if version != seen:  # changed since the preview
        return _undo_preview(wanted, 409)
    document_id, note = wanted.customer.document_id, f"Undoes change set {wanted.step.change_set.id} for one customer"
    as_of = Version(wanted.customer.part_id)
    outcome = replace_segments({document_id: wanted.segments}, current_actor(), as_of=as_of, note=note)
    if outcome.stale:
        return _undo_preview(preview_undo(document_id, wanted.step.change_set.id), 409)
    _flash_saved(outcome.change_set_id)
    return redirect(url_for("pages.customer", document_id=document_id))


# Another document_id


def _new_id(found: Customer, problem: str | None = None) -> Any:
    wanted = request.form.get("document_id", "")
    return render_template(
        "customer_rename.html", customer=found, wanted=wanted, problem=problem
    ), 422 if problem else 200


def _change_id(found: Customer) -> Any:
    new = request.form.get("document_id", "").strip()
    try:
        change_set_id = rename_customer(found.document_id, new, current_actor())
    except (CustomerExists, InvalidDocumentId) as refusal:
        return _new_id(found, str(refusal))
    flash("Saved.", f"change-set-{change_set_id}")
    return redirect(url_for("pages.customer", document_id=new))
