"""/imports: a file is sent, understood, previewed, applied in the background, and undone."""

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
from app.core.changes.profiles import upsert_customers
from app.core.changes.revert import revert
from app.core.counts.recount import recount
from app.core.database import db, run_in_transaction
from app.core.errors import Unavailable
from app.core.models.change_sets import ChangeSet
from app.core.models.customers import Customer
from app.files import lines, staging
from app.files.columns import detect_columns
from app.jobs import imports
from app.jobs import runner as working
from app.jobs.jobs import Job
from app.jobs.runner import LeaseLost
from app.jobs.uploads import UploadChunk
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.html_client import Operator, Page, signed_in

SPREADSHEET = "Cédula;Nombre;Correo;membership;Notas\n1;Ana Gómez;ana@x.co;GOLD;x\n2;Luis;;;y\n"
MEANINGS = ["document_id", "name", "email", "segment:membership", ""]


def work() -> bool:
    db.session.rollback()
    return background.work_on_jobs(threading.Event())


def send(operator: Operator, content: str | bytes, name: str = "spring.csv") -> str:
    """The address of the import of a file with this content."""
    data = content.encode() if isinstance(content, str) else content
    response = operator.client.post(
        "/imports",
        data={"csrf_token": operator.token, "file": (io.BytesIO(data), name)},
        content_type="multipart/form-data",
    )
    assert response.status_code == 302, response.text
    return response.headers["Location"]


def check(operator: Operator, url: str, meanings: list[str] | None = None, *, create: bool = True) -> Page:
    """Have the preview made, and look at it."""
    form: list[tuple[str, str]] = [("action", "check"), *(("meaning", meaning) for meaning in meanings or [])]
    operator.post(url, form + ([("create", "yes")] if create else []))
    assert work()
    return operator.get(url)


def apply(operator: Operator, url: str) -> Page:
    operator.post(url, {"action": "apply"})
    assert work()
    return operator.get(url)


def effect() -> dict[str, int]:
    db.session.rollback()
    told = db.session.scalars(select(Job.effect).order_by(Job.id.desc()).limit(1)).one()
    assert told is not None
    return {name: value for name, value in told.items() if isinstance(value, int)}


def result() -> dict[str, int]:
    db.session.rollback()
    told = db.session.scalars(select(Job.result).order_by(Job.id.desc()).limit(1)).one()
    assert told is not None
    return told


def facts() -> dict[str, tuple[str | None, ...]]:
    db.session.rollback()
    return {one.document_id: (one.name, one.email, one.phone) for one in db.session.scalars(select(Customer))}


def test_a_spreadsheet_is_loaded_step_by_step(editor: Operator) -> None:
    add_customers("2", name="Luis", email="luis@x.co")
    set_segments("2", SILVER)
    url = send(editor, SPREADSHEET.encode("cp1252"))
    page = editor.get(url)
    assert "Cédula" in page.text
    assert "Ana Gómez" in page.text
    page = check(editor, url, MEANINGS)
    assert "Nothing is changed yet" in page.text
    assert effect() == {
        "created": 1,
        "updated": 1,
        "changed": 2,
        "gain": 1,
        "lose": 1,
        "touched": 2,
        "unchanged": 0,
        "unknown": 0,
        "duplicates": 0,
        "bad": 0,
    }
    assert all_segments() == {"2": SILVER}
    page = apply(editor, url)
    assert "This is change" in page.text
    assert "Import 1: spring.csv" in editor.get("/customers/1").text
    assert all_segments() == {"1": GOLD, "2": []}
    assert facts() == {"1": ("Ana Gómez", "ana@x.co", None), "2": ("Luis", None, None)}
    assert recount(TESTER) == []


def test_undo_brings_back_the_state_before_facts_and_all(editor: Operator) -> None:
    add_customers("2", name="Luis", email="luis@x.co")
    set_segments("2", SILVER)
    before = facts(), all_segments()
    url = send(editor, SPREADSHEET)
    check(editor, url, MEANINGS)
    done = apply(editor, url)
    after = facts(), all_segments()
    undo = editor.get(done.links["Undo this import …"])
    assert "Put back" in undo.text
    number = db.session.scalars(select(Job.change_set_id)).one()
    assert number is not None
    editor.post(f"/changes/{number}/undo")
    assert (facts(), all_segments()) == before
    assert recount(TESTER) == []
    again = db.session.scalars(select(ChangeSet.id).order_by(ChangeSet.id.desc()).limit(1)).one()
    revert(again, TESTER)
    assert (facts(), all_segments()) == after
    assert recount(TESTER) == []


def test_undo_leaves_alone_who_was_changed_since(editor: Operator) -> None:
    url = send(editor, "document_id,name\n1,Ana\n2,Luis\n3,Eva\n")
    check(editor, url, ["document_id", "name"])
    apply(editor, url)
    number = db.session.scalars(select(Job.change_set_id)).one()
    assert number is not None
    db.session.rollback()
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": "1", "name": "Anna"}]))
    set_segments("2", GOLD)
    undone = revert(number, TESTER)
    assert undone.conflicts == ["1", "2"]
    assert undone.removed == 1
    assert facts() == {"1": ("Anna", None, None), "2": ("Luis", None, None)}


@pytest.mark.parametrize("create", [True, False])
def test_the_preview_says_what_then_happens(editor: Operator, create: bool) -> None:
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
    url = send(editor, content)
    check(editor, url, ["document_id", "name", "type", "value"], create=create)
    told = effect()
    apply(editor, url)
    done = result()
    assert {name: told[name] for name in done} == done
    assert told["gain"] == (2 if create else 1)
    assert told["lose"] == 1
    assert told["unchanged"] == 2
    assert told["unknown"] == (0 if create else 1)
    wine = {"type": "interest", "value": "WINE"}
    assert all_segments() == {"a": SILVER, "b": SILVER, "c": [*GOLD, wine], "d": []} | ({"new": GOLD} if create else {})


def test_bad_lines_come_back_in_the_files_own_columns_and_can_be_loaded_again(editor: Operator) -> None:
    url = send(editor, "Nombre;document_id;Notas\nAna;1;x\nLuis;;=y\nEva;3\n")
    page = check(editor, url, ["name", "document_id", ""])
    assert "Line 3: document_id" in page.text
    download = editor.client.get(url + "/rejected")
    assert download.headers["Content-Disposition"] == 'attachment; filename="spring.rejected.csv"'
    rows = list(csv.reader(io.StringIO(download.text.lstrip("\ufeff"))))
    assert rows[0] == ["Nombre", "document_id", "Notas", "line", "error"]
    assert rows[1][:4] == ["Luis", "", "'=y", "3"]
    assert rows[2][:4] == ["Eva", "3", "", "4"]
    apply(editor, url)
    assert set(facts()) == {"1"}
    repaired = download.text.replace("Luis,,", "Luis,2,")
    url = send(editor, repaired, "again.csv")
    check(editor, url, detect_columns(rows[0]))
    apply(editor, url)
    assert facts() == {"1": ("Ana", None, None), "2": ("Luis", None, None), "3": ("Eva", None, None)}


def test_bad_lines_may_hold_what_cannot_be_stored(editor: Operator) -> None:
    url = send(editor, b"document_id,na\0me\n1,\0\n2,\xff,\xc3\xa9\n3,Ana\n", "x\0.csv")
    check(editor, url, ["document_id", "name"])
    assert effect()["bad"] == 2
    apply(editor, url)
    assert facts() == {"3": ("Ana", None, None)}


def test_bad_lines_of_json_come_back_whole(editor: Operator) -> None:
    url = send(editor, '{"document_id": "1"}\n{"document_id": 2}\n{"document_id": "3", "segments": [{}]}\n', "x.jsonl")
    check(editor, url)
    download = editor.client.get(url + "/rejected").text.lstrip("\ufeff")
    assert [row["row"] for row in csv.DictReader(io.StringIO(download))] == [
        '{"document_id": 2}',
        '{"document_id": "3", "segments": [{}]}',
    ]
    url = send(editor, download.replace(": 2}", ': ""2""}'))
    check(editor, url, ["row", "", ""])
    apply(editor, url)
    assert set(facts()) == {"2"}


@pytest.mark.parametrize(
    ("content", "meanings"),
    [
        pytest.param(SPREADSHEET.encode(), MEANINGS, id="UTF-8"),
        pytest.param(SPREADSHEET.encode("utf-8-sig"), MEANINGS, id="byte-order mark"),
        pytest.param(SPREADSHEET.encode("utf-16"), MEANINGS, id="UTF-16"),
        pytest.param(SPREADSHEET.encode("utf-16-le"), MEANINGS, id="UTF-16 without its mark"),
        pytest.param(b"sep=;\n\n" + SPREADSHEET.encode(), MEANINGS, id="separator said first, blank line"),
        pytest.param(SPREADSHEET.encode("cp1252"), MEANINGS, id="Windows"),
        pytest.param(SPREADSHEET.replace(";", "\t").encode(), MEANINGS, id="tabs"),
        pytest.param(SPREADSHEET.replace(";", "|").replace("\n", "\r\n").encode(), MEANINGS, id="bars"),
        pytest.param(gzip.compress(SPREADSHEET.encode()), MEANINGS, id="gzip"),
    ],
)
def test_what_spreadsheets_write_is_recognised(editor: Operator, content: bytes, meanings: list[str]) -> None:
    url = send(editor, content)
    wanted = db.session.scalars(select(Job.wanted)).one()
    assert wanted["meanings"] == ["document_id", "name", "email", "", ""]
    check(editor, url, meanings)
    apply(editor, url)
    assert facts() == {"1": ("Ana Gómez", "ana@x.co", None), "2": ("Luis", None, None)}


def test_a_file_can_be_read_in_another_way(editor: Operator) -> None:
    url = send(editor, "document_id,a;b\n1,x;y\n")
    editor.post(url, {"action": "look", "delimiter": "semicolon", "encoding": "cp1252"})
    db.session.rollback()
    assert db.session.scalars(select(Job.wanted)).one()["columns"] == ["document_id,a", "b"]
    editor.post(url, {"action": "look", "delimiter": "nonsense", "encoding": "cp1252"}, status=400)


@pytest.mark.parametrize(
    ("meanings", "problem"),
    [
        (["", "name"], "must hold the document_id"),
        (["document_id", "document_id"], "Two columns cannot both hold the document_id"),
        (["document_id", "type"], "Type and value go together"),
    ],
)
def test_columns_that_make_no_sense_are_refused(editor: Operator, meanings: list[str], problem: str) -> None:
    url = send(editor, "document_id,x\n1,y\n")
    response = editor.post(url, [("action", "check"), *(("meaning", meaning) for meaning in meanings)], status=422)
    assert problem in response.text
    assert not work()


def test_a_file_whose_first_line_is_a_customer_already(editor: Operator) -> None:
    url = send(editor, "1,Ana\n2,Luis,x\n")
    editor.post(url, {"action": "look", "delimiter": "comma", "encoding": "utf-8", "header": "none"})
    check(editor, url, ["document_id", "name"])
    assert "Line 2: " in apply(editor, url).text
    assert facts() == {"1": ("Ana", None, None)}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(b"", "The file is empty", id="empty"),
        pytest.param(b"\n\n", "The file is empty", id="blank"),
        pytest.param(b"\x1f\x8bnot gzip", "cannot be read", id="not gzip"),
        pytest.param(b"PK\x03\x04" + bytes(range(256)), "Save the sheet as “CSV UTF-8”", id="workbook"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "This is no text", id="picture"),
        pytest.param('{"document_id": "1"}'.encode("utf-16"), "JSON is written in UTF-8", id="JSON in UTF-16"),
        pytest.param(b'{"customers": [' + b"[" * 100_000, "more than 500 levels", id="nested"),
        pytest.param(b"document_id" + b",x" * 500, "501 columns", id="too many columns"),
        pytest.param(b"document_id," + b"x" * 1001, "name of a column", id="no name of a column"),
    ],
)
def test_a_file_that_cannot_be_read_says_so(editor: Operator, content: bytes, told: str) -> None:
    page = editor.get(send(editor, content))
    assert told in page.text
    assert "Nothing was changed" in page.text
    assert not work()


def test_reading_it_in_a_way_that_cannot_be_changes_nothing(editor: Operator) -> None:
    url = send(editor, f"document_id;{'x' * 600};{'y' * 600}\n")
    form = {"action": "look", "delimiter": "comma", "encoding": "utf-8"}
    assert "Read in that way" in editor.post(url, form, status=422).text


@pytest.mark.parametrize(
    ("limit", "content", "told"),
    [
        (
            "MAX_UNCOMPRESSED_BYTES",
            gzip.compress(b"document_id\n" + b"1\n" * 50_000),
            "Unpacked, the file has more than",
        ),
        ("MAX_REJECTED", b"document_id,name\n" + b"1\n" * 101, "More than 100 lines are bad"),
    ],
)
def test_a_file_made_to_fill_the_disk_is_given_up(
    editor: Operator, monkeypatch: pytest.MonkeyPatch, limit: str, content: bytes, told: str
) -> None:
    url = send(editor, content)
    monkeypatch.setattr(imports, limit, 100)
    meanings = ["document_id", "name"] if limit == "MAX_REJECTED" else ["document_id"]
    page = check(editor, url, meanings)
    assert told in page.text
    assert "Nothing was applied" in page.text
    editor.post(url, {"action": "back"})
    assert "What do the columns mean?" in editor.get(url).text


def test_an_array_of_customers_is_read_and_its_bad_ones_come_back_as_json(editor: Operator) -> None:
    url = send(editor, '[{"document_id": "1"},\n {"document_id": 2, "name": "Ana"}, [3]]', "x.json")
    check(editor, url)
    download = editor.client.get(url + "/rejected").text.lstrip("\ufeff")
    rows = list(csv.DictReader(io.StringIO(download)))
    assert [(row["line"], row["row"]) for row in rows] == [("2", '{"document_id": 2, "name": "Ana"}'), ("3", "[3]")]
    apply(editor, url)
    assert set(facts()) == {"1"}


def test_a_line_without_end_is_one_bad_line(editor: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_LENGTH", 100)
    url = send(editor, "document_id,name\n1," + "a," * 1000 + "\n2,Luis\n,Eva\n")
    page = check(editor, url, ["document_id", "name"])
    assert "Line 2: line: Longer than" in page.text
    assert "Line 4: document_id" in page.text
    apply(editor, url)
    assert set(facts()) == {"2"}


def test_without_a_file_nothing_happens(editor: Operator) -> None:
    assert "Choose a file" in editor.post("/imports", status=422).text


def test_thrown_away_is_thrown_away(editor: Operator) -> None:
    url = send(editor, SPREADSHEET)
    editor.post(url, {"action": "discard"})
    assert "Thrown away" in editor.get(url).text
    editor.post(url, {"action": "apply"}, status=409)
    assert facts() == {}


def test_files_nobody_needs_any_more_are_forgotten(editor: Operator) -> None:
    away, broken_off, old, needed = (send(editor, SPREADSHEET)[-1] for _ in range(4))
    editor.post(f"/imports/{away}", {"action": "discard"})
    db.session.rollback()
    for number, values in (
        (broken_off, {"state": "uploading", "created_at": working.now() - timedelta(days=2)}),
        (old, {"created_at": working.now() - timedelta(days=31)}),
    ):
        db.session.execute(update(Job).where(Job.id == int(number)).values(values))
    db.session.commit()
    newest = send(editor, SPREADSHEET)[-1]
    kept = db.session.scalars(select(UploadChunk.job_id).order_by(UploadChunk.job_id)).all()
    assert kept == [int(needed), int(newest)]


def test_applied_twice_is_applied_once(editor: Operator) -> None:
    url = send(editor, SPREADSHEET)
    check(editor, url, MEANINGS)
    editor.post(url, {"action": "apply"})
    editor.post(url, {"action": "apply"}, status=409)
    assert work()
    assert not work()
    assert len(db.session.scalars(select(ChangeSet)).all()) == 1


def test_whoever_has_it_applied_is_the_one_who_changed_it(editor: Operator, app: Flask) -> None:
    url = send(editor, SPREADSHEET)
    check(editor, url, MEANINGS)
    other = signed_in(app.test_client(), "editor", "other@example.com")
    page = apply(other, url)
    assert "Sent by operator editor@example.com" in page.text
    assert "Applied by operator other@example.com" in page.text
    assert db.session.scalars(select(ChangeSet.actor)).all() == ["operator other@example.com"]


def test_who_may_no_longer_change_anything_applies_nothing(editor: Operator) -> None:
    url = send(editor, SPREADSHEET)
    check(editor, url, MEANINGS)
    operator = db.session.scalars(select(OperatorRow)).one()
    operator.role = "viewer"
    db.session.commit()
    editor.post(url, {"action": "apply"}, status=403)
    assert not work()


def test_viewers_look_and_do_not_load(viewer: Operator, app: Flask) -> None:
    viewer.get("/imports")
    viewer.post("/imports", status=403)


# In the background, whatever happens to whoever works


def begun(editor: Operator, content: str = SPREADSHEET) -> str:
    url = send(editor, content)
    check(editor, url, MEANINGS)
    editor.post(url, {"action": "apply"})
    return url


def test_a_worker_that_died_leaves_the_import_to_the_next(editor: Operator) -> None:
    begun(editor)
    taken = working._claim(threading.Event())  # and never heard of again
    assert taken is not None
    db.session.rollback()
    assert not work()  # it may be alive
    expire()
    assert work()
    assert result()["created"] == 2
    assert len(db.session.scalars(select(ChangeSet)).all()) == 1


def test_one_who_was_taken_for_dead_changes_nothing_any_more(editor: Operator) -> None:
    begun(editor)
    late = working._claim(threading.Event())
    assert late is not None
    expire()
    assert work()
    with pytest.raises(LeaseLost):
        background.HANDLERS["import", "applying"](late)
    assert len(db.session.scalars(select(ChangeSet)).all()) == 1
    assert recount(TESTER) == []


def test_a_process_that_ends_puts_the_import_down(editor: Operator) -> None:
    begun(editor)
    stop = threading.Event()
    stop.set()
    assert background.work_on_jobs(stop)
    assert facts() == {}
    assert work()  # at once, without waiting for the lease to run out
    assert set(facts()) == {"1", "2"}


def test_an_import_that_kills_every_worker_is_given_up_and_says_so(editor: Operator) -> None:
    url = begun(editor)
    for _ in range(working.MAX_ATTEMPTS):
        assert working._claim(threading.Event())
        expire()
    assert not work()
    assert "Nothing was applied" in editor.get(url).text
    assert facts() == {}


def test_a_fault_of_ours_is_told_and_changes_nothing(editor: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    url = begun(editor)

    def fails(_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(background.HANDLERS, ("import", "applying"), fails)
    with pytest.raises(ZeroDivisionError):
        work()
    assert "A fault of ours" in editor.get(url).text
    assert facts() == {}


def test_it_can_be_stopped_and_applied_again(editor: Operator) -> None:
    url = begun(editor)
    taken = working._claim(threading.Event())
    assert taken is not None
    assert "Stop it" in editor.get(url).text
    editor.post(url, {"action": "stop"})
    with pytest.raises(LeaseLost):
        background.HANDLERS["import", "applying"](taken)
    assert facts() == {}
    assert not work()
    assert "Nothing is changed yet" in editor.get(url).text
    apply(editor, url)
    assert set(facts()) == {"1", "2"}
    assert "it can be undone" in editor.post(url, {"action": "stop"}, status=409).text


def test_a_check_that_is_stopped_leads_back_to_the_columns(editor: Operator) -> None:
    url = send(editor, SPREADSHEET)
    editor.post(url, [("action", "check"), *(("meaning", meaning) for meaning in MEANINGS)])
    editor.post(url, {"action": "stop"})
    assert not work()
    assert "What do the columns mean?" in editor.get(url).text


def test_two_imports_are_applied_one_after_the_other(editor: Operator) -> None:
    """Neither waits for the other's customers until it is taken for stuck."""
    urls = [send(editor, f"document_id,name\n1,Ana\n{n},Luis\n") for n in "23"]
    for url in urls:
        check(editor, url, ["document_id", "name"])
    for url in urls:
        editor.post(url, {"action": "apply"})
    taken = working._claim(threading.Event())
    assert taken is not None
    db.session.rollback()
    assert not work()
    background.HANDLERS["import", "applying"](taken)
    assert work()
    assert set(facts()) == {"1", "2", "3"}
    assert len(db.session.scalars(select(ChangeSet)).all()) == 2


def test_a_database_that_is_busy_is_tried_again_later_and_not_for_ever(
    editor: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = begun(editor)

    def busy(_: Any) -> None:
        raise Unavailable

    monkeypatch.setitem(background.HANDLERS, ("import", "applying"), busy)
    for _ in range(working.MAX_ATTEMPTS):
        assert work()
        assert not work()  # not at once
        expire()
    assert not work()
    assert "Nothing was applied" in editor.get(url).text


def test_a_full_disk_says_so(editor: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    url = begun(editor, SPREADSHEET + "".join(f"x{n};Ana;;GOLD;\n" for n in range(1_000)))
    monkeypatch.setattr(staging, "SCHEMA", staging.SCHEMA + "PRAGMA max_page_count = 1;")
    assert work()
    text = editor.get(url).text
    assert "no room" in text
    assert "Nothing was applied" in text
    assert facts() == {}


def test_how_far_it_is_can_be_seen(editor: Operator) -> None:
    url = begun(editor)
    page = editor.get(url)
    assert page.tags["progress"] == 1
    assert "Waiting to begin" in page.text


def expire() -> None:
    db.session.rollback()
    db.session.execute(update(Job).values(leased_until=working.now() - working.LEASE))
    db.session.commit()
