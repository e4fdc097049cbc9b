"""Jobs of a token that is revoked."""

from typing import Any

import pytest
from flask import Flask

from app.access.api_tokens import create_token
from app.core.changes.guard import Guard
from app.jobs import batches
from app.jobs.revoked_tokens import revoke_token
from tests.support.api_jobs import kill_in_batch
from tests.support.clients import Api, Shell, api_with
from tests.support.customers import GOLD, add_customers, all_segments, set_segments
from tests.support.html_client import HtmlClient
from tests.support.imports import run_job, run_jobs
from tests.support.schedules import XMAS, job_states, let_pass, read_job, submit

ERROR = "The token was revoked before this was applied. Nothing was applied."


@pytest.fixture
def other(app: Flask) -> Api:
    """A token that stays valid."""
    return api_with(app, create_token("other"))


@pytest.fixture(autouse=True)
def customers(app: Flask) -> None:
    add_customers(*"abcde")


def test_jobs_that_have_not_begun_are_cancelled(api: Api, other: Api, shell: Shell, viewer: HtmlClient) -> None:
    submit(api, apply_at=1, revert_at=2)
    run_job()
    submit(api)
    run_job()
    submit(api)
    submit(other)
    assert job_states() == [("api", state) for state in ("scheduled", "applying", "checking", "checking")]
    assert "3 jobs cancelled." in shell("tokens", "revoke", "crm-nightly").stdout
    assert job_states() == [("api", state) for state in ("cancelled", "cancelled", "cancelled", "checking")]
    set_segments("a", GOLD)
    let_pass(3)
    run_jobs()
    assert all_segments()["a"] == [*GOLD, *XMAS], "of the other token only"
    assert len(read_job(other, "4")["report"]) > 0
    assert revoke_token("crm-nightly") == 0


def test_held_change_is_discarded_and_says_why(app: Flask, editor: HtmlClient) -> None:
    for id_ in "abcde":
        set_segments(id_, GOLD)
    crm = api_with(app, create_token("crm", guard=Guard(customers=1, holds=True)))
    crm.replace([{"document_id": id_, "segments": []} for id_ in "abcde"], status=202)
    revoke_token("crm")
    assert job_states() == [("api", "discarded")]
    assert ERROR in editor.get("/approvals/1").text
    run_jobs()
    assert all_segments()["a"] == GOLD


def test_approved_change_stays(app: Flask, editor: HtmlClient) -> None:
    for id_ in "abcde":
        set_segments(id_, GOLD)
    crm = api_with(app, create_token("crm", guard=Guard(customers=1, holds=True)))
    crm.replace([{"document_id": id_, "segments": []} for id_ in "abcde"], status=202)
    editor.post("/approvals/1", {"action": "approve"})
    assert revoke_token("crm") == 0
    run_jobs()
    assert all_segments()["a"] == []


def test_job_that_has_begun_is_applied_to_its_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 2)
    submit(api, revert_at=5)
    run_job()
    kill_in_batch(2, monkeypatch)
    assert revoke_token("crm-nightly") == 0
    run_jobs()
    assert {id_ for id_, segments in all_segments().items() if segments == XMAS} == set("abcde")
    let_pass(6)
    run_jobs()
    assert not any(all_segments().values()), "what it gave is taken back at its moment"


def test_worker_that_is_about_to_apply_the_first_batch_applies_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(api)
    run_job()
    kill_in_batch(1, monkeypatch)
    assert revoke_token("crm-nightly") == 1
    run_jobs()
    assert not any(all_segments().values())


def test_admin_sees_how_many_jobs_are_cancelled(api: Api, admin: HtmlClient) -> None:
    submit(api, apply_at=1)
    page: Any = admin.get("/tokens/1/revoke")
    assert "Its jobs that haven't begun are canceled." in page.text
    admin.post("/tokens/1/revoke")
    assert "1 job canceled." in admin.get("/tokens").text
    assert "canceled jobs: 1" in admin.get("/audit-log").text
