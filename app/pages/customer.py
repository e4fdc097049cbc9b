"""One customer: profile, segments with the editor, and history."""

from itertools import chain
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from app.core.changes.replace_segments import replace_segments
from app.core.changes.segment_updates import Version
from app.core.counts.segment_counts import largest_segments
from app.core.history.customer_history import customer_history
from app.core.history.segment_diff import changed_types, combine_changes, diff_segments, merge_changes
from app.core.history.timeline import provenance, timeline
from app.core.models.customers import Customer, get_customer
from app.core.models.segment_rules import load_rules
from app.jobs.import_lines import import_lines
from app.jobs.scheduled_changes import scheduled_for_customer
from app.pages import blueprint, list_query
from app.pages.actor_texts import actor_label
from app.pages.auth import current_actor, require_role
from app.pages.editor import Editor, make_editor, parse_editor, rebase_editor
from app.pages.reasons import parse_reason
from app.web.cursors import encode_cursor

HISTORY_SIZE = 20
MAX_SUGGESTIONS = 100


@blueprint.get("/customers/<document_id:document_id>")
@require_role("viewer")
def customer(document_id: str) -> Any:
    found = get_customer(document_id)
    return _page(found, make_editor(found.segments, found.part_id))


def _page(found: Customer, editor: Editor, status: int = 200) -> Any:
    before = list_query.cursor("before", int, int, int, int)
    start = before and ((before[0], before[1]), (before[2], before[3]))
    history = customer_history(found.document_id, limit=HISTORY_SIZE, start=start)
    origins = provenance(found.document_id)
    changes = {origin.since: found.document_id for origin in origins if origin.since}
    changes |= {entry.change_set: entry.change.document_id for entry in history.entries}
    return render_template(
        "customer.html",
        customer=found,
        editor=editor,
        origins={(origin.type, origin.value): origin.since for origin in origins},
        lines=import_lines(changes),
        history=history,
        diff=diff_segments,
        older=history.next_entries and encode_cursor(*chain.from_iterable(history.next_entries)),
        scheduled=scheduled_for_customer(found.document_id),
        suggested=largest_segments(limit=MAX_SUGGESTIONS),
    ), status


@blueprint.post("/customers/<document_id:document_id>")
@require_role("editor", keeps_edits=True)
def customer_save(document_id: str) -> Any:
    """Save the editor, or apply the button of a row without saving."""
    found, editor = get_customer(document_id), parse_editor(request.form)
    action = request.form.get("action", "save")
    if action == "save":
        return _save(found, editor)
    editor.apply_action(action)
    return _page(found, editor)


def _save(found: Customer, editor: Editor) -> Any:
    rules = load_rules()
    if not (editor.validate() and editor.obeys(rules) and editor.fits(found.segments)):
        return _page(found, editor, 422)
    if "confirmed" not in request.form and editor.needs_confirmation(rules):
        return _page(found, editor, 422)
    document_id, new = found.document_id, editor.segments()
    result = replace_segments({document_id: new}, current_actor(), as_of=editor.version, note=parse_reason())
    if not result.stale:
        return redirect_to_saved(document_id, result.change_set_id, editor.summary and f"{editor.summary}.")
    current = get_customer(document_id)
    if current.segments == new:
        return redirect_to_saved(document_id, None)
    return _save_merged(current, editor) or _conflict(document_id, editor)


def _save_merged(current: Customer, editor: Editor) -> Any:
    """Keep the changes of both operators if they concern different types; None if there is a conflict."""
    merged = merge_changes(editor.base, editor.segments(), current.segments)
    if merged is None:
        return None
    latest = timeline(current.document_id, limit=1)
    actor = actor_label(latest[0].change_set.actor) if latest else _("Someone else")
    document_id, version = current.document_id, Version(current.part_id)
    result = replace_segments({document_id: merged}, current_actor(), as_of=version, note=parse_reason())
    if result.stale or result.too_many:
        return None
    message = _("%(actor)s changed other segments of this customer meanwhile. Both changes were kept.", actor=actor)
    return redirect_to_saved(document_id, result.change_set_id, message)


def redirect_to_saved(document_id: str, change_set_id: int | None, details: str = "") -> Any:
    """Redirect to the customer, with a message that the change was saved; `change_set_id` is None if there was none."""
    if change_set_id is None:
        flash(_("No changes to save."))
    else:
        flash(" ".join(filter(None, (_("Saved."), details))), f"change-set-{change_set_id}")
    return redirect(url_for("pages.customer", document_id=document_id))


def _conflict(document_id: str, editor: Editor) -> Any:
    """Return the page of an edit conflict: the original, the saved, the submitted and the combined segments."""
    found, mine = get_customer(document_id), editor.segments()
    latest = timeline(document_id, limit=1)
    combined = combine_changes(editor.base, mine, found.segments)
    if combined in (mine, found.segments):
        combined = None
    return render_template(
        "conflict.html",
        customer=found,
        base=editor.base,
        their_difference=diff_segments(editor.base, found.segments),
        mine=rebase_editor(mine, found.segments, found.part_id),
        my_difference=diff_segments(editor.base, mine),
        combined=None if combined is None else rebase_editor(combined, found.segments, found.part_id),
        combined_difference=None if combined is None else diff_segments(editor.base, combined),
        changed_by=latest[0].change_set if latest else None,
        contested=changed_types(editor.base, mine) & changed_types(editor.base, found.segments),
    ), 409
