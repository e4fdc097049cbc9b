"""Changes that the guard of a token holds until an operator approves them (contract §8)."""

from datetime import timedelta

from flask import Flask

from app.access.token_request_log import log_buffer
from app.core.counts.recount import recount
from app.core.database import now
from tests.support.clients import Api, Shell
from tests.support.customers import GOLD, SILVER, TESTER, all_segments, set_segments
from tests.support.held_changes import EMPTY, IDS, SEGMENTS, decide, held, job, only, token
from tests.support.html_client import HtmlClient
from tests.support.imports import run_job, run_jobs


def test_held_request_changes_nothing_until_it_is_approved(holding: Api, editor: HtmlClient) -> None:
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


def test_dry_run_is_refused_with_the_report_and_holds_nothing(holding: Api, editor: HtmlClient) -> None:
    response = holding.client.post(f"{SEGMENTS}?dry_run=true", json={"customers": EMPTY}, headers=holding.headers)
    assert response.status_code == 409
    assert response.json is not None
    assert response.json["report"]["changed"] == 10
    assert "approval of an operator" in response.json["error"]["message"]
    assert "Nothing waits for approval" in editor.get("/approvals").text


def test_customer_who_changed_after_the_request_is_left_alone(holding: Api, editor: HtmlClient) -> None:
    job_id = held(holding.replace(EMPTY, status=202))
    set_segments("c", SILVER)
    decide(editor, job_id)
    run_jobs()
    assert all_segments() == {**only([], *IDS), "c": SILVER}
    assert job(holding, job_id)["report"]["stale"] == ["c"]


def test_earlier_as_of_of_the_request_holds(holding: Api, editor: HtmlClient) -> None:
    feed = holding.get("/api/v3/changes?after=now").json
    assert feed is not None
    set_segments("d", SILVER)
    job_id = held(holding.replace(EMPTY, f"?as_of={feed['next']}", status=202))
    decide(editor, job_id)
    run_jobs()
    assert all_segments()["d"] == SILVER


def test_as_of_in_the_future_becomes_the_moment_of_the_request(holding: Api, editor: HtmlClient) -> None:

    moment = (now() + timedelta(seconds=50)).isoformat().replace("+00:00", "Z")
    job_id = held(holding.replace(EMPTY, f"?as_of={moment}", status=202))
    set_segments("c", SILVER)
    decide(editor, job_id)
    run_jobs()
    assert all_segments()["c"] == SILVER


def test_newer_held_request_supersedes_the_older(holding: Api, editor: HtmlClient, app: Flask, shell: Shell) -> None:
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


def test_repeat_with_its_key_answers_202_again(holding: Api, editor: HtmlClient) -> None:
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


def test_rejected_change_is_not_applied(holding: Api, editor: HtmlClient) -> None:
    job_id = held(holding.replace(EMPTY, status=202))
    decide(editor, job_id, "reject", reason="The file was truncated.")
    run_jobs()
    assert all_segments() == only(GOLD)
    shown = job(holding, job_id)
    assert (shown["state"], shown["error"]) == ("cancelled", "Rejected by an operator: The file was truncated.")
    editor.post(f"/approvals/{job_id}", {"action": "approve"}, status=409)


def test_client_cancels_its_held_change(holding: Api, editor: HtmlClient) -> None:
    job_id = held(holding.replace(EMPTY, status=202))
    assert holding.call("DELETE", f"/api/v3/jobs/{job_id}").json is not None
    assert job(holding, job_id)["state"] == "cancelled"
    editor.post(f"/approvals/{job_id}", {"action": "approve"}, status=409)


def test_viewer_sees_the_held_change_and_decides_nothing(holding: Api, viewer: HtmlClient) -> None:
    job_id = held(holding.replace(EMPTY, status=202))
    assert "will lose all their segments" in viewer.get(f"/approvals/{job_id}").text
    for action in ("approve", "reject"):
        viewer.post(f"/approvals/{job_id}", {"action": action}, status=403)
    assert job(holding, job_id)["state"] == "held"


def test_floor_lets_few_customers_through(app: Flask, shell: Shell, holding: Api) -> None:
    api = token(app, shell, "--guard-percent", "20", "--guard-floor", "3", name="floor")
    assert api.updated(EMPTY[:3]) == IDS[:3]
    assert api.client.post(SEGMENTS, json={"customers": EMPTY[3:7]}, headers=api.headers).status_code == 409


def test_warning_is_applied_and_reported(app: Flask, shell: Shell, holding: Api, admin: HtmlClient) -> None:
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


def test_decisions_are_in_the_audit_log(holding: Api, editor: HtmlClient, admin: HtmlClient) -> None:
    first = held(holding.replace(EMPTY, status=202))
    decide(editor, first, "reject", reason="No.")
    second = held(holding.replace(EMPTY, status=202))
    decide(editor, second)
    log = admin.get("/audit-log").text
    assert f"Change rejected job {first}" in log
    assert f"Change approved job {second}" in log
    assert "requested by: token crm" in log
