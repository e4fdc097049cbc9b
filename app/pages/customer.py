"""One customer: her facts, her segments with the editor, and everything that ever changed them."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for

from app.core.changes.document_ids import change_document_id
from app.core.changes.replace_segments import replace_segments
from app.core.changes.revert import Undoing, undoing
from app.core.changes.segment_updates import Version
from app.core.counts.segment_counts import largest_segments
from app.core.errors import NameTaken
from app.core.history.segment_diff import carried_over, difference
from app.core.history.timeline import provenance, timeline
from app.core.models.customers import Customer, Segments, find_customer, storable
from app.pages import blueprint, list_query
from app.pages.auth import actor, open_to
from app.pages.editor import Editor, editor_of, read_editor
from app.pages.list_query import NotUnderstood
from app.serialization.request_schemas import LONGEST

STEPS = 20
MOST_SUGGESTED = 100


@blueprint.get("/customers/<document_id:document_id>")
@open_to("viewer")
def customer(document_id: str) -> Any:
    found = find_customer(document_id)
    if "undo" in request.args:
        return _undo_preview(undoing(document_id, _change_set("undo")))
    if "new-id" in request.args:
        return _new_id(found)
    return _page(found, editor_of(found.segments, found.change_set_id))


def _page(found: Customer, editor: Editor, status: int = 200) -> Any:
    before = _change_set("before") if "before" in request.args else None
    steps = timeline(found.document_id, most=STEPS + 1, before=before)
    return render_template(
        "customer.html",
        customer=found,
        editor=editor,
        held={(held.type, held.value): held.since for held in provenance(found.document_id)},
        steps=[(step, difference(step.before, step.after)) for step in steps[:STEPS]],
        older=steps[STEPS - 1].change_set.id if len(steps) > STEPS else None,
        suggested=largest_segments(most=MOST_SUGGESTED),
    ), status


def _change_set(name: str) -> int:
    value = list_query.text(name) or request.form.get(name, "")
    if not (value.isdecimal() and value.isascii() and len(value) < 19):
        raise NotUnderstood("A change set is named by its number.")
    return int(value)


@blueprint.post("/customers/<document_id:document_id>")
@open_to("editor")
def change_customer(document_id: str) -> Any:
    """Save the editor, or do what one of its buttons says without saving; or undo one change."""
    found = find_customer(document_id)
    if "undo" in request.args:
        return _undo(undoing(document_id, _change_set("undo")))
    if "new-id" in request.args:
        return _change_id(found)
    editor = read_editor(request.form)
    if editor is None:
        raise NotUnderstood("The form did not arrive whole. Nothing was changed.")
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
    outcome = replace_segments({document_id: mine}, actor(), as_of=editor.version)
    if outcome.stale and find_customer(document_id).segments != mine:
        return _conflict(document_id, editor)
    _say(outcome.change_set_id)
    return redirect(url_for("pages.customer", document_id=document_id))


def _say(change_set_id: int | None) -> None:
    if change_set_id is None:
        flash("Nothing was changed: the customer has these segments already.")
    else:
        flash("Saved.", f"change-set-{change_set_id}")


def _conflict(document_id: str, editor: Editor) -> Any:
    """Somebody else was faster: show what she had, what they made of it and what this operator wants."""
    found, mine = find_customer(document_id), editor.segments()
    theirs = timeline(document_id, most=1)
    both = carried_over(editor.base, mine, onto=found.segments)
    return render_template(
        "conflict.html",
        customer=found,
        base=editor.base,
        their_difference=difference(editor.base, found.segments),
        mine=_on_top(mine, found),
        my_difference=difference(editor.base, mine),
        both=_on_top(both, found) if both not in (mine, found.segments) else None,
        both_difference=difference(editor.base, both),
        changed_by=theirs[0].change_set if theirs else None,
    ), 409


def _on_top(segments: Segments, found: Customer) -> Editor:
    """These segments, to be saved over those that the customer has by now."""
    rows = editor_of(segments, None).rows
    for row, segment in zip(rows, segments, strict=True):
        row.was = str(found.segments.index(segment)) if segment in found.segments else ""
    return Editor(rows, found.segments, Version(found.change_set_id))


# Undoing one change


def _undo_preview(wanted: Undoing, status: int = 200) -> Any:
    return render_template(
        "customer_undo.html",
        customer=wanted.customer,
        step=wanted.step,
        undone=difference(wanted.step.before, wanted.step.after),
        effect=difference(wanted.customer.segments, wanted.segments),
    ), status


def _undo(wanted: Undoing) -> Any:
    version = request.form.get("version", "")
    seen = str(wanted.customer.change_set_id or "")
    if version != seen:  # changed since the preview
        return _undo_preview(wanted, 409)
    document_id, note = wanted.customer.document_id, f"Undoes change set {wanted.step.change_set.id} for one customer"
    as_of = Version(wanted.customer.change_set_id)
    outcome = replace_segments({document_id: wanted.segments}, actor(), as_of=as_of, note=note)
    if outcome.stale:
        return _undo_preview(undoing(document_id, wanted.step.change_set.id), 409)
    _say(outcome.change_set_id)
    return redirect(url_for("pages.customer", document_id=document_id))


# Another document_id


def _new_id(found: Customer, problem: str | None = None) -> Any:
    wanted = request.form.get("document_id", "")
    return render_template("customer_id.html", customer=found, wanted=wanted, problem=problem), 422 if problem else 200


def _change_id(found: Customer) -> Any:
    new = request.form.get("document_id", "").strip()
    if not 0 < len(new) <= LONGEST["document_id"] or not storable(new):
        return _new_id(found, f"An id has 1 to {LONGEST['document_id']} characters.")
    try:
        change_set_id = change_document_id(found.document_id, new, actor())
    except NameTaken as refusal:
        return _new_id(found, str(refusal))
    flash("Saved.", f"change-set-{change_set_id}")
    return redirect(url_for("pages.customer", document_id=new))
