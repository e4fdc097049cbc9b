"""What jobs, files and stored responses keep of a customer is erased and disclosed, too: contract §8."""

import gzip
import io
import json
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.core.database import db, now, run_in_transaction
from app.core.models.change_sets import Actor
from app.jobs import batches
from app.jobs.api_job import ApiJob
from app.jobs.batches import count_batches, insert_batches, iter_skipped, load_batch, store_skipped
from app.jobs.imports import ImportPayload, create_import, open_upload
from app.jobs.jobs import Job, get_job, insert_job, transition
from app.jobs.states import JobKind, JobState
from app.jobs.uploads import UploadReader, has_upload, iter_rejected, store_rejected, store_upload
from tests.support.clients import Api, Shell
from tests.support.customers import GOLD, SILVER, TESTER, all_segments
from tests.support.erasure import CSV, PERSON, TRACES, erase, stored_text
from tests.support.imports import run_job
from tests.support.query_log import capture_queries
from tests.support.workbooks import xlsx

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
    with capture_queries() as statements:
        erase(eraser, person)
    read = [statement for statement in statements if statement.startswith("SELECT job_batches.compressed")]
    assert len(read) == 1  # those that cannot contain the customer are not read
    job = get_job(job_id, JobKind.API)
    assert job.preview == {"examples": [{"document_id": "other"}], "changed": 2, "not_found_ids": ["x"]}
    assert [load_batch(db.session(), job_id, number) for number in range(2)] == [{}, {"other": GOLD}]
    assert run_job()
    assert get_job(job_id, JobKind.API).state == JobState.DONE
    assert all_segments()["other"] == GOLD
    assert person not in all_segments()
