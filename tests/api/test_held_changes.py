"""Changes that the guard of a token holds until an operator approves them (contract §8)."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.access.token_request_log import log_buffer
from app.core.counts.recount import recount
from app.core.database import now
from app.jobs import batches, held_requests
from app.jobs.states import JobState
from tests.support.api_jobs import kill_in_batch
from tests.support.clients import Api, Shell, api_with
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.html_client import Operator
from tests.support.imports import run_job

SEGMENTS = "/api/v3/customers/segments"
IDS = list("abcdefghij")
EMPTY: list[dict[str, Any]] = [{"document_id": id_, "segments": []} for id_ in IDS]


def token(app: Flask, shell: Shell, *options: str, name: str = "crm") -> Api:
    return api_with(app, shell("tokens", "create", name, *options).stdout.splitlines()[-1])


@pytest.fixture
def holding(app: Flask, shell: Shell) -> Api:
    """A token that may empty 20 % of the customers sent, and holds what is more; ten customers have GOLD."""
    add_customers(*IDS)
    for id_ in IDS:
        set_segments(id_, GOLD)
    return token(app, shell, "--guard-percent", "20", "--guard-action", "hold")


def held(response: TestResponse) -> str:
    """Return the id of the job that a held request was answered with."""
    assert response.json is not None
    assert response.json == {"updatedCustomers": [], "job": response.json["job"]}
    assert response.headers["Location"] == f"/api/v3/jobs/{response.json['job']}"
    return str(response.json["job"])


def job(api: Api, job_id: str) -> Any:
    return api.get(f"/api/v3/jobs/{job_id}").json


def decide(operator: Operator, job_id: str, action: str = "approve", **form: str) -> None:
    operator.post(f"/approvals/{job_id}", {"action": action, **form})


def run_jobs() -> None:
    while run_job():
        pass


def only(segments: Any, *ids: str) -> dict[str, Any]:
    """Return the segments of all customers: these of the ones named, and GOLD of the others."""
    return {id_: segments if id_ in ids else GOLD for id_ in IDS}


def test_held_request_changes_nothing_until_it_is_approved(holding: Api, editor: Operator) -> None:
    job_id = held(holding.replace(EMPTY, status=202))
    assert all_segments() == only(GOLD)
    assert not run_job()
    shown = job(holding, job_id)
    assert shown["state"] == "held"
    assert shown["report"]["changed"] == 10
    decide(editor, job_id)
    run_jobs()
    assert all_segments() == only([], *IDS)
    shown = job(holding, job_id)
    assert shown["state"] == "done"
    change_set = holding.get(f"/api/v3/change-sets/{shown['changeSet']}").json
    assert change_set is not None
    assert change_set["actor"] == "token crm"
    assert recount(TESTER) == []


def test_within_the_guard_nothing_is_held(holding: Api) -> None:
    assert holding.updated(EMPTY[:2] + [{"document_id": id_, "segments": SILVER} for id_ in IDS[2:]]) == IDS
    assert all_segments()["a"] == []


def test_override_never_passes_hold(holding: Api) -> None:
    held(holding.replace(EMPTY, status=202, headers={"Guard": "override"}))
    assert all_segments() == only(GOLD)


def test_dry_run_is_refused_with_the_report_and_holds_nothing(holding: Api, editor: Operator) -> None:
    response = holding.client.post(f"{SEGMENTS}?dry_run=true", json={"customers": EMPTY}, headers=holding.headers)
    assert response.status_code == 409
    assert response.json is not None
    assert response.json["report"]["changed"] == 10
    assert "approval of an operator" in response.json["error"]["message"]
    assert "Nothing waits for approval" in editor.get("/approvals").text


def test_customer_who_changed_after_the_request_is_left_alone(holding: Api, editor: Operator) -> None:
    job_id = held(holding.replace(EMPTY, status=202))
    set_segments("c", SILVER)
    decide(editor, job_id)
    run_jobs()
    assert all_segments() == {**only([], *IDS), "c": SILVER}
    assert job(holding, job_id)["report"]["stale"] == ["c"]


def test_earlier_as_of_of_the_request_holds(holding: Api, editor: Operator) -> None:
    feed = holding.get("/api/v3/changes?after=now").json
    assert feed is not None
    set_segments("d", SILVER)
    job_id = held(holding.replace(EMPTY, f"?as_of={feed['next']}", status=202))
    decide(editor, job_id)
    run_jobs()
    assert all_segments()["d"] == SILVER


def test_as_of_in_the_future_becomes_the_moment_of_the_request(holding: Api, editor: Operator) -> None:

    moment = (now() + timedelta(seconds=50)).isoformat().replace("+00:00", "Z")
    job_id = held(holding.replace(EMPTY, f"?as_of={moment}", status=202))
    set_segments("c", SILVER)
    decide(editor, job_id)
    run_jobs()
    assert all_segments()["c"] == SILVER


def test_newer_held_request_supersedes_the_older(holding: Api, editor: Operator, app: Flask, shell: Shell) -> None:
    other = token(app, shell, "--guard-percent", "20", "--guard-action", "hold", name="other")
    of_other = held(other.replace(EMPTY, status=202))
    older = held(holding.replace(EMPTY, status=202))
    newer = held(holding.replace(EMPTY[:5], status=202))
    ended = job(holding, older)
    assert ended["state"] == "cancelled"
    assert f"Superseded by job {newer}" in ended["error"]
    editor.post(f"/approvals/{older}", {"action": "approve"}, status=409)
    assert job(holding, newer)["state"] == job(other, of_other)["state"] == "held"
    decide(editor, newer)
    run_jobs()
    assert all_segments() == only([], *IDS[:5])


def test_repeat_with_its_key_answers_202_again(holding: Api, editor: Operator) -> None:
    key = {"Idempotency-Key": "night-1"}
    first = holding.replace(EMPTY, status=202, headers=key)
    again = holding.replace(EMPTY, status=202, headers=key)
    assert again.json == first.json
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    job_id = held(first)
    decide(editor, job_id)
    run_jobs()
    assert holding.replace(EMPTY, status=202, headers=key).json == first.json
    assert not run_job()


def test_rejected_change_is_not_applied(holding: Api, editor: Operator) -> None:
    job_id = held(holding.replace(EMPTY, status=202))
    decide(editor, job_id, "reject", reason="The file was truncated.")
    run_jobs()
    assert all_segments() == only(GOLD)
    shown = job(holding, job_id)
    assert (shown["state"], shown["error"]) == ("cancelled", "Rejected by an operator: The file was truncated.")
    editor.post(f"/approvals/{job_id}", {"action": "approve"}, status=409)


def test_client_cancels_its_held_change(holding: Api, editor: Operator) -> None:
    job_id = held(holding.replace(EMPTY, status=202))
    assert holding.call("DELETE", f"/api/v3/jobs/{job_id}").json is not None
    assert job(holding, job_id)["state"] == "cancelled"
    editor.post(f"/approvals/{job_id}", {"action": "approve"}, status=409)


def test_viewer_sees_the_held_change_and_decides_nothing(holding: Api, viewer: Operator) -> None:
    job_id = held(holding.replace(EMPTY, status=202))
    assert "will lose all their segments" in viewer.get(f"/approvals/{job_id}").text
    for action in ("approve", "reject"):
        viewer.post(f"/approvals/{job_id}", {"action": action}, status=403)
    assert job(holding, job_id)["state"] == "held"


def test_patch_is_held_and_applied(holding: Api, editor: Operator) -> None:
    wine = [{"type": "interest", "value": "WINE"}]
    set_segments("a", [*GOLD, *wine])
    patches = [{"document_id": id_, "add": [], "remove": GOLD} for id_ in IDS]
    job_id = held(holding.call("PATCH", SEGMENTS, json={"customers": patches}, status=202))
    assert all_segments()["b"] == GOLD
    assert job(holding, job_id)["report"]["changed"] == 10
    decide(editor, job_id)
    run_jobs()
    assert all_segments() == {**only([], *IDS), "a": wine}


def test_replacement_of_types_is_held_and_keeps_other_types(holding: Api, editor: Operator) -> None:
    wine = [{"type": "interest", "value": "WINE"}]
    set_segments("a", [*wine, *GOLD])
    job_id = held(holding.replace(EMPTY, "?types=membership", status=202))
    decide(editor, job_id)
    run_jobs()
    assert all_segments() == {**only([], *IDS), "a": wine}


def test_list_of_members_is_held_and_applied(holding: Api, editor: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 4)
    url = "/api/v3/segments/membership/GOLD/members"
    job_id = held(holding.call("PUT", url, json={"document_ids": ["a", "nobody"]}, status=202))
    assert all_segments() == only(GOLD)
    page = editor.get(f"/approvals/{job_id}").text
    assert "9 of 10 members would lose the segment." in page
    set_segments("c", [*SILVER, *GOLD])
    decide(editor, job_id)
    run_jobs()
    assert all_segments() == {**only([], *IDS), "a": GOLD, "c": [*SILVER, *GOLD]}
    report = job(holding, job_id)["report"]
    assert (report["removed"], report["stale"], report["notFound"]) == (8, ["c"], ["nobody"])


@pytest.mark.parametrize("action", ["replace", "remove"])
def test_job_is_held_as_of_its_request(holding: Api, editor: Operator, action: str) -> None:
    segments: Any = [] if action == "replace" else GOLD
    body = {"customers": [{"document_id": id_, "segments": segments} for id_ in IDS]}
    started = holding.call("POST", f"/api/v3/jobs?action={action}", json=body, status=202).json
    assert started is not None
    set_segments("c", SILVER)
    run_jobs()
    assert job(holding, started["id"])["state"] == "held"
    set_segments("d", SILVER)
    decide(editor, started["id"])
    run_jobs()
    assert all_segments() == {**only([], *IDS), "c": SILVER, "d": SILVER}


def test_dry_run_of_a_job_over_the_guard_fails(holding: Api) -> None:
    started = holding.call("POST", "/api/v3/jobs?action=replace&dry_run=true", json={"customers": EMPTY}, status=202)
    run_jobs()
    assert started.json is not None
    shown = job(holding, started.json["id"])
    assert shown["state"] == "failed"
    assert "approval of an operator" in shown["error"]


def give_platinum(api: Api) -> str:
    """Give ten new customers their first segment, and return the change set."""
    add_customers(*(f"new-{id_}" for id_ in IDS))
    sent = [{"document_id": f"new-{id_}", "segments": SILVER} for id_ in IDS]
    return str(api.replace(sent).headers["Change-Set"])


@pytest.mark.parametrize("prefer", [{}, {"Prefer": "respond-async"}])
def test_revert_is_held_and_applied(holding: Api, editor: Operator, prefer: dict[str, str]) -> None:
    change_set = give_platinum(holding)
    response = holding.call("POST", f"/api/v3/change-sets/{change_set}/revert", status=202, headers=prefer)
    assert response.json is not None
    job_id = response.json["id"] if prefer else held(response)
    run_jobs()
    assert job(holding, job_id)["state"] == "held"
    assert all_segments()["new-a"] == SILVER
    set_segments("new-b", GOLD)
    decide(editor, job_id)
    run_jobs()
    assert {id_: segments for id_, segments in all_segments().items() if id_.startswith("new-")} == {
        **{f"new-{id_}": [] for id_ in IDS},
        "new-b": GOLD,
    }


def test_revert_by_job_counts_customers_who_would_be_deleted(holding: Api, app: Flask, shell: Shell) -> None:
    refusing = token(app, shell, "--guard-customers", "0", name="refusing")
    created = refusing.call("PUT", "/api/v3/customers/x", json={"segments": GOLD}).headers["Change-Set"]
    url = f"/api/v3/change-sets/{created}/revert"
    response = refusing.client.post(url, headers=refusing.headers)
    assert response.status_code == 409
    started = refusing.call("POST", url, status=202, headers={"Prefer": "respond-async"}).json
    assert started is not None
    run_jobs()
    assert job(refusing, started["id"])["state"] == "failed"
    assert all_segments()["x"] == GOLD


def test_put_of_a_customer_is_refused_and_not_held(holding: Api, editor: Operator) -> None:
    for headers in ({}, {"Guard": "override"}):
        response = holding.client.put(
            "/api/v3/customers/a", json={"segments": []}, headers={**holding.headers, **headers}
        )
        assert response.status_code == 409
    assert "Nothing waits for approval" in editor.get("/approvals").text
    assert all_segments() == only(GOLD)


def test_rename_of_a_segment_takes_no_last_segment_and_passes(holding: Api) -> None:
    holding.call("POST", "/api/v3/segments/membership/GOLD/rename", json=SILVER[0], status=202)
    run_jobs()
    assert all_segments() == only(SILVER, *IDS)


def test_floor_lets_few_customers_through(app: Flask, shell: Shell, holding: Api) -> None:
    api = token(app, shell, "--guard-percent", "20", "--guard-floor", "3", name="floor")
    assert api.updated(EMPTY[:3]) == IDS[:3]
    assert api.client.post(SEGMENTS, json={"customers": EMPTY[3:7]}, headers=api.headers).status_code == 409


def test_warning_is_applied_and_reported(app: Flask, shell: Shell, holding: Api, admin: Operator) -> None:
    options = ("--guard-warn-percent", "10", "--guard-warn-customers", "5", "--guard-customers", "5")
    api = token(app, shell, *options, name="warning")
    text = "2 customers lost all their segments: more than the token's guard warns of."
    response = api.replace(EMPTY[:2], "?report=true")
    assert response.headers["Guard-Warning"] == text
    assert response.json is not None
    assert response.json["report"]["warning"] == text
    assert all_segments() == only([], "a", "b")
    quiet = api.replace([{"document_id": id_, "segments": GOLD} for id_ in IDS], "?report=true")
    assert "Guard-Warning" not in quiet.headers

    log_buffer.write()
    tokens = admin.get("/tokens")
    assert "safety limit: warning" in admin.get(tokens.links["warning"]).text


def test_warning_of_a_job_is_in_its_report(app: Flask, shell: Shell, holding: Api) -> None:
    api = token(app, shell, "--guard-warn-customers", "0", name="warning")
    started = api.call("POST", "/api/v3/jobs?action=replace", json={"customers": EMPTY}, status=202).json
    run_jobs()
    assert started is not None
    assert "10 customers lost all their segments" in job(api, started["id"])["report"]["warning"]


def test_token_is_changed_by_command(app: Flask, shell: Shell, holding: Api) -> None:
    shell("tokens", "update", "crm", "--guard-action", "refuse", "--guard-floor", "9")
    assert holding.client.post(SEGMENTS, json={"customers": EMPTY}, headers=holding.headers).status_code == 409
    shell("tokens", "update", "crm", "--no-guard")
    assert holding.updated(EMPTY) == IDS
    shell("tokens", "update", "nobody", "--no-guard", exit_code=2)


def test_decisions_are_in_the_audit_log(holding: Api, editor: Operator, admin: Operator) -> None:
    first = held(holding.replace(EMPTY, status=202))
    decide(editor, first, "reject", reason="No.")
    second = held(holding.replace(EMPTY, status=202))
    decide(editor, second)
    log = admin.get("/audit-log").text
    assert f"Change rejected job {first}" in log
    assert f"Change approved job {second}" in log
    assert "requested by: token crm" in log


def test_killed_worker_continues_an_approved_change(
    holding: Api, editor: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(batches, "BATCH_SIZE", 3)
    monkeypatch.setattr(held_requests, "BATCH_SIZE", 3)
    job_id = held(holding.replace(EMPTY, status=202))
    decide(editor, job_id)
    kill_in_batch(2, monkeypatch)
    run_jobs()
    assert all_segments() == only([], *IDS)
    assert job(holding, job_id)["state"] == JobState.DONE
    assert recount(TESTER) == []


def test_scheduled_job_is_held_and_keeps_its_moment(holding: Api, editor: Operator) -> None:
    url = "/api/v3/jobs?action=replace&apply_at=2999-01-01T00:00:00Z"
    started = holding.call("POST", url, json={"customers": EMPTY}, status=202).json
    assert started is not None
    run_jobs()
    assert job(holding, started["id"])["state"] == "held"
    decide(editor, started["id"])
    run_jobs()
    shown = job(holding, started["id"])
    assert shown["state"] == "scheduled"
    assert shown["apply_at"].startswith("2999-01-01T00:00:00")
    page = editor.get(f"/approvals/{started['id']}").text
    assert "Will be applied: " in page
    assert "Nothing changed" not in page
    assert all_segments() == only(GOLD)
