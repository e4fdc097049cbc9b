"""Bulk edits: one change of the selected customers, or of all that match a filter; previewed, then applied."""

from typing import Any

from flask import redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext

from app.core.changes.segment_updates import Version
from app.core.counts.segment_counts import largest_segments
from app.core.limits import MAX_SELECTED
from app.core.models.customers import is_storable
from app.core.models.segment_rules import load_rules
from app.core.search.customers import count_customers
from app.core.search.filters import Filter
from app.jobs.bulk_edits import ACTIONS, BulkEdit
from app.jobs.jobs import create_job, get_job
from app.jobs.states import JobKind, JobState
from app.pages import blueprint
from app.pages.auth import current_actor, require_role
from app.pages.customers import customer_list
from app.pages.editor import Editor, EditorRow, parse_editor
from app.pages.filter_texts import active_filters
from app.pages.jobs import act_on_job, job_context, start_job
from app.pages.list_query import InvalidRequest, parse_customer_list
from app.pages.reasons import parse_reason
from app.pages.template_filters import number

MAX_COUNTED = 100_000
MAX_SUGGESTIONS = 100
OPERATIONS = {
    "add": lazy_gettext("Add segments"),
    "remove": lazy_gettext("Remove segments"),
    "replace": lazy_gettext("Replace all segments with"),
    "clear": lazy_gettext("Remove all segments"),
}


@blueprint.route("/bulk-edits/new", methods=["GET", "POST"])
@require_role("editor")
def bulk_edit_new() -> Any:
    """Show the form of a bulk edit: for the selected customers, or for all that match with `?all_matching=yes`."""
    if "all_matching" not in request.args and (problem := _selection_problem(_selected())):
        return customer_list(parse_customer_list(), {"document_id": problem})
    return _form(Editor([EditorRow()], [], Version(None)))


def _form(editor: Editor, error: str | None = None, status: int = 200) -> Any:
    query, (filter_, document_ids) = parse_customer_list(), _selection()
    return render_template(
        "bulk_edit_new.html",
        editor=editor,
        error=error,
        document_ids=document_ids,
        filters=list(active_filters(filter_)) if filter_ is not None else None,
        count=count_customers(filter_, limit=MAX_COUNTED) if filter_ is not None else None,
        operation=request.form.get("operation", "add"),
        operations=OPERATIONS,
        suggested=largest_segments(limit=MAX_SUGGESTIONS),
        list_parameters=query.parameters,
    ), status


def _selection() -> tuple[Filter | None, tuple[str, ...]]:
    """Return the filter of all matching customers, or the selected document_ids. Raises InvalidRequest."""
    if "all_matching" in request.args:
        return parse_customer_list().filter, ()
    document_ids = _selected()
    if problem := _selection_problem(document_ids):
        raise InvalidRequest(problem)
    if not all(map(is_storable, document_ids)):
        raise InvalidRequest(_("Part of the form is missing. Reload the page and try again."))
    return None, document_ids


def _selected() -> tuple[str, ...]:
    return tuple(dict.fromkeys(request.form.getlist("document_id")))


def _selection_problem(document_ids: tuple[str, ...]) -> str | None:
    """Return what is wrong with a selection of none, or of too many for one form."""
    if not document_ids:
        return str(_("Select at least one customer."))
    if len(document_ids) > MAX_SELECTED:
        return str(_("Select at most %(count)s customers, or all that match.", count=number(MAX_SELECTED)))
    return None


@blueprint.post("/bulk-edits")
@require_role("editor", keeps_edits=True)
def bulk_edit_create() -> Any:
    """Prepare a bulk edit and show its preview, or apply the button of a row."""
    editor, operation = parse_editor(request.form), request.form.get("operation", "")
    if operation not in OPERATIONS:
        raise InvalidRequest(_("Choose an action from the list."))
    if request.form.get("action", "preview") != "preview":  # the button of a row
        editor.apply_action(request.form["action"])
        return _form(editor)
    filter_, document_ids = _selection()
    if operation == "clear":
        return prepare(BulkEdit("clear", [], filter_, document_ids, reason=parse_reason()))
    segments = [segment for segment in editor.segments() if any(segment.values())]
    if not segments:
        return _form(editor, _("Enter at least one segment."), 422)
    if not editor.validate():
        return _form(editor, _("A row is incomplete."), 422)
    if operation != "remove" and (refusal := _refuse(editor)):
        return refusal
    action = next(action for action in ACTIONS if action == operation)
    return prepare(BulkEdit(action, segments, filter_, document_ids, reason=parse_reason(), governed=True))


def _refuse(editor: Editor) -> Any:
    """Return the form again if segments to add break a rule or are to be confirmed; None otherwise."""
    rules = load_rules()
    if not editor.obeys(rules):
        return _form(editor, _("A row breaks the rules of its type."), 422)
    if "confirmed" not in request.form and editor.needs_confirmation(rules):
        return _form(editor, status=422)
    return None


def prepare(bulk_edit: BulkEdit) -> Any:
    """Create the job that previews a bulk edit, and redirect to it."""
    job_id = create_job(JobKind.EDIT, current_actor(), bulk_edit.to_dict(), JobState.CHECKING)
    start_job(job_id, JobKind.EDIT)
    return redirect(url_for("pages.bulk_edit", bulk_edit_id=job_id))


@blueprint.get("/bulk-edits/<number:bulk_edit_id>")
@require_role("viewer")
def bulk_edit(bulk_edit_id: int) -> Any:
    job = get_job(bulk_edit_id, JobKind.EDIT)
    edit = BulkEdit.from_dict(job.payload)
    filters = None if edit.filter is None else list(active_filters(edit.filter))
    return render_template("bulk_edit.html", **job_context(job), edit=edit, filters=filters)


@blueprint.post("/bulk-edits/<number:bulk_edit_id>")
@require_role("editor")
def bulk_edit_update(bulk_edit_id: int) -> Any:
    """Apply, stop or discard a prepared bulk edit."""
    job = get_job(bulk_edit_id, JobKind.EDIT)
    act_on_job(job, request.form.get("action"))
    return redirect(url_for("pages.bulk_edit", bulk_edit_id=job.id))
