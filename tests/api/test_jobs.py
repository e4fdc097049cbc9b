"""Jobs over the API: a file is sent, checked, applied in batches, cancelled, reported."""

import gzip
import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.access.api_tokens import create_token
from app.api import jobs
from app.core.changes.guard import Guard
from app.core.counts.recount import recount
from app.core.database import now
from app.jobs import batches
from app.jobs.jobs import Job
from tests.support.api_jobs import kill_in_batch
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.imports import all_profiles, run_job

CSV = b"document_id,type,value\na,membership,GOLD\nb,membership,GOLD\nx,membership,GOLD\n"


def lines(**segments: Any) -> bytes:
    return b"\n".join(json.dumps({"document_id": id_, "segments": value}).encode() for id_, value in segments.items())


def submit(
    api: Api,
    body: bytes,
    query: str = "action=replace",
    *,
    media_type: str = "application/x-ndjson",
    status: int = 202,
    code: str | None = None,
    **headers: str,
) -> TestResponse:
    sent = {"Content-Type": media_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return api.call("POST", f"/api/v3/jobs?{query}", data=body, headers=sent, status=status, code=code)


def finish(api: Api, response: TestResponse) -> dict[str, Any]:
    """Run the job to its end, and return it as the API shows it."""
    while run_job():
        pass
    job: dict[str, Any] = api.call("GET", response.headers["Location"]).json
    return job


def run(api: Api, body: bytes, query: str = "action=replace", **options: str) -> dict[str, Any]:
    return finish(api, submit(api, body, query, **options))


def test_replace_changes_existing_customers_in_one_change_set(api: Api) -> None:
    add_customers("a", "b")
    set_segments("b", GOLD)
    response = submit(api, lines(a=GOLD, b=GOLD, x=GOLD, c=[]))
    assert response.json["state"] == "checking"
    assert response.headers["Location"] == f"/api/v3/jobs/{response.json['id']}"
    job = finish(api, response)
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


@pytest.fixture
def guarded(client: FlaskClient) -> Api:
    return Api(client, create_token("guarded", guard=Guard(customers=0)))


@pytest.fixture
def client(app: Any) -> FlaskClient:
    return app.test_client()  # type: ignore[no-any-return]


def test_guard_stops_the_job_before_its_first_batch(guarded: Api) -> None:
    add_customers("a", "b")
    set_segments("a", GOLD)
    job = run(guarded, lines(a=[], b=GOLD))
    assert (job["state"], job["changeSet"]) == ("failed", None)
    assert "1 customer would lose all their segments" in job["error"]
    assert all_segments() == {"a": GOLD, "b": []}
    assert run(guarded, lines(a=[], b=GOLD), Guard="override")["state"] == "done"
    assert all_segments() == {"a": [], "b": GOLD}


def test_token_limited_to_types_replaces_only_these(client: FlaskClient) -> None:
    api = Api(client, create_token("loyalty", types=["membership"]))
    add_customers("a", "b")
    set_segments("a", [{"type": "region", "value": "N"}, *SILVER])
    job = run(api, lines(a=GOLD, b=[{"type": "region", "value": "S"}]))
    assert job["report"]["rejected"] == 1
    assert all_segments() == {"a": [{"type": "region", "value": "N"}, *GOLD], "b": []}
    submit(api, lines(a=GOLD), "action=replace&types=region", status=403, code="FORBIDDEN")


def test_token_limited_to_types_sees_only_its_own_jobs(client: FlaskClient, api: Api) -> None:
    limited = Api(client, create_token("loyalty", types=["membership"]))
    job = submit(api, lines(a=[{"type": "region", "value": "N"}])).headers["Location"]
    limited.get(job, status=403, code="FORBIDDEN")
    limited.get(f"{job}/rejected", status=403, code="FORBIDDEN")
    limited.call("DELETE", job, status=403, code="FORBIDDEN")
    limited.get(submit(limited, lines(a=GOLD)).headers["Location"])


def test_dry_run_and_guard_leave_stale_customers_out(api: Api, guarded: Api) -> None:
    add_customers("a", "b")
    before = now().isoformat().replace("+00:00", "Z")
    set_segments("b", GOLD)
    query = f"action=replace&as_of={before}"
    report = run(api, lines(a=SILVER, b=[]), f"{query}&dry_run=true")["report"]
    assert (report["changed"], report["stale"]) == (1, ["b"])
    assert run(guarded, lines(a=SILVER, b=[]), query)["report"] == report
    assert all_segments() == {"a": SILVER, "b": GOLD}


def test_types_limit_what_is_replaced(api: Api) -> None:
    add_customers("a")
    set_segments("a", [{"type": "region", "value": "N"}, *SILVER])
    run(api, lines(a=GOLD), "action=replace&types=membership")
    assert all_segments() == {"a": [{"type": "region", "value": "N"}, *GOLD]}
    submit(api, lines(a=GOLD), "action=merge&types=membership", status=400, code="VALIDATION_ERROR")


def test_repeat_with_the_same_key_is_the_same_job(api: Api) -> None:
    add_customers("a")
    first = submit(api, lines(a=GOLD), Idempotency_Key="night-1")
    again = submit(api, lines(a=GOLD), Idempotency_Key="night-1")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.json["id"], again.headers["Location"]) == (first.json["id"], first.headers["Location"])
    submit(api, lines(a=SILVER), Idempotency_Key="night-1", status=422, code="IDEMPOTENCY_MISMATCH")
    assert finish(api, first)["report"]["changed"] == 1
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


@pytest.mark.parametrize(("scope", "refused"), [("segments:write", "upsert"), ("customers:write", "replace")])
def test_each_action_needs_its_scope(client: FlaskClient, api: Api, scope: str, refused: str) -> None:
    limited = Api(client, create_token("limited", (scope,)))
    submit(limited, lines(a=None), f"action={refused}", status=403, code="FORBIDDEN")
    job = submit(api, lines(a=None), f"action={refused}")
    limited.get(job.headers["Location"], status=403, code="FORBIDDEN")
    limited.call("DELETE", job.headers["Location"], status=403, code="FORBIDDEN")
    limited.get(job.headers["Location"] + "/rejected", status=403, code="FORBIDDEN")


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
    job = finish(api, started)
    assert (job["state"], job["report"]["changed"], job["done"]) == ("done", 7, 7)
    started = submit(api, lines(**dict.fromkeys(ids, SILVER)))
    assert run_job()
    kill_in_batch(3, monkeypatch)
    api.call("DELETE", started.headers["Location"])
    job = finish(api, started)
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
