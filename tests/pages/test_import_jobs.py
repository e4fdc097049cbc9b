"""Imports as jobs: workers that die, retries, stops and progress."""

import threading
from typing import Any

import pytest
from sqlalchemy import select

from app import background
from app.core.counts.recount import recount
from app.core.database import db
from app.core.errors import Unavailable
from app.core.models.change_sets import ChangeSet
from app.files import staging
from app.jobs import runner
from app.jobs.runner import LeaseLost
from app.jobs.states import JobKind, JobState
from tests.support.customers import TESTER
from tests.support.html_client import HtmlClient
from tests.support.imports import (
    ROLES,
    SPREADSHEET,
    all_profiles,
    apply,
    expire_leases,
    last_result,
    preview,
    run_job,
    upload,
)

# Workers that die, stop or fail


def start_apply(editor: HtmlClient, content: str = SPREADSHEET) -> str:
    url = upload(editor, content)
    preview(editor, url, ROLES)
    editor.post(url, {"action": "apply"})
    return url


def test_next_worker_continues_after_a_worker_died(editor: HtmlClient) -> None:
    start_apply(editor)
    claimed = runner._claim(threading.Event())  # a worker that dies
    assert claimed is not None
    db.session.rollback()
    assert not run_job()  # its lease has not ended
    expire_leases()
    assert run_job()
    assert last_result()["created"] == 2
    assert len(db.session.scalars(select(ChangeSet)).all()) == 1


def test_worker_that_lost_its_lease_changes_nothing(editor: HtmlClient) -> None:
    start_apply(editor)
    late = runner._claim(threading.Event())
    assert late is not None
    expire_leases()
    assert run_job()
    with pytest.raises(LeaseLost):
        background.HANDLERS[JobKind.IMPORT, JobState.APPLYING](late)
    assert len(db.session.scalars(select(ChangeSet)).all()) == 1
    assert recount(TESTER) == []


def test_worker_that_shuts_down_releases_the_job(editor: HtmlClient) -> None:
    start_apply(editor)
    stop = threading.Event()
    stop.set()
    assert background.work_on_jobs(stop)
    assert all_profiles() == {}
    assert run_job()  # at once, without waiting for the lease to run out
    assert set(all_profiles()) == {"1", "2"}


def test_job_fails_after_the_maximum_of_attempts(editor: HtmlClient) -> None:
    url = start_apply(editor)
    for _ in range(runner.MAX_ATTEMPTS):
        assert runner._claim(threading.Event())
        expire_leases()
    assert not run_job()
    assert "Nothing was applied" in editor.get(url).text
    assert all_profiles() == {}


def test_internal_error_fails_the_job_and_changes_nothing(editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    url = start_apply(editor)

    def fails(_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(background.HANDLERS, (JobKind.IMPORT, JobState.APPLYING), fails)
    with pytest.raises(ZeroDivisionError):
        run_job()
    assert "Internal error" in editor.get(url).text
    assert all_profiles() == {}


def test_stopped_import_can_be_applied_again(editor: HtmlClient) -> None:
    url = start_apply(editor)
    claimed = runner._claim(threading.Event())
    assert claimed is not None
    assert "Stop import" in editor.get(url).text
    editor.post(url, {"action": "stop"})
    with pytest.raises(LeaseLost):
        background.HANDLERS[JobKind.IMPORT, JobState.APPLYING](claimed)
    assert all_profiles() == {}
    assert not run_job()
    assert "nothing has changed yet" in editor.get(url).text
    apply(editor, url)
    assert set(all_profiles()) == {"1", "2"}
    assert "you can undo it" in editor.post(url, {"action": "stop"}, status=409).text


def test_stopped_check_returns_to_column_matching(editor: HtmlClient) -> None:
    url = upload(editor, SPREADSHEET)
    editor.post(url, [("action", "check"), *(("role", role) for role in ROLES)])
    editor.post(url, {"action": "stop"})
    assert not run_job()
    assert "Match columns" in editor.get(url).text


def test_imports_are_applied_one_after_the_other(editor: HtmlClient) -> None:
    """Neither waits for the other's customers."""
    urls = [upload(editor, f"document_id,name\n1,Ana\n{n},Luis\n") for n in "23"]
    for url in urls:
        preview(editor, url, ["document_id", "name"])
    for url in urls:
        editor.post(url, {"action": "apply"})
    claimed = runner._claim(threading.Event())
    assert claimed is not None
    db.session.rollback()
    assert not run_job()
    background.HANDLERS[JobKind.IMPORT, JobState.APPLYING](claimed)
    assert run_job()
    assert set(all_profiles()) == {"1", "2", "3"}
    assert len(db.session.scalars(select(ChangeSet)).all()) == 2


def test_busy_database_is_retried_later_up_to_a_limit(editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    url = start_apply(editor)

    def busy(_: Any) -> None:
        raise Unavailable

    monkeypatch.setitem(background.HANDLERS, (JobKind.IMPORT, JobState.APPLYING), busy)
    for _ in range(runner.MAX_ATTEMPTS):
        assert run_job()
        assert not run_job()  # not at once
        expire_leases()
    assert not run_job()
    assert "Nothing was applied" in editor.get(url).text


def test_full_disk_fails_the_job_with_the_reason(editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    url = upload(editor, SPREADSHEET + "".join(f"x{n};Ana;;GOLD;\n" for n in range(1_000)))
    monkeypatch.setattr(staging, "SCHEMA", staging.SCHEMA + "PRAGMA max_page_count = 1;")
    text = preview(editor, url, ROLES).text
    assert "disk is full" in text
    assert "Nothing was applied" in text
    assert all_profiles() == {}


def test_progress_is_shown(editor: HtmlClient) -> None:
    url = start_apply(editor)
    page = editor.get(url)
    assert page.tags["progress"] == 1
    assert "Queued" in page.text
