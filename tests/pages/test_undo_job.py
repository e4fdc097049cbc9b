"""Undoing a change of more than one batch on the pages: previewed, applied, stopped and continued as a job."""

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.core.changes.replace_segments import replace_segments
from app.core.counts.recount import recount
from app.jobs import apply_job, reverts
from app.jobs.jobs import Job
from tests.support.api_jobs import kill_in_batch
from tests.support.customers import GOLD, SILVER, TESTER, Segments, add_customers, all_segments, set_segments
from tests.support.html_client import HtmlClient
from tests.support.imports import run_job

IDS = list("abcdefg")
NONE: dict[str, Segments] = {id_: [] for id_ in IDS}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reverts, "BATCH_SIZE", 1)


def nightly(*ids: str) -> int:
    """Give the customers GOLD in one change set, and return its id."""
    add_customers(*ids)
    result = replace_segments(dict.fromkeys(ids, GOLD), TESTER)
    assert result.change_set_id is not None
    return result.change_set_id


def start_undo(editor: HtmlClient, change_set_id: int) -> str:
    """Have the undo previewed, and return the URL of its page."""
    page = editor.get(f"/changes/{change_set_id}/undo")
    assert "Preview undo" in page.text
    url = editor.post(f"/changes/{change_set_id}/undo").headers["Location"]
    assert run_job()
    return str(url)


def test_undo_of_a_large_change_is_previewed_and_applied(editor: HtmlClient) -> None:
    url = start_undo(editor, nightly(*IDS))
    set_segments("c", SILVER)
    assert "Undo for 7 customers" in editor.get(url).text
    assert all_segments()["a"] == GOLD
    editor.post(url, {"action": "apply"})
    assert run_job()
    page = editor.get(url)
    assert "Undone for 6 customers" in page.text
    assert "changed later" in page.text
    assert all_segments() == {**NONE, "c": SILVER}
    assert recount(TESTER) == []
    assert "Undo for 6 customers" in editor.get(start_undo(editor, int(page.links["Undo…"].split("/")[2]))).text


def test_stopped_undo_is_continued(editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    url = start_undo(editor, nightly(*IDS))
    editor.post(url, {"action": "apply"})
    stop_after_first_batch(monkeypatch)
    assert run_job()
    assert sum(map(bool, all_segments().values())) == 6
    assert "1 of 7 customers" in editor.get(url).text
    editor.post(url, {"action": "continue"})
    assert run_job()
    assert all_segments() == NONE
    assert recount(TESTER) == []


def stop_after_first_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Request the stop of the job in the transaction of its first batch."""
    real = apply_job.store_skipped

    def request_stop(session: Session, job_id: int, skipped: dict[str, str]) -> None:
        session.execute(update(Job).where(Job.id == job_id).values(cancel_requested=True))
        monkeypatch.setattr(apply_job, "store_skipped", real)

    monkeypatch.setattr(apply_job, "store_skipped", request_stop)


def test_customer_who_was_skipped_in_the_preview_stays_skipped(editor: HtmlClient) -> None:
    change_set_id = nightly(*IDS)
    set_segments("c", SILVER)
    set_segments("d", [])
    url = start_undo(editor, change_set_id)
    set_segments("c", GOLD)
    set_segments("d", GOLD)
    editor.post(url, {"action": "apply"})
    assert run_job()
    assert all_segments() == {**NONE, "c": GOLD, "d": GOLD}
    page = editor.get(url)
    assert "Undone for 5 customers" in page.text
    assert "Skipped (1)" in page.text


def test_killed_worker_leaves_its_batches_and_the_next_continues(
    editor: HtmlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = start_undo(editor, nightly(*IDS))
    editor.post(url, {"action": "apply"})
    for _ in range(2):
        kill_in_batch(3, monkeypatch)
    assert sum(map(bool, all_segments().values())) == 3
    while run_job():
        pass
    assert all_segments() == NONE
    assert "Undone for 7 customers" in editor.get(url).text
    assert recount(TESTER) == []


def test_discarded_undo_changes_nothing(editor: HtmlClient) -> None:
    url = start_undo(editor, nightly(*IDS))
    editor.post(url, {"action": "discard"})
    assert "Canceled. Nothing changed." in editor.get(url).text
    assert set(map(str, all_segments().values())) == {str(GOLD)}


def test_viewer_sees_the_undo_and_cannot_apply_it(editor: HtmlClient, viewer: HtmlClient) -> None:
    url = start_undo(editor, nightly(*IDS))
    assert "Undo for" not in viewer.get(url).text
    viewer.post(url, {"action": "apply"}, status=403)


def test_undo_without_effect_is_shown(editor: HtmlClient) -> None:
    change_set_id = nightly(*IDS)
    for id_ in IDS:
        set_segments(id_, SILVER)
    url = start_undo(editor, change_set_id)
    page = editor.get(url)
    assert "Nothing to undo." in page.text
    assert all(id_ in page.links for id_ in IDS)
