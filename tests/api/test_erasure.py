"""Erasure and disclosure of customers, by API and by command: contract §8."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from app.access.api_tokens import SCOPES, create_token
from app.core.changes.document_ids import rename_customer
from app.core.changes.revert import revert
from app.core.counts.recount import recount
from app.core.database import db, now, run_in_transaction
from app.core.history.retention import remove_old_deletions
from app.core.models.change_sets import Actor
from app.core.models.customer_changes import CustomerChange
from app.jobs import batches
from app.jobs.api_jobs import ApiJob
from app.jobs.batches import count_batches, insert_batches, iter_skipped, load_batch, store_skipped
from app.jobs.jobs import Job, get_job, insert_job
from app.jobs.states import JobKind, JobState
from app.jobs.uploads import has_upload, iter_rejected, store_rejected, store_upload
from tests.support.clients import Api, Shell
from tests.support.customers import GOLD, SILVER, TESTER, all_segments, set_segments
from tests.support.dates import date
from tests.support.feed import read, read_all
from tests.support.imports import run_job

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
    other = {"document_id": "other", "name": "Other"}
    eraser.call("POST", "/api/v3/customers", json={"customers": [PERSON, other]})
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


def test_the_deleted_entry_goes_after_thirty_days(eraser: Api, person: str) -> None:
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


@pytest.mark.parametrize("app", ["sqlite"], indirect=True)
def test_the_file_has_no_trace_after_the_command(app: Flask, shell: Shell, eraser: Api, person: str) -> None:
    path = Path(app.config["DATABASE_URL"].removeprefix("sqlite:///"))
    shell("customers", "erase", person)
    content = path.read_bytes() + Path(f"{path}-wal").read_bytes()
    assert [trace for trace in TRACES if trace.encode() in content] == []


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
def test_refuses_headers_that_it_cannot_honour(eraser: Api, ana: str, headers: dict[str, str]) -> None:
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
    other = [2, "Invalid.", ["other", "Other"]]
    rejected = [(1, "Invalid.", [" erase-me-77", "Perpetua"]), tuple(other), (3, "Invalid.", '{"id":"new-id-78"')]

    def add(session: Session) -> int:
        job_id = insert_job(session, JobKind.IMPORT, TESTER, {}, JobState.DONE)
        insert_batches(session, job_id, [(person, None)])
        store_skipped(session, job_id, {person: "missing", "erase-me-77": "missing", "other": "missing"})
        store_rejected(session, job_id, rejected)
        return job_id

    job_id = run_in_transaction(add)
    store_upload(job_id, io.BytesIO(b"document_id\nnew-id-78\n"))
    erase(eraser, person)
    assert [list(row) for row in iter_rejected(job_id)] == [other]
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
