"""Files of customers and segments: sent, understood, previewed, applied, and their bad lines given back."""

from pathlib import PurePath
from typing import Any

from flask import Response, redirect, render_template, request, stream_with_context, url_for

from app.core.models.customers import PROFILE_FIELDS, replace_unstorable
from app.files.columns import COLUMN_ROLES, IGNORED, SEGMENT_OF, validate_columns
from app.files.export import rejected_csv_chunks
from app.files.formats import DELIMITERS, ENCODINGS, FileFormat, UnreadableFile
from app.jobs.imports import create_import, inspect_upload
from app.jobs.jobs import Job, cancel, get_job, list_jobs, transition
from app.jobs.uploads import has_upload, iter_rejected
from app.pages import blueprint, list_query
from app.pages.auth import current_actor, require_role
from app.pages.jobs import job_context, start_job
from app.pages.list_query import InvalidListQuery
from app.web.cursors import encode_cursor

PAGE_SIZE = 30
MAX_REJECTED_SHOWN = 50
MAX_FILE_NAME = 200

LABELS = {
    IGNORED: "leave it out",
    "document_id": "document_id",
    **{field.name: field.label for field in PROFILE_FIELDS},
    "segments": "all segments, as JSON",
    "type": "type of one segment",
    "value": "value of one segment",
    "row": "a whole line of JSON",
}
DELIMITER_LABELS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@blueprint.get("/imports")
@require_role("viewer")
def imports() -> Any:
    before = list_query.cursor("before", int)
    return _list(before[0] if before else None)


def _list(before: int | None = None, problem: str | None = None, status: int = 200) -> Any:
    found = list_jobs("import", before=before, most=PAGE_SIZE + 1)
    return render_template(
        "imports.html",
        imports=found[:PAGE_SIZE],
        following=list_query.url_with(before=encode_cursor(found[PAGE_SIZE - 1].id))
        if len(found) > PAGE_SIZE
        else None,
        first=url_for("pages.imports") if before else None,
        problem=problem,
    ), status


@blueprint.post("/imports")
@require_role("editor")
def receive_import() -> Any:
    file = request.files.get("file")
    if file is None or not file.filename:
        return _list(problem="Choose a file first. Nothing was loaded.", status=422)
    name = replace_unstorable(PurePath(file.filename.replace("\\", "/")).name[-MAX_FILE_NAME:])
    job_id = create_import(name, file.stream, current_actor())
    return redirect(url_for("pages.import_", import_id=job_id))


@blueprint.get("/imports/<number:import_id>")
@require_role("viewer")
def import_(import_id: int) -> Any:
    return _page(get_job(import_id, "import"))


def _page(job: Job, problem: str | None = None, status: int = 200) -> Any:
    kept = has_upload(job.id)
    return render_template(
        "import.html",
        **job_context(job),
        problem=problem,
        columns=_columns(job.wanted),
        rejected=list(iter_rejected(job.id, MAX_REJECTED_SHOWN)) if job.state in ("ready", "applying", "done") else [],
        kept=kept,
        called=LABELS,
        segment_of=SEGMENT_OF,
        delimiters=DELIMITER_LABELS,
        encodings=ENCODINGS,
    ), status


def _columns(wanted: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Each column of a CSV: its name, its meaning, and its first cells."""
    names, rows = wanted.get("columns") or [], wanted.get("rows") or []
    cells = [[row[n] if n < len(row) else "" for row in rows] for n in range(len(names))]
    return list(zip(names, wanted.get("meanings") or [], cells, strict=False))


@blueprint.post("/imports/<number:import_id>")
@require_role("editor")
def change_import(import_id: int) -> Any:
    """One step further, or back: what the buttons of the page say."""
    job, action = get_job(import_id, "import"), request.form.get("action")
    if action == "check":
        return _check(job)
    if action == "look":
        return _reinspect(job)
    if action == "back" and "format" in job.wanted:
        transition(job.id, "draft", from_=("ready", "failed"), wanted=job.wanted)
    elif action == "apply":
        transition(job.id, "applying", from_=("ready",), by=current_actor())
        start_job(job.id, "import")
    elif action == "stop":
        cancel(job)
    elif action == "discard":
        transition(job.id, "discarded", from_=("draft", "ready", "failed"))
    else:
        raise InvalidListQuery("An import can be checked, applied, stopped or thrown away.")
    return redirect(url_for("pages.import_", import_id=job.id))


def _reinspect(job: Job) -> Any:
    """Read the file in another way."""
    try:
        seen = inspect_upload(job.id, job.wanted["size"], _format())
    except UnreadableFile as refusal:
        return _page(job, f"Read in that way: {refusal}", 422)
    transition(job.id, "draft", from_=("draft",), wanted=job.wanted | seen)
    return redirect(url_for("pages.import_", import_id=job.id))


def _format() -> FileFormat:
    encoding, delimiter = request.form.get("encoding", ""), request.form.get("delimiter", "")
    if encoding not in ENCODINGS or delimiter not in DELIMITER_LABELS.values():
        raise InvalidListQuery("This way of writing a file is not known here.")
    sign = next(sign for sign in DELIMITERS if DELIMITER_LABELS[sign] == delimiter)
    return FileFormat("csv", encoding, sign, header=request.form.get("header") != "none")


def _check(job: Job) -> Any:
    wanted = job.wanted | {"create": request.form.get("create") == "yes"}
    if wanted["columns"] is not None:
        wanted["meanings"] = request.form.getlist("meaning")
        known = {*COLUMN_ROLES, IGNORED, *(SEGMENT_OF + name for name in wanted["columns"] if name)}
        if len(wanted["meanings"]) != len(wanted["columns"]) or not known.issuperset(wanted["meanings"]):
            raise InvalidListQuery("The form did not arrive whole. Nothing was changed.")
        problem = validate_columns(wanted["meanings"])
        if problem:
            job.wanted = wanted
            return _page(job, problem, 422)
    transition(job.id, "checking", from_=("draft",), wanted=wanted)
    start_job(job.id, "import")
    return redirect(url_for("pages.import_", import_id=job.id))


@blueprint.get("/imports/<number:import_id>/rejected")
@require_role("viewer")
def rejected(import_id: int) -> Response:
    """The bad lines as a file, in its own columns, to be repaired and loaded again."""
    job = get_job(import_id, "import")
    name = PurePath(str(job.wanted["name"])).stem.encode("ascii", "replace").decode().replace('"', "'")
    lines = rejected_csv_chunks(job.wanted["columns"], iter_rejected(job.id))
    return Response(
        stream_with_context(_escaped_rows(lines)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}.rejected.csv"'},
    )


def _escaped_rows(lines: Any) -> Any:
    yield "\N{BYTE ORDER MARK}"  # for spreadsheets
    yield from lines
