"""Files of customers and segments: uploaded, matched, previewed and applied; rejected rows are downloaded."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from flask import Response, redirect, render_template, request, stream_with_context, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext, ngettext

from app.core.models.customers import PROFILE_FIELDS, replace_unstorable
from app.files.columns import COLUMN_ROLES, IGNORED, SEGMENT_OF, TAGS_OF, validate_columns
from app.files.export import rejected_csv_chunks
from app.files.formats import DELIMITERS, ENCODINGS, FileFormat, UnreadableFile
from app.files.lines import MAX_LINES_ABOVE_HEADER
from app.files.notes import describe_notes
from app.jobs.imports import MODES, ImportPayload, Mode, create_import, inspect_upload
from app.jobs.jobs import Job, get_job, list_jobs, transition
from app.jobs.states import JobKind, JobState
from app.jobs.uploads import has_upload, iter_rejected
from app.pages import blueprint, list_query
from app.pages.auth import current_actor, require_role
from app.pages.domain_texts import translate_domain_text
from app.pages.jobs import act_on_job, job_context, start_job
from app.pages.list_query import InvalidRequest, ListUrl
from app.pages.reasons import parse_reason
from app.pages.template_filters import number
from app.web.cursors import encode_cursor

PAGE_SIZE = 30
MAX_REJECTED_SHOWN = 50
MAX_FILE_NAME = 200
HEADER_LINES = range(1, MAX_LINES_ABOVE_HEADER + 2)

ROLE_LABELS = {
    IGNORED: lazy_gettext("Ignore"),
    "document_id": lazy_gettext("ID (document_id)"),
    **{field.name: lazy_gettext(field.label) for field in PROFILE_FIELDS},
    "first_name": lazy_gettext("First name"),
    "last_name": lazy_gettext("Last name"),
    "segments": lazy_gettext("Segments (JSON)"),
    "type": lazy_gettext("Segment type"),
    "value": lazy_gettext("Segment value"),
    "row": lazy_gettext("JSON row"),
}
DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
"""The values of the form's field."""
DELIMITER_LABELS = {
    ",": lazy_gettext("comma"),
    ";": lazy_gettext("semicolon"),
    "\t": lazy_gettext("tab"),
    "|": lazy_gettext("bar"),
}
MODE_TEXTS: dict[Mode, tuple[Any, Any]] = {
    "add": (lazy_gettext("Add"), lazy_gettext("Customers keep the segments that they have.")),
    "replace": (lazy_gettext("Replace all"), lazy_gettext("Customers lose the segments that are not in the file.")),
    "remove": (
        lazy_gettext("Remove"),
        lazy_gettext("Customers lose the segments in the file. No customers are created."),
    ),
}
STATE_LABELS = {
    JobState.UPLOADING: lazy_gettext("Uploading"),
    JobState.DRAFT: lazy_gettext("Needs mapping"),
    JobState.CHECKING: lazy_gettext("Checking"),
    JobState.READY: lazy_gettext("Ready to apply"),
    JobState.SCHEDULED: lazy_gettext("Scheduled"),
    JobState.HELD: lazy_gettext("Waiting for approval"),
    JobState.APPLYING: lazy_gettext("Applying"),
    JobState.DONE: lazy_gettext("Applied"),
    JobState.CANCELLED: lazy_gettext("Stopped"),
    JobState.FAILED: lazy_gettext("Failed"),
    JobState.DISCARDED: lazy_gettext("Discarded"),
}
STATES_WITH_REJECTED = (JobState.READY, JobState.HELD, JobState.APPLYING, JobState.DONE, JobState.CANCELLED)


@blueprint.get("/imports")
@require_role("viewer")
def imports() -> Any:
    before = list_query.cursor("before", int)
    return _list(before[0] if before else None)


def _list(before: int | None = None, error: str | None = None, status: int = 200) -> Any:
    found = list_jobs(JobKind.IMPORT, before=before, limit=PAGE_SIZE + 1)
    shown = found[:PAGE_SIZE]
    return render_template(
        "imports.html",
        imports=[(job, ImportPayload.from_dict(job.payload)) for job in shown],
        state_labels=STATE_LABELS,
        next_page=ListUrl({}).changed(before=encode_cursor(shown[-1].id)) if len(found) > PAGE_SIZE else None,
        first_page=url_for("pages.imports") if before else None,
        error=error,
    ), status


@blueprint.post("/imports")
@require_role("editor")
def import_create() -> Any:
    file = request.files.get("file")
    if file is None or not file.filename:
        return _list(error=_("Choose a file."), status=422)
    name = replace_unstorable(PurePath(file.filename.replace("\\", "/")).name[-MAX_FILE_NAME:])
    job_id = create_import(name, file.stream, current_actor())
    return redirect(url_for("pages.import_detail", import_id=job_id))


@blueprint.get("/imports/<number:import_id>")
@require_role("viewer")
def import_detail(import_id: int) -> Any:
    return _page(get_job(import_id, JobKind.IMPORT))


def _page(job: Job, error: str | None = None, status: int = 200, payload: ImportPayload | None = None) -> Any:
    payload = payload or ImportPayload.from_dict(job.payload)
    with_rejected = job.state in STATES_WITH_REJECTED
    columns = _columns(payload)
    return render_template(
        "import.html",
        **job_context(job),
        payload=payload,
        error=error,
        columns=columns,
        ignored_columns=[name for name, role, _cells in columns if name and role == IGNORED],
        rejected=list(iter_rejected(job.id, MAX_REJECTED_SHOWN)) if with_rejected else [],
        has_upload=has_upload(job.id),
        role_labels=ROLE_LABELS,
        segment_of=SEGMENT_OF,
        tags_of=TAGS_OF,
        modes=[(mode, *MODE_TEXTS[mode]) for mode in _modes(payload)],
        notes=_notes(job),
        delimiters=[(sign, name, DELIMITER_LABELS[sign]) for sign, name in DELIMITER_NAMES.items()],
        encodings=ENCODINGS,
        header_lines=HEADER_LINES,
    ), status


def _modes(payload: ImportPayload) -> list[Mode]:
    """Return the modes in the order in which they are offered."""
    return ["add", "replace", "remove"] if "type" in (payload.roles or ()) else ["replace", "add", "remove"]


def _notes(job: Job) -> list[str]:
    return describe_notes((job.preview or {}).get("notes", {}), ngettext, number)


def _columns(payload: ImportPayload) -> list[tuple[str, str, list[str]]]:
    """Return (name, role, first cells) of each column of a CSV."""
    names, rows = payload.columns or [], payload.sample or []
    cells = [[row[n] if n < len(row) else "" for row in rows] for n in range(len(names))]
    return list(zip(names, payload.roles or [], cells, strict=False))


@blueprint.post("/imports/<number:import_id>")
@require_role("editor")
def import_update(import_id: int) -> Any:
    """Apply the button that was pressed: a step forward or back."""
    job, action = get_job(import_id, JobKind.IMPORT), request.form.get("action")
    payload = ImportPayload.from_dict(job.payload)
    if action == "check":
        return _check(job, payload)
    if action == "reread":
        return _reread(job, payload)
    if action == "back" and payload.format:
        transition(job.id, JobState.DRAFT, from_=(JobState.READY, JobState.FAILED), payload=job.payload)
    else:
        act_on_job(job, action)
    return redirect(url_for("pages.import_detail", import_id=job.id))


def _reread(job: Job, payload: ImportPayload) -> Any:
    """Read the file again in the format of the form."""
    try:
        payload = inspect_upload(job.id, payload, _format(payload))
    except UnreadableFile as unreadable:
        return _page(job, _("With these settings: %(reason)s", reason=translate_domain_text(str(unreadable))), 422)
    transition(job.id, JobState.DRAFT, from_=(JobState.DRAFT,), payload=payload.to_dict())
    return redirect(url_for("pages.import_detail", import_id=job.id))


def _format(payload: ImportPayload) -> FileFormat:
    header, sheet = request.form.get("header", ""), request.form.get("sheet")
    line = int(header) if header in map(str, HEADER_LINES) else 0
    names: dict[str, Any] = {"header": header != "none", "header_line": line}
    if payload.format and payload.format.kind == "workbook":
        return FileFormat("workbook", sheet=sheet if sheet in payload.sheets else None, **names)
    encoding, name = request.form.get("encoding", ""), request.form.get("delimiter", "")
    delimiter = next((sign for sign in DELIMITERS if DELIMITER_NAMES[sign] == name), None)
    if encoding not in ENCODINGS or delimiter is None:
        raise InvalidRequest(_("Unknown format."))
    return FileFormat("csv", encoding, delimiter, **names)


def _mode(name: str) -> Mode:
    for mode in MODES:
        if mode == name:
            return mode
    raise InvalidRequest(_("Part of the form is missing. Reload the page and try again."))


def _check(job: Job, payload: ImportPayload) -> Any:
    """Start the preview with the roles of the form."""
    payload = replace(
        payload,
        create=request.form.get("create") == "yes",
        mode=_mode(request.form.get("mode", "replace")),
        clear_empty=request.form.get("keep-empty") != "yes",
        reason=parse_reason(),
    )
    if payload.columns is not None:
        roles = request.form.getlist("role")
        known = {
            *COLUMN_ROLES,
            IGNORED,
            *(prefix + name for prefix in (SEGMENT_OF, TAGS_OF) for name in payload.columns if name),
        }
        if len(roles) != len(payload.columns) or not known.issuperset(roles):
            raise InvalidRequest(_("Part of the form is missing. Reload the page and try again."))
        payload = replace(payload, roles=roles)
        error = validate_columns(roles)
        if error:
            return _page(job, translate_domain_text(error), 422, payload)
    transition(job.id, JobState.CHECKING, from_=(JobState.DRAFT,), payload=payload.to_dict())
    start_job(job.id, JobKind.IMPORT)
    return redirect(url_for("pages.import_detail", import_id=job.id))


@blueprint.get("/imports/<number:import_id>/rejected")
@require_role("viewer")
def import_rejected(import_id: int) -> Response:
    """Return the rows with errors as a file, in its own columns, to be fixed and imported again."""
    job = get_job(import_id, JobKind.IMPORT)
    payload = ImportPayload.from_dict(job.payload)
    name = PurePath(payload.name).stem.encode("ascii", "replace").decode().replace('"', "'")
    name = "".join(letter if letter.isprintable() else "_" for letter in name)
    lines = rejected_csv_chunks(payload.columns, iter_rejected(job.id))
    return Response(
        stream_with_context(_with_bom(lines)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}.rejected.csv"'},
    )


def _with_bom(lines: Iterator[str]) -> Iterator[str]:
    yield "\N{BYTE ORDER MARK}"  # for spreadsheets
    yield from lines
