"""/imports: a file is uploaded, matched, previewed, applied in the background, and undone."""

import csv
import gzip
import io
import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from app import background
from app.access.operators import Operator as OperatorRow
from app.core.changes.revert import revert
from app.core.counts.recount import recount
from app.core.database import db
from app.core.errors import Unavailable
from app.core.models.change_sets import ChangeSet
from app.files import lines, staging
from app.files.columns import detect_columns
from app.jobs import imports, runner
from app.jobs.jobs import Job
from app.jobs.runner import LeaseLost
from app.jobs.states import JobKind, JobState
from app.jobs.uploads import UploadChunk
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.html_client import Operator, signed_in
from tests.support.imports import (
    ROLES,
    SPREADSHEET,
    all_profiles,
    apply,
    expire_leases,
    last_preview,
    last_result,
    preview,
    run_job,
    upload,
)


def test_spreadsheet_is_imported_step_by_step(editor: Operator) -> None:
    add_customers("2", name="Luis", email="luis@x.co")
    set_segments("2", SILVER)
    url = upload(editor, SPREADSHEET.encode("cp1252"))
    page = editor.get(url)
    assert "Cédula" in page.text
    assert "Ana Gómez" in page.text
    page = preview(editor, url, ROLES)
    assert "nothing has changed yet" in page.text
    assert last_preview() == {
        "created": 1,
        "updated": 1,
        "changed": 2,
        "gain": 1,
        "lose": 1,
        "segments_lost": 1,
        "affected": 2,
        "unchanged": 0,
        "not_found": 0,
        "duplicates": 0,
        "refused": 0,
        "rejected": 0,
    }
    assert all_segments() == {"2": SILVER}
    page = apply(editor, url)
    assert "Change #2" in page.text
    assert "Import 1: spring.csv" in editor.get("/customers/1").text
    assert all_segments() == {"1": GOLD, "2": []}
    assert all_profiles() == {"1": ("Ana Gómez", "ana@x.co", None), "2": ("Luis", None, None)}
    assert recount(TESTER) == []


def test_undo_restores_profiles_and_segments(editor: Operator) -> None:
    add_customers("2", name="Luis", email="luis@x.co")
    set_segments("2", SILVER)
    before = all_profiles(), all_segments()
    url = upload(editor, SPREADSHEET)
    preview(editor, url, ROLES)
    done = apply(editor, url)
    after = all_profiles(), all_segments()
    undo = editor.get(done.links["Undo…"])
    assert "Undo for" in undo.text
    number = db.session.scalars(select(Job.change_set_id)).one()
    assert number is not None
    editor.post(f"/changes/{number}/undo")
    assert (all_profiles(), all_segments()) == before
    assert recount(TESTER) == []
    again = db.session.scalars(select(ChangeSet.id).order_by(ChangeSet.id.desc()).limit(1)).one()
    revert(again, TESTER)
    assert (all_profiles(), all_segments()) == after
    assert recount(TESTER) == []


def test_undo_skips_customers_changed_later(editor: Operator) -> None:
    url = upload(editor, "document_id,name\n1,Ana\n2,Luis\n3,Eva\n")
    preview(editor, url, ["document_id", "name"])
    apply(editor, url)
    number = db.session.scalars(select(Job.change_set_id)).one()
    assert number is not None
    db.session.rollback()
    url = upload(editor, "document_id,name\n1,Anna\n")
    preview(editor, url, ["document_id", "name"])
    apply(editor, url)
    set_segments("2", GOLD)
    undone = revert(number, TESTER)
    assert sorted(undone.conflicts) == ["1", "2"]
    assert undone.deleted == 1
    assert all_profiles() == {"1": ("Anna", None, None), "2": ("Luis", None, None)}


@pytest.mark.parametrize("create", [True, False])
def test_preview_equals_result(editor: Operator, create: bool) -> None:
    add_customers("a", "b", "c", "d", name="N")
    for document_id in "abc":
        set_segments(document_id, SILVER)
    lines = [
        ("a", "N", "membership", "SILVER"),
        ("b", "M", "membership", "SILVER"),
        ("c", "N", "membership", "GOLD"),
        ("c", "N", "interest", "WINE"),
        ("d", "N", "", ""),
        ("new", "X", "membership", "GOLD"),
        ("bad", "X", "membership", ""),
    ]
    content = "document_id,name,type,value\n" + "".join(",".join(line) + "\n" for line in lines)
    url = upload(editor, content)
    preview(editor, url, ["document_id", "name", "type", "value"], create=create)
    previewed = last_preview()
    apply(editor, url)
    done = last_result()
    assert done.pop("skipped") == 0
    done.pop("unchanged")
    assert {name: previewed[name] for name in done} == done
    assert previewed["gain"] == (2 if create else 1)
    assert previewed["lose"] == 1
    assert previewed["unchanged"] == 2
    assert previewed["not_found"] == (0 if create else 1)
    wine = {"type": "interest", "value": "WINE"}
    assert all_segments() == {"a": SILVER, "b": SILVER, "c": [*GOLD, wine], "d": []} | ({"new": GOLD} if create else {})


def test_rejected_rows_keep_the_columns_and_can_be_imported_again(editor: Operator) -> None:
    url = upload(editor, "Nombre;document_id;Notas\nAna;1;x\nLuis;;=y\nEva;3;;z\n")
    page = preview(editor, url, ["name", "document_id", ""])
    assert "Line 3: document_id" in page.text
    download = editor.client.get(url + "/rejected")
    assert download.headers["Content-Disposition"] == 'attachment; filename="spring.rejected.csv"'
    rows = list(csv.reader(io.StringIO(download.text.lstrip("\ufeff"))))
    assert rows[0] == ["Nombre", "document_id", "Notas", "line", "error"]
    assert rows[1][:4] == ["Luis", "", "'=y", "3"]
    assert rows[2][:4] == ["Eva", "3", "", "4"]
    apply(editor, url)
    assert set(all_profiles()) == {"1"}
    repaired = download.text.replace("Luis,,", "Luis,2,").replace(",z\r\n", "\r\n")
    url = upload(editor, repaired, "again.csv")
    preview(editor, url, detect_columns(rows[0]))
    apply(editor, url)
    assert all_profiles() == {"1": ("Ana", None, None), "2": ("Luis", None, None), "3": ("Eva", None, None)}


def test_rejected_rows_may_contain_unstorable_characters(editor: Operator) -> None:
    url = upload(editor, b"document_id,na\0me\n1,\0\n2,\xff,\xc3\xa9\n3,Ana\n", "x\0.csv")
    preview(editor, url, ["document_id", "name"])
    assert last_preview()["rejected"] == 2
    apply(editor, url)
    assert all_profiles() == {"3": ("Ana", None, None)}


def test_rejected_json_rows_are_kept_whole(editor: Operator) -> None:
    url = upload(
        editor, '{"document_id": "1"}\n{"document_id": 2}\n{"document_id": "3", "segments": [{}]}\n', "x.jsonl"
    )
    preview(editor, url)
    download = editor.client.get(url + "/rejected").text.lstrip("\ufeff")
    assert [row["row"] for row in csv.DictReader(io.StringIO(download))] == [
        '{"document_id": 2}',
        '{"document_id": "3", "segments": [{}]}',
    ]
    url = upload(editor, download.replace(": 2}", ': ""2""}'))
    preview(editor, url, ["row", "", ""])
    apply(editor, url)
    assert set(all_profiles()) == {"2"}


@pytest.mark.parametrize(
    ("content", "roles"),
    [
        pytest.param(SPREADSHEET.encode(), ROLES, id="UTF-8"),
        pytest.param(SPREADSHEET.encode("utf-8-sig"), ROLES, id="byte-order mark"),
        pytest.param(SPREADSHEET.encode("utf-16"), ROLES, id="UTF-16"),
        pytest.param(SPREADSHEET.encode("utf-16-le"), ROLES, id="UTF-16 without its mark"),
        pytest.param(b"sep=;\n\n" + SPREADSHEET.encode(), ROLES, id="separator said first, blank line"),
        pytest.param(SPREADSHEET.encode("cp1252"), ROLES, id="Windows"),
        pytest.param(SPREADSHEET.replace(";", "\t").encode(), ROLES, id="tabs"),
        pytest.param(SPREADSHEET.replace(";", "|").replace("\n", "\r\n").encode(), ROLES, id="bars"),
        pytest.param(gzip.compress(SPREADSHEET.encode()), ROLES, id="gzip"),
    ],
)
def test_formats_of_spreadsheets_are_detected(editor: Operator, content: bytes, roles: list[str]) -> None:
    url = upload(editor, content)
    payload = db.session.scalars(select(Job.payload)).one()
    assert payload["roles"] == ["document_id", "name", "email", "", ""]
    preview(editor, url, roles)
    apply(editor, url)
    assert all_profiles() == {"1": ("Ana Gómez", "ana@x.co", None), "2": ("Luis", None, None)}


def test_file_is_read_again_in_another_format(editor: Operator) -> None:
    url = upload(editor, "document_id,a;b\n1,x;y\n")
    editor.post(url, {"action": "reread", "delimiter": "semicolon", "encoding": "cp1252"})
    db.session.rollback()
    assert db.session.scalars(select(Job.payload)).one()["columns"] == ["document_id,a", "b"]
    editor.post(url, {"action": "reread", "delimiter": "nonsense", "encoding": "cp1252"}, status=400)


@pytest.mark.parametrize(
    ("roles", "problem"),
    [
        (["", "name"], "Choose which column is the ID"),
        (["document_id", "document_id"], "Two columns are matched to document_id"),
        (["document_id", "type"], "Match both a segment type and a segment value column"),
    ],
)
def test_invalid_column_roles_are_422(editor: Operator, roles: list[str], problem: str) -> None:
    url = upload(editor, "document_id,x\n1,y\n")
    response = editor.post(url, [("action", "check"), *(("role", role) for role in roles)], status=422)
    assert problem in response.text
    assert not run_job()


def test_file_without_header_row(editor: Operator) -> None:
    url = upload(editor, "1,Ana\n2,Luis,x\n")
    editor.post(url, {"action": "reread", "delimiter": "comma", "encoding": "utf-8", "header": "none"})
    preview(editor, url, ["document_id", "name"])
    assert "Line 2: " in apply(editor, url).text
    assert all_profiles() == {"1": ("Ana", None, None)}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", "The file is empty", id="empty"),
        pytest.param(b"\n\n", "The file is empty", id="blank"),
        pytest.param(b"\x1f\x8bnot gzip", "cannot be read", id="not gzip"),
        pytest.param(b"PK\x03\x04" + bytes(range(256)), "Save as › CSV UTF-8", id="workbook"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "a text file", id="picture"),
        pytest.param('{"document_id": "1"}'.encode("utf-16"), "JSON must be UTF-8", id="JSON in UTF-16"),
        pytest.param(b'{"customers": [' + b"[" * 100_000, "more than 500 levels", id="nested"),
        pytest.param(b"document_id" + b",x" * 500, "501 columns", id="too many columns"),
        pytest.param(b"document_id," + b"x" * 1001, "column name is longer", id="no name of a column"),
    ],
)
def test_unreadable_file_fails_with_the_reason(editor: Operator, content: bytes, expected: str) -> None:
    page = editor.get(upload(editor, content))
    assert expected in page.text
    assert "Nothing changed" in page.text
    assert not run_job()


def test_unreadable_format_is_422_and_changes_nothing(editor: Operator) -> None:
    url = upload(editor, f"document_id;{'x' * 600};{'y' * 600}\n")
    form = {"action": "reread", "delimiter": "comma", "encoding": "utf-8"}
    assert "With these settings" in editor.post(url, form, status=422).text


@pytest.mark.parametrize(
    ("limit", "content", "expected"),
    [
        (
            "MAX_UNCOMPRESSED_BYTES",
            gzip.compress(b"document_id\n" + b"1\n" * 50_000),
            "The uncompressed file exceeds",
        ),
        ("MAX_REJECTED_ROWS", b"document_id,name\n" + b",x\n" * 101, "More than 100 rows have errors"),
    ],
)
def test_file_above_a_limit_fails(
    editor: Operator, monkeypatch: pytest.MonkeyPatch, limit: str, content: bytes, expected: str
) -> None:
    url = upload(editor, content)
    monkeypatch.setattr(imports, limit, 100)
    roles = ["document_id", "name"] if limit == "MAX_REJECTED_ROWS" else ["document_id"]
    page = preview(editor, url, roles)
    assert expected in page.text
    assert "Nothing was applied" in page.text
    editor.post(url, {"action": "back"})
    assert "Match columns" in editor.get(url).text


def test_json_array_is_imported_and_its_rejected_elements_are_json(editor: Operator) -> None:
    url = upload(editor, '[{"document_id": "1"},\n {"document_id": 2, "name": "Ana"}, [3]]', "x.json")
    preview(editor, url)
    download = editor.client.get(url + "/rejected").text.lstrip("\ufeff")
    rows = list(csv.DictReader(io.StringIO(download)))
    assert [(row["line"], row["row"]) for row in rows] == [("2", '{"document_id": 2, "name": "Ana"}'), ("3", "[3]")]
    apply(editor, url)
    assert set(all_profiles()) == {"1"}


def test_overlong_line_is_one_rejected_row(editor: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 100)
    url = upload(editor, "document_id,name\n1," + "a," * 1000 + "\n2,Luis\n,Eva\n")
    page = preview(editor, url, ["document_id", "name"])
    assert "Line 2: Longer than" in page.text
    assert "Line 4: document_id" in page.text
    apply(editor, url)
    assert set(all_profiles()) == {"2"}


def test_form_without_a_file_is_422(editor: Operator) -> None:
    assert "Choose a file" in editor.post("/imports", status=422).text


def test_discarded_import_cannot_be_applied(editor: Operator) -> None:
    url = upload(editor, SPREADSHEET)
    editor.post(url, {"action": "discard"})
    assert "Import discarded" in editor.get(url).text
    editor.post(url, {"action": "apply"}, status=409)
    assert all_profiles() == {}


def test_expired_and_discarded_files_are_deleted(editor: Operator) -> None:
    away, broken_off, old, needed = (upload(editor, SPREADSHEET)[-1] for _ in range(4))
    editor.post(f"/imports/{away}", {"action": "discard"})
    db.session.rollback()
    for number, values in (
        (broken_off, {"state": "uploading", "created_at": runner.now() - timedelta(days=2)}),
        (old, {"created_at": runner.now() - timedelta(days=31)}),
    ):
        db.session.execute(update(Job).where(Job.id == int(number)).values(values))
    db.session.commit()
    newest = upload(editor, SPREADSHEET)[-1]
    job_ids = db.session.scalars(select(UploadChunk.job_id).order_by(UploadChunk.job_id)).all()
    assert job_ids == [int(needed), int(newest)]


def test_second_apply_is_409(editor: Operator) -> None:
    url = upload(editor, SPREADSHEET)
    preview(editor, url, ROLES)
    editor.post(url, {"action": "apply"})
    editor.post(url, {"action": "apply"}, status=409)
    assert run_job()
    assert not run_job()
    assert len(db.session.scalars(select(ChangeSet)).all()) == 1


def test_actor_of_the_change_is_who_applied_it(editor: Operator, app: Flask) -> None:
    url = upload(editor, SPREADSHEET)
    preview(editor, url, ROLES)
    second_editor = signed_in(app.test_client(), "editor", "other@example.com")
    page = apply(second_editor, url)
    assert "Uploaded by operator editor@example.com" in page.text
    assert "Applied by operator other@example.com" in page.text
    assert db.session.scalars(select(ChangeSet.actor)).all() == ["operator other@example.com"]


def test_operator_who_lost_the_role_cannot_apply(editor: Operator) -> None:
    url = upload(editor, SPREADSHEET)
    preview(editor, url, ROLES)
    operator = db.session.scalars(select(OperatorRow)).one()
    operator.role = "viewer"
    db.session.commit()
    editor.post(url, {"action": "apply"}, status=403)
    assert not run_job()


def test_viewers_see_imports_but_cannot_upload(viewer: Operator, app: Flask) -> None:
    viewer.get("/imports")
    viewer.post("/imports", status=403)


# Workers that die, stop or fail


def start_apply(editor: Operator, content: str = SPREADSHEET) -> str:
    url = upload(editor, content)
    preview(editor, url, ROLES)
    editor.post(url, {"action": "apply"})
    return url


def test_next_worker_continues_after_a_worker_died(editor: Operator) -> None:
    start_apply(editor)
    claimed = runner._claim(threading.Event())  # a worker that dies
    assert claimed is not None
    db.session.rollback()
    assert not run_job()  # its lease has not ended
    expire_leases()
    assert run_job()
    assert last_result()["created"] == 2
    assert len(db.session.scalars(select(ChangeSet)).all()) == 1


def test_worker_that_lost_its_lease_changes_nothing(editor: Operator) -> None:
    start_apply(editor)
    late = runner._claim(threading.Event())
    assert late is not None
    expire_leases()
    assert run_job()
    with pytest.raises(LeaseLost):
        background.HANDLERS[JobKind.IMPORT, JobState.APPLYING](late)
    assert len(db.session.scalars(select(ChangeSet)).all()) == 1
    assert recount(TESTER) == []


def test_worker_that_shuts_down_releases_the_job(editor: Operator) -> None:
    start_apply(editor)
    stop = threading.Event()
    stop.set()
    assert background.work_on_jobs(stop)
    assert all_profiles() == {}
    assert run_job()  # at once, without waiting for the lease to run out
    assert set(all_profiles()) == {"1", "2"}


def test_job_fails_after_the_maximum_of_attempts(editor: Operator) -> None:
    url = start_apply(editor)
    for _ in range(runner.MAX_ATTEMPTS):
        assert runner._claim(threading.Event())
        expire_leases()
    assert not run_job()
    assert "Nothing was applied" in editor.get(url).text
    assert all_profiles() == {}


def test_internal_error_fails_the_job_and_changes_nothing(editor: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    url = start_apply(editor)

    def fails(_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(background.HANDLERS, (JobKind.IMPORT, JobState.APPLYING), fails)
    with pytest.raises(ZeroDivisionError):
        run_job()
    assert "Internal error" in editor.get(url).text
    assert all_profiles() == {}


def test_stopped_import_can_be_applied_again(editor: Operator) -> None:
    url = start_apply(editor)
    claimed = runner._claim(threading.Event())
    assert claimed is not None
    assert "Stop import" in editor.get(url).text
    editor.post(url, {"action": "stop"})
    with pytest.raises(LeaseLost):
        background.HANDLERS[JobKind.IMPORT, JobState.APPLYING](claimed)
    assert all_profiles() == {}
    assert not run_job()
    assert "nothing has changed yet" in editor.get(url).text
    apply(editor, url)
    assert set(all_profiles()) == {"1", "2"}
    assert "you can undo it" in editor.post(url, {"action": "stop"}, status=409).text


def test_stopped_check_returns_to_column_matching(editor: Operator) -> None:
    url = upload(editor, SPREADSHEET)
    editor.post(url, [("action", "check"), *(("role", role) for role in ROLES)])
    editor.post(url, {"action": "stop"})
    assert not run_job()
    assert "Match columns" in editor.get(url).text


def test_imports_are_applied_one_after_the_other(editor: Operator) -> None:
    """Neither waits for the other's customers."""
    urls = [upload(editor, f"document_id,name\n1,Ana\n{n},Luis\n") for n in "23"]
    for url in urls:
        preview(editor, url, ["document_id", "name"])
    for url in urls:
        editor.post(url, {"action": "apply"})
    claimed = runner._claim(threading.Event())
    assert claimed is not None
    db.session.rollback()
    assert not run_job()
    background.HANDLERS[JobKind.IMPORT, JobState.APPLYING](claimed)
    assert run_job()
    assert set(all_profiles()) == {"1", "2", "3"}
    assert len(db.session.scalars(select(ChangeSet)).all()) == 2


def test_busy_database_is_retried_later_up_to_a_limit(editor: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    url = start_apply(editor)

    def busy(_: Any) -> None:
        raise Unavailable

    monkeypatch.setitem(background.HANDLERS, (JobKind.IMPORT, JobState.APPLYING), busy)
    for _ in range(runner.MAX_ATTEMPTS):
        assert run_job()
        assert not run_job()  # not at once
        expire_leases()
    assert not run_job()
    assert "Nothing was applied" in editor.get(url).text


def test_full_disk_fails_the_job_with_the_reason(editor: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    url = upload(editor, SPREADSHEET + "".join(f"x{n};Ana;;GOLD;\n" for n in range(1_000)))
    monkeypatch.setattr(staging, "SCHEMA", staging.SCHEMA + "PRAGMA max_page_count = 1;")
    text = preview(editor, url, ROLES).text
    assert "disk is full" in text
    assert "Nothing was applied" in text
    assert all_profiles() == {}


def test_progress_is_shown(editor: Operator) -> None:
    url = start_apply(editor)
    page = editor.get(url)
    assert page.tags["progress"] == 1
    assert "Queued" in page.text
