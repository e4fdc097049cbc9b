"""Held patches, members, jobs and reverts, and what is never held (contract §8)."""

from typing import Any

import pytest
from flask import Flask

from app.access.api_tokens import create_token
from app.core.changes.guard import Guard
from app.core.counts.recount import recount
from app.core.models.segment_rules import SegmentRule, save_rule
from app.jobs import batches, held_requests
from app.jobs.states import JobState
from tests.support.api_jobs import kill_in_batch
from tests.support.clients import Api, Shell, api_with
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.held_changes import EMPTY, IDS, SEGMENTS, decide, held, job, only, token
from tests.support.html_client import HtmlClient
from tests.support.imports import run_jobs
from tests.support.schedules import XMAS, let_pass, submit


def test_patch_is_held_and_applied(holding: Api, editor: HtmlClient) -> None:
    wine = [{"type": "interest", "value": "WINE"}]
    set_segments("a", [*GOLD, *wine])
    patches = [{"document_id": id_, "add": [], "remove": GOLD} for id_ in IDS]
    job_id = held(holding.call("PATCH", SEGMENTS, json={"customers": patches}, status=202))
    assert all_segments()["b"] == GOLD
    assert job(holding, job_id)["report"]["changed"] == 10
    decide(editor, job_id)
    run_jobs()
    assert all_segments() == {**only([], *IDS), "a": wine}


def test_held_patch_of_a_strict_token_is_checked_again_when_it_is_applied(app: Flask, editor: HtmlClient) -> None:
    add_customers("a", "b")
    for id_ in "ab":
        set_segments(id_, GOLD)
    strict = api_with(app, create_token("strict", guard=Guard(customers=0, holds=True), strict=True))
    patches = [{"document_id": "a", "add": SILVER, "remove": []}, {"document_id": "b", "add": [], "remove": GOLD}]
    job_id = held(strict.call("PATCH", SEGMENTS, json={"customers": patches}, status=202))
    save_rule(SegmentRule(type="membership", description="", multiple=False, policy="free", allowed_values=[]))
    decide(editor, job_id)
    run_jobs()
    assert all_segments() == {"a": GOLD, "b": []}


def test_replacement_of_types_is_held_and_keeps_other_types(holding: Api, editor: HtmlClient) -> None:
    wine = [{"type": "interest", "value": "WINE"}]
    set_segments("a", [*wine, *GOLD])
    job_id = held(holding.replace(EMPTY, "?types=membership", status=202))
    decide(editor, job_id)
    run_jobs()
    assert all_segments() == {**only([], *IDS), "a": wine}


def test_list_of_members_is_held_and_applied(holding: Api, editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_job_is_held_as_of_its_request(holding: Api, editor: HtmlClient, action: str) -> None:
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
def test_revert_is_held_and_applied(holding: Api, editor: HtmlClient, prefer: dict[str, str]) -> None:
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


def test_put_of_a_customer_is_refused_and_not_held(holding: Api, editor: HtmlClient) -> None:
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


def test_killed_worker_continues_an_approved_change(
    holding: Api, editor: HtmlClient, monkeypatch: pytest.MonkeyPatch
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


def test_scheduled_job_is_held_and_keeps_its_moment(holding: Api, editor: HtmlClient) -> None:
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


def test_the_guard_does_not_keep_a_scheduled_revert_from_ending_a_campaign(holding: Api) -> None:
    """Whom it leaves without segments had none before the campaign; the same revert at once is held."""
    new = [f"new-{number}" for number in range(10)]
    add_customers(*new)
    campaign = submit(holding, rows={id_: {"segments": XMAS} for id_ in new}, revert_at=10)
    run_jobs()
    assert all(all_segments()[id_] == XMAS for id_ in new)
    change_set = job(holding, campaign["id"])["changeSet"]
    at_once = holding.call("POST", f"/api/v3/change-sets/{change_set}/revert", status=202).json["job"]
    run_jobs()
    assert job(holding, at_once)["state"] == "held"
    let_pass(11)
    run_jobs()
    assert job(holding, job(holding, campaign["id"])["revertJob"])["state"] == "done"
    assert all_segments() == only(GOLD) | {id_: [] for id_ in new}
