"""Bulk edits: one change for the ticked customers, or for all who match, and renamed segments; previewed, then made."""

from typing import Any

from flask import redirect, render_template, request, url_for

from app.core.changes.segment_updates import Version
from app.core.counts.segment_counts import count_holders, largest_segments
from app.core.models.customers import is_storable
from app.core.models.segments import SegmentPair
from app.core.search.customers import count_customers
from app.core.search.filters import Filter
from app.jobs.bulk_edits import ACTIONS, BulkEdit
from app.jobs.jobs import cancel, create_job, get_job, resume, transition
from app.jobs.states import JobKind, JobState
from app.pages import blueprint, list_query
from app.pages.auth import current_actor, require_role
from app.pages.editor import MAX_LENGTH, Editor, EditorRow, parse_editor, similar_if_new
from app.pages.jobs import job_context, start_job
from app.pages.list_query import InvalidListQuery, parse_customer_list

MAX_SELECTED = 1_000
MAX_COUNTED = 100_000
MAX_SUGGESTIONS = 100
LABELS = {
    "add": "Add these segments",
    "remove": "Remove these segments",
    "replace": "Replace all segments by these",
    "clear": "Remove all segments",
}


@blueprint.route("/edits/new", methods=["GET", "POST"])
@require_role("editor")
def new_edit() -> Any:
    """Choose what is to become of whose segments; with `everybody`, of all who match what the list is narrowed to."""
    return _form(Editor([EditorRow()], [], Version(None)))


def _form(editor: Editor, problem: str | None = None, status: int = 200) -> Any:
    who, ids = _selection()
    return render_template(
        "bulk_edit_new.html",
        editor=editor,
        problem=problem,
        ids=ids,
        filter=who,
        count=count_customers(who, limit=MAX_COUNTED) if who is not None else None,
        chosen=request.form.get("verb", "add"),
        called=LABELS,
        suggested=largest_segments(limit=MAX_SUGGESTIONS),
        state=list_query.active_filters(),
    ), status


def _selection() -> tuple[Filter | None, tuple[str, ...]]:
    """All who match, or those who were ticked. Raises NotUnderstood."""
    if "everybody" in request.args:
        return parse_customer_list().filter, ()
    ids = tuple(dict.fromkeys(request.form.getlist("id")))
    if not ids:
        raise InvalidListQuery("Tick the customers first, or choose all who match. Nothing was changed.")
    if len(ids) > MAX_SELECTED or not all(map(is_storable, ids)):
        raise InvalidListQuery("The form did not arrive whole. Nothing was changed.")
    return None, ids


@blueprint.post("/edits")
@require_role("editor")
def edits() -> Any:
    """Have the preview made, or do what a button of a row says."""
    editor, verb = parse_editor(request.form), request.form.get("verb", "")
    if editor is None or verb not in LABELS:
        raise InvalidListQuery("The form did not arrive whole. Nothing was changed.")
    if request.form.get("action", "preview") != "preview":  # a button of a row
        editor.act(request.form["action"])
        return _form(editor)
    who, ids = _selection()
    if verb == "clear":
        return _prepared(BulkEdit("clear", [], who, ids))
    segments = [segment for segment in editor.segments() if any(segment.values())]
    if not segments:
        return _form(editor, "Say which segments.", 422)
    if not editor.check():
        return _form(editor, "A row cannot be used as it is.", 422)
    if verb != "remove" and "confirmed" not in request.form and editor.look_alikes():
        return _form(editor, status=422)
    return _prepared(BulkEdit(next(action for action in ACTIONS if action == verb), segments, who, ids))


def _prepared(edit: BulkEdit) -> Any:
    job_id = create_job(JobKind.EDIT, current_actor(), edit.to_dict(), JobState.CHECKING)
    start_job(job_id, JobKind.EDIT)
    return redirect(url_for("pages.edit", edit_id=job_id))


@blueprint.get("/edits/<number:edit_id>")
@require_role("viewer")
def edit(edit_id: int) -> Any:
    job = get_job(edit_id, JobKind.EDIT)
    return render_template("bulk_edit.html", **job_context(job), edit=BulkEdit.from_dict(job.payload))


@blueprint.post("/edits/<number:edit_id>")
@require_role("editor")
def change_edit(edit_id: int) -> Any:
    action = request.form.get("action")
    job = get_job(edit_id, JobKind.EDIT)
    if action == "apply":
        transition(job.id, JobState.APPLYING, from_=(JobState.READY,), actor=current_actor())
        start_job(job.id, JobKind.EDIT)
    elif action == "continue":
        resume(job.id)
        start_job(job.id, JobKind.EDIT)
    elif action == "stop":
        cancel(job)
    elif action == "discard":
        transition(job.id, JobState.DISCARDED, from_=(JobState.READY, JobState.FAILED))
    else:
        raise InvalidListQuery("A prepared change can be made, stopped or thrown away.")
    return redirect(url_for("pages.edit", edit_id=job.id))


# Renaming


@blueprint.route("/segments/<segment_part:type>/<segment_part:value>/rename", methods=["GET", "POST"])
@require_role("editor")
def rename_segment(type: str, value: str) -> Any:
    """Another spelling for a segment, in whoever carries it; one that is there already is merged with."""
    old = SegmentPair(type, value)
    new = SegmentPair(request.form.get("type", type), request.form.get("value", value))
    problem = _rename_error(old, new) if request.method == "POST" else None
    near = similar_if_new(new) if request.method == "POST" and not problem else []
    near = [size for size in near if size.pair != old]
    if request.method == "POST" and not problem and (not near or "confirmed" in request.form):
        return _prepared(BulkEdit("rename", [old.to_dict(), new.to_dict()], Filter(segments=(old,))))
    return render_template(
        "segment_rename.html",
        segment=old,
        new=new,
        problem=problem,
        near=near,
        customers=count_holders(old),
        suggested=largest_segments(limit=MAX_SUGGESTIONS),
    ), 422 if problem or near else 200


def _rename_error(old: SegmentPair, new: SegmentPair) -> str | None:
    if not (new.type and new.value):
        return "A segment needs a type and a value."
    if any(len(part) > MAX_LENGTH or not is_storable(part) for part in new):
        return f"At most {MAX_LENGTH} characters, and none that cannot be stored."
    return "This is its name already." if new == old else None
