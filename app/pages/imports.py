"""Files of customers and segments: sent, understood, previewed, applied, and their bad lines given back."""

from pathlib import PurePath
from typing import Any

from flask import Response, redirect, render_template, request, stream_with_context, url_for

from app.core.models.customers import made_storable
from app.files.columns import IGNORED, MEANINGS, SEGMENT_OF, problem_with
from app.files.export import rejected_texts
from app.files.formats import DELIMITERS, ENCODINGS, Format, Unreadable
from app.jobs.imports import look, receive
from app.jobs.jobs import Job, find_job, list_jobs, move_on, stop
from app.jobs.uploads import is_kept, rejected_lines
from app.pages import blueprint, list_query
from app.pages.auth import actor, open_to
from app.pages.jobs import set_going, shown
from app.pages.list_query import NotUnderstood
from app.web.cursors import cursor_text

PAGE = 30
MOST_REJECTED = 50
LONGEST_NAME = 200

CALLED = {
    IGNORED: "leave it out",
    "document_id": "document_id",
    "name": "name",
    "email": "e-mail",
    "phone": "phone",
    "segments": "all segments, as JSON",
    "type": "type of one segment",
    "value": "value of one segment",
    "row": "a whole line of JSON",
}
DELIMITERS_CALLED = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@blueprint.get("/imports")
@open_to("viewer")
def imports() -> Any:
    before = list_query.place("before", int)
    return _list(before[0] if before else None)


def _list(before: int | None = None, problem: str | None = None, status: int = 200) -> Any:
    found = list_jobs("import", before=before, most=PAGE + 1)
    return render_template(
        "imports.html",
        imports=found[:PAGE],
        following=list_query.url_with(before=cursor_text(found[PAGE - 1].id)) if len(found) > PAGE else None,
        first=url_for("pages.imports") if before else None,
        problem=problem,
    ), status


@blueprint.post("/imports")
@open_to("editor")
def receive_import() -> Any:
    file = request.files.get("file")
    if file is None or not file.filename:
        return _list(problem="Choose a file first. Nothing was loaded.", status=422)
    name = made_storable(PurePath(file.filename.replace("\\", "/")).name[-LONGEST_NAME:])
    job_id = receive(name, file.stream, actor())
    return redirect(url_for("pages.import_", import_id=job_id))


@blueprint.get("/imports/<number:import_id>")
@open_to("viewer")
def import_(import_id: int) -> Any:
    return _page(find_job(import_id, "import"))


def _page(job: Job, problem: str | None = None, status: int = 200) -> Any:
    kept = is_kept(job.id)
    return render_template(
        "import.html",
        **shown(job),
        problem=problem,
        columns=_columns(job.wanted),
        rejected=list(rejected_lines(job.id, MOST_REJECTED)) if job.state in ("ready", "applying", "done") else [],
        kept=kept,
        called=CALLED,
        segment_of=SEGMENT_OF,
        delimiters=DELIMITERS_CALLED,
        encodings=ENCODINGS,
    ), status


def _columns(wanted: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Each column of a CSV: its name, its meaning, and its first cells."""
    names, rows = wanted.get("columns") or [], wanted.get("rows") or []
    cells = [[row[n] if n < len(row) else "" for row in rows] for n in range(len(names))]
    return list(zip(names, wanted.get("meanings") or [], cells, strict=False))


@blueprint.post("/imports/<number:import_id>")
@open_to("editor")
def change_import(import_id: int) -> Any:
    """One step further, or back: what the buttons of the page say."""
    job, action = find_job(import_id, "import"), request.form.get("action")
    if action == "check":
        return _check(job)
    if action == "look":
        return _look_again(job)
    if action == "back" and "format" in job.wanted:
        move_on(job.id, "draft", from_=("ready", "failed"), wanted=job.wanted)
    elif action == "apply":
        move_on(job.id, "applying", from_=("ready",), by=actor())
        set_going(job.id, "import")
    elif action == "stop":
        stop(job)
    elif action == "discard":
        move_on(job.id, "discarded", from_=("draft", "ready", "failed"))
    else:
        raise NotUnderstood("An import can be checked, applied, stopped or thrown away.")
    return redirect(url_for("pages.import_", import_id=job.id))


def _look_again(job: Job) -> Any:
    """Read the file in another way."""
    try:
        seen = look(job.id, job.wanted["size"], _format())
    except Unreadable as refusal:
        return _page(job, f"Read in that way: {refusal}", 422)
    move_on(job.id, "draft", from_=("draft",), wanted=job.wanted | seen)
    return redirect(url_for("pages.import_", import_id=job.id))


def _format() -> Format:
    encoding, delimiter = request.form.get("encoding", ""), request.form.get("delimiter", "")
    if encoding not in ENCODINGS or delimiter not in DELIMITERS_CALLED.values():
        raise NotUnderstood("This way of writing a file is not known here.")
    sign = next(sign for sign in DELIMITERS if DELIMITERS_CALLED[sign] == delimiter)
    return Format("csv", encoding, sign, header=request.form.get("header") != "none")


def _check(job: Job) -> Any:
    wanted = job.wanted | {"create": request.form.get("create") == "yes"}
    if wanted["columns"] is not None:
        wanted["meanings"] = request.form.getlist("meaning")
        known = {*MEANINGS, IGNORED, *(SEGMENT_OF + name for name in wanted["columns"] if name)}
        if len(wanted["meanings"]) != len(wanted["columns"]) or not known.issuperset(wanted["meanings"]):
            raise NotUnderstood("The form did not arrive whole. Nothing was changed.")
        problem = problem_with(wanted["meanings"])
        if problem:
            job.wanted = wanted
            return _page(job, problem, 422)
    move_on(job.id, "checking", from_=("draft",), wanted=wanted)
    set_going(job.id, "import")
    return redirect(url_for("pages.import_", import_id=job.id))


@blueprint.get("/imports/<number:import_id>/rejected")
@open_to("viewer")
def rejected(import_id: int) -> Response:
    """The bad lines as a file, in its own columns, to be repaired and loaded again."""
    job = find_job(import_id, "import")
    name = PurePath(str(job.wanted["name"])).stem.encode("ascii", "replace").decode().replace('"', "'")
    lines = rejected_texts(job.wanted["columns"], rejected_lines(job.id))
    return Response(
        stream_with_context(_marked(lines)),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}.rejected.csv"'},
    )


def _marked(lines: Any) -> Any:
    yield "\N{BYTE ORDER MARK}"  # for spreadsheets
    yield from lines
