"""Jobs over the API: a file is sent, checked, applied in batches, cancelled, reported."""

import gzip
import json
from typing import Any

import pytest

from app.api import jobs
from app.core.counts.recount import recount
from app.core.database import now
from app.jobs import batches
from app.jobs.jobs import Job
from app.jobs.runner import JobRun
from tests.support.api_jobs import finish_job, kill_in_batch, lines, run, submit
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.imports import all_profiles, run_job

CSV = b"document_id,type,value\na,membership,GOLD\nb,membership,GOLD\nx,membership,GOLD\n"


def test_replace_changes_existing_customers_in_one_change_set(api: Api) -> None:
    add_customers("a", "b")
    set_segments("b", GOLD)
    response = submit(api, lines(a=GOLD, b=GOLD, x=GOLD, c=[]))
    assert response.json["state"] == "checking"
    assert response.headers["Location"] == f"/api/v3/jobs/{response.json['id']}"
    job = finish_job(api, response)
    report = job.pop("report")
    change_set = job.pop("changeSet")
    ended = {"id": response.json["id"], "state": "done", "done": 4, "total": 4, "error": None}
    assert job == {**ended, "apply_at": None, "revert_at": None, "revertJob": None}
    assert (report["changed"], report["unchanged"], sorted(report["notFound"])) == (1, 1, ["c", "x"])
    assert all_segments() == {"a": GOLD, "b": GOLD}
    assert api.get(f"/api/v3/change-sets/{change_set}").json["changed"] == 1
    assert recount(TESTER) == []


def test_csv_has_a_row_for_each_segment(api: Api) -> None:
    add_customers("a", "b")
    job = run(api, CSV, media_type="text/csv")
    assert (job["report"]["changed"], job["report"]["notFound"]) == (2, ["x"])
    assert all_segments() == {"a": GOLD, "b": GOLD}


@pytest.mark.parametrize("headers", [{}, {"Content_Encoding": "gzip"}])
def test_gzip_is_accepted(api: Api, headers: dict[str, str]) -> None:
    add_customers("a")
    run(api, gzip.compress(lines(a=GOLD)), **headers)
    assert all_segments() == {"a": GOLD}


def test_json_body_of_the_documented_endpoint_is_accepted(api: Api) -> None:
    add_customers("a")
    body = json.dumps({"customers": [{"document_id": "a", "segments": GOLD}]}).encode()
    assert run(api, body, media_type="application/json")["report"]["changed"] == 1
    assert all_segments() == {"a": GOLD}


def test_merge_adds_and_remove_takes_away(api: Api) -> None:
    add_customers("a", "b")
    set_segments("a", SILVER)
    run(api, lines(a=[*GOLD, *GOLD], b=GOLD), "action=merge")
    assert all_segments() == {"a": [*SILVER, *GOLD], "b": GOLD}
    run(api, lines(a=SILVER, b=GOLD), "action=remove")
    assert all_segments() == {"a": GOLD, "b": []}
    assert recount(TESTER) == []


def test_upsert_creates_and_updates_profiles(api: Api) -> None:
    add_customers("a", "b", name="Ana")
    body = b'{"document_id": "a", "name": "Ana"}\n{"document_id": "b", "name": "Bea"}\n{"document_id": "c"}'
    report = run(api, body, "action=upsert")["report"]
    assert (report["created"], report["updated"], report["unchanged"]) == (1, 1, 1)
    assert {id_: profile[0] for id_, profile in all_profiles().items()} == {"a": "Ana", "b": "Bea", "c": None}


def test_upsert_refuses_rows_with_segments(api: Api) -> None:
    assert run(api, lines(a=GOLD), "action=upsert")["report"]["rejected"] == 1
    assert all_segments() == {}


def test_dry_run_reports_and_changes_nothing(api: Api) -> None:
    add_customers("a")
    job = run(api, lines(a=GOLD, x=GOLD), "action=replace&dry_run=true")
    assert (job["state"], job["changeSet"]) == ("done", None)
    assert (job["report"]["changed"], job["report"]["notFound"]) == (1, ["x"])
    assert all_segments() == {"a": []}


def test_first_row_of_a_repeated_id_counts(api: Api) -> None:
    add_customers("a")
    job = run(api, lines(a=GOLD) + b"\n" + lines(a=SILVER))
    assert job["report"]["duplicates"] == ["a"]
    assert all_segments() == {"a": GOLD}


def test_rejected_rows_are_a_file_that_can_be_sent_again(api: Api) -> None:
    add_customers("a", "b")
    job = run(api, lines(a=GOLD) + b'\n{"document_id": "b", "segments": [{"type": "x"}]}\nnot json')
    assert job["report"]["rejected"] == 2
    rejected = api.get(f"/api/v3/jobs/{job['id']}/rejected")
    header, first, second = rejected.text.splitlines()
    assert header == "row,line,error"
    assert ",2,segments[0].value:" in first
    assert second.startswith("not json,3,")
    assert all_segments() == {"a": GOLD, "b": []}


def test_stale_customers_are_left_alone(api: Api) -> None:
    add_customers("a", "b")
    set_segments("a", GOLD)
    before = now().isoformat().replace("+00:00", "Z")
    set_segments("b", GOLD)
    job = run(api, lines(a=SILVER, b=SILVER), f"action=replace&as_of={before}")
    assert job["report"]["stale"] == ["b"]
    assert all_segments() == {"a": SILVER, "b": GOLD}


def test_cursor_of_the_feed_is_accepted_as_of(api: Api) -> None:
    add_customers("a")
    cursor = api.get("/api/v3/changes?after=now").json["next"]
    set_segments("a", GOLD)
    assert run(api, lines(a=SILVER), f"action=replace&as_of={cursor}")["report"]["stale"] == ["a"]


def test_repeat_with_the_same_key_is_the_same_job(api: Api) -> None:
    add_customers("a")
    first = submit(api, lines(a=GOLD), Idempotency_Key="night-1")
    again = submit(api, lines(a=GOLD), Idempotency_Key="night-1")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.json["id"], again.headers["Location"]) == (first.json["id"], first.headers["Location"])
    submit(api, lines(a=SILVER), Idempotency_Key="night-1", status=422, code="IDEMPOTENCY_MISMATCH")
    assert finish_job(api, first)["report"]["changed"] == 1
    assert all_segments() == {"a": GOLD}


def test_reason_is_kept_with_the_change_set(api: Api) -> None:
    add_customers("a")
    job = run(api, lines(a=GOLD), Change_Reason="Winter campaign")
    assert api.get(f"/api/v3/change-sets/{job['changeSet']}").json["note"] == "Winter campaign"


@pytest.mark.parametrize(
    ("query", "media_type", "body", "status", "code"),
    [
        ("", "application/x-ndjson", b"{}", 400, "VALIDATION_ERROR"),
        ("action=delete", "application/x-ndjson", b"{}", 400, "VALIDATION_ERROR"),
        ("action=replace&asof=now", "application/x-ndjson", b"{}", 400, "VALIDATION_ERROR"),
        ("action=replace", "application/xml", b"{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("action=replace", "application/x-ndjson", b"", 400, "MALFORMED_JSON"),
    ],
)
def test_refused_requests_start_no_job(
    api: Api, query: str, media_type: str, body: bytes, status: int, code: str
) -> None:
    submit(api, body, query, media_type=media_type, status=status, code=code)
    assert not run_job()


def test_unreadable_file_fails_the_job(api: Api) -> None:
    job = run(api, b"name,type\nAna,x\n", media_type="text/csv")
    assert job["state"] == "failed"
    assert "document_id" in job["error"]


def test_unknown_job_is_404(api: Api) -> None:
    api.get("/api/v3/jobs/99", status=404, code="NOT_FOUND")
    api.call("DELETE", "/api/v3/jobs/99", status=404, code="NOT_FOUND")


def test_job_is_cancelled_before_it_began(api: Api) -> None:
    add_customers("a")
    started = submit(api, lines(a=GOLD))
    assert api.call("DELETE", started.headers["Location"]).json["state"] == "cancelled"
    assert not run_job()
    assert all_segments() == {"a": []}
    api.call("DELETE", started.headers["Location"], status=409, code="JOB_NOT_READY")


def test_killed_job_continues_and_cancelled_job_keeps_its_batches(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 2)
    ids = [f"{n}" for n in range(1, 8)]
    add_customers(*ids)
    started = submit(api, lines(**dict.fromkeys(ids, GOLD)))
    assert run_job()  # checks the file
    kill_in_batch(2, monkeypatch)
    assert sum(map(bool, all_segments().values())) == 2
    job = finish_job(api, started)
    assert (job["state"], job["report"]["changed"], job["done"]) == ("done", 7, 7)
    started = submit(api, lines(**dict.fromkeys(ids, SILVER)))
    assert run_job()
    kill_in_batch(3, monkeypatch)
    api.call("DELETE", started.headers["Location"])
    job = finish_job(api, started)
    assert (job["state"], job["report"]["changed"]) == ("cancelled", 4)
    assert api.get(f"/api/v3/change-sets/{job['changeSet']}").json["state"] == "cancelled"
    assert recount(TESTER) == []


def test_upload_limit_applies_not_that_of_json_bodies(api: Api, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    add_customers("a")
    monkeypatch.setitem(app.config, "MAX_BODY_BYTES", 100)
    monkeypatch.setitem(app.config, "MAX_CONTENT_LENGTH", 100)
    assert run(api, lines(a=GOLD) + b"\n" * 200)["report"]["changed"] == 1
    monkeypatch.setattr(jobs, "MAX_UPLOAD_BYTES", 100)
    submit(api, lines(a=GOLD) + b"\n" * 200, status=413, code="TOO_LARGE")


def test_jobs_of_pages_are_not_shown(api: Api) -> None:
    from app.core.database import run_in_transaction  # noqa: PLC0415

    def add(session: Any) -> int:
        job = Job(kind="import", state="draft", created_by="x", actor="x", source="web", created_at=now(), payload={})
        session.add(job)
        session.flush()
        return int(job.id)

    api.get(f"/api/v3/jobs/{run_in_transaction(add)}", status=404, code="NOT_FOUND")


def test_progress_of_each_state_begins_anew(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that takes long publishes its progress, which is not the progress of what is applied."""
    monkeypatch.setattr(batches, "BATCH_SIZE", 2)
    report = JobRun.report_progress
    monkeypatch.setattr(JobRun, "report_progress", lambda run, done: (report(run, done), run.renew_lease()))
    add_customers(*"abc")
    started = submit(api, lines(a=GOLD, b=GOLD, c=GOLD))
    assert run_job()
    checked: Any = api.get(started.headers["Location"]).json
    assert (checked["state"], checked["done"]) == ("applying", 0)
    applied = finish_job(api, started)
    assert (applied["state"], applied["done"], applied["total"]) == ("done", 3, 3)
    revert = f"/api/v3/change-sets/{applied['changeSet']}/revert"
    started = api.call("POST", revert, headers={"Prefer": "respond-async"}, status=202)
    undone = finish_job(api, started)
    assert (undone["state"], undone["done"], undone["total"]) == ("done", 3, 3)
    dry_run = run(api, lines(a=GOLD, b=GOLD, c=GOLD), "action=replace&dry_run=true")
    assert (dry_run["state"], dry_run["done"]) == ("done", 3)
