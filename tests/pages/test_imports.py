"""/imports: a file is uploaded, matched, previewed, applied in the background, and undone."""

import csv
import io
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.access.operators import Operator
from app.core.changes.revert import revert
from app.core.counts.recount import recount
from app.core.database import db
from app.core.models.change_sets import ChangeSet
from app.files.columns import detect_columns
from app.jobs import runner
from app.jobs.jobs import Job
from app.jobs.uploads import UploadChunk
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.html_client import HtmlClient, signed_in
from tests.support.imports import (
    ROLES,
    SPREADSHEET,
    all_profiles,
    apply,
    last_preview,
    last_result,
    preview,
    run_job,
    upload,
)


def test_spreadsheet_is_imported_step_by_step(editor: HtmlClient) -> None:
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
        "over_limit": 0,
        "rejected": 0,
    }
    assert all_segments() == {"2": SILVER}
    page = apply(editor, url)
    assert "Change #2" in page.text
    assert "Import 1: spring.csv" in editor.get("/customers/1").text
    assert all_segments() == {"1": GOLD, "2": []}
    assert all_profiles() == {"1": ("Ana Gómez", "ana@x.co", None), "2": ("Luis", None, None)}
    assert recount(TESTER) == []


def test_undo_restores_profiles_and_segments(editor: HtmlClient) -> None:
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


def test_undo_skips_customers_changed_later(editor: HtmlClient) -> None:
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
def test_preview_equals_result(editor: HtmlClient, create: bool) -> None:
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


def test_rejected_rows_keep_the_columns_and_can_be_imported_again(editor: HtmlClient) -> None:
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


def test_rejected_rows_may_contain_unstorable_characters(editor: HtmlClient) -> None:
    url = upload(editor, b"document_id,na\0me\n1,\0\n2,\xff,\xc3\xa9\n3,Ana\n", "x\0.csv")
    preview(editor, url, ["document_id", "name"])
    assert last_preview()["rejected"] == 2
    apply(editor, url)
    assert all_profiles() == {"3": ("Ana", None, None)}


def test_all_rejected_rows_are_counted_and_in_the_file(editor: HtmlClient) -> None:
    url = upload(editor, "document_id,name\n" + ",Ana\n" * 90 + "1,Eva\n")
    page = preview(editor, url, ["document_id", "name"])
    assert "Rows with errors (90)" in page.text
    assert "+40 more" in page.text
    assert editor.client.get(f"{url}/rejected").text.count("document_id is empty.") == 90


def test_rejected_json_rows_are_kept_whole(editor: HtmlClient) -> None:
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


def test_form_without_a_file_is_422(editor: HtmlClient) -> None:
    assert "Choose a file" in editor.post("/imports", status=422).text


def test_discarded_import_cannot_be_applied(editor: HtmlClient) -> None:
    url = upload(editor, SPREADSHEET)
    editor.post(url, {"action": "discard"})
    assert "Import discarded" in editor.get(url).text
    editor.post(url, {"action": "apply"}, status=409)
    assert all_profiles() == {}


def test_expired_and_discarded_files_are_deleted(editor: HtmlClient) -> None:
    away, abandoned, old, needed = (upload(editor, SPREADSHEET)[-1] for _ in range(4))
    editor.post(f"/imports/{away}", {"action": "discard"})
    db.session.rollback()
    for number, values in (
        (abandoned, {"state": "uploading", "created_at": runner.now() - timedelta(days=2)}),
        (old, {"created_at": runner.now() - timedelta(days=31)}),
    ):
        db.session.execute(update(Job).where(Job.id == int(number)).values(values))
    db.session.commit()
    newest = upload(editor, SPREADSHEET)[-1]
    job_ids = db.session.scalars(select(UploadChunk.job_id).order_by(UploadChunk.job_id)).all()
    assert job_ids == [int(needed), int(newest)]


def test_second_apply_is_409(editor: HtmlClient) -> None:
    url = upload(editor, SPREADSHEET)
    preview(editor, url, ROLES)
    editor.post(url, {"action": "apply"})
    editor.post(url, {"action": "apply"}, status=409)
    assert run_job()
    assert not run_job()
    assert len(db.session.scalars(select(ChangeSet)).all()) == 1


def test_actor_of_the_change_is_who_applied_it(editor: HtmlClient, app: Flask) -> None:
    url = upload(editor, SPREADSHEET)
    preview(editor, url, ROLES)
    second_editor = signed_in(app.test_client(), "editor", "other@example.com")
    page = apply(second_editor, url)
    assert "Uploaded by editor@example.com" in page.text
    assert "Applied by other@example.com" in page.text
    assert db.session.scalars(select(ChangeSet.actor)).all() == ["operator other@example.com"]


def test_operator_who_lost_the_role_cannot_apply(editor: HtmlClient) -> None:
    url = upload(editor, SPREADSHEET)
    preview(editor, url, ROLES)
    operator = db.session.scalars(select(Operator)).one()
    operator.role = "viewer"
    db.session.commit()
    editor.post(url, {"action": "apply"}, status=403)
    assert not run_job()


def test_viewers_see_imports_but_cannot_upload(viewer: HtmlClient, app: Flask) -> None:
    viewer.get("/imports")
    viewer.post("/imports", status=403)
