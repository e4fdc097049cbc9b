"""Jobs of several batches: killed, stopped, continued and undone; what was previewed is what happens."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.core.changes.change_set_builder import reserve_change_set
from app.core.changes.profiles import upsert_customers
from app.core.changes.revert import revert
from app.core.counts.recount import recount
from app.core.database import db, now, run_in_transaction
from app.core.models.change_sets import ChangeSet, ChangeSetPart
from app.core.models.customers import Customer
from app.jobs import apply_job, batches
from app.jobs.abandoned import end_abandoned_change_sets
from app.jobs.batches import JobBatch, SkippedCustomer
from app.jobs.jobs import Job
from app.jobs.uploads import RETENTION, UploadChunk, delete_expired_uploads
from tests.support.api_jobs import kill_in_batch
from tests.support.customers import GOLD, SILVER, TESTER, WINE, add_customers, all_segments, set_segments
from tests.support.html_client import HtmlClient
from tests.support.imports import all_profiles, apply, last_result, preview, run_job, upload
from tests.support.query_log import capture_queries

FILE = "document_id,name,membership\n" + "".join(f"{n},Name {n},GOLD\n" for n in range(1, 8))
ROLES = ["document_id", "name", "segment:membership"]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 2)


def start_apply(editor: HtmlClient) -> str:
    url = upload(editor, FILE)
    preview(editor, url, ROLES)
    editor.post(url, {"action": "apply"})
    return url


def stop_in_third_batch(editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> str:
    """Apply two batches of the import, stop it, and return its URL."""
    url = start_apply(editor)
    kill_in_batch(3, monkeypatch)
    editor.post(url, {"action": "stop"})
    assert run_job()
    return url


def change_sets() -> list[tuple[str, int, int]]:
    db.session.rollback()
    query = select(ChangeSet.state, ChangeSet.created, ChangeSet.changed).order_by(ChangeSet.id)
    return [tuple(row) for row in db.session.execute(query)]  # type: ignore[misc]


def test_import_of_several_batches_is_one_change_set_with_parts(editor: HtmlClient) -> None:
    url = start_apply(editor)
    assert run_job()
    assert "Applied by" in editor.get(url).text
    assert change_sets() == [("done", 7, 7)]
    assert len(db.session.scalars(select(ChangeSetPart.id)).all()) == 4
    assert set(all_profiles()) == set("1234567")
    assert recount(TESTER) == []


def test_killed_worker_leaves_its_batches_and_the_next_continues(
    editor: HtmlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_apply(editor)
    for _ in range(3):
        kill_in_batch(2, monkeypatch)
    assert change_sets() == [("applying", 6, 6)]
    assert run_job()
    assert change_sets() == [("done", 7, 7)]
    assert last_result()["created"] == 7
    assert set(all_profiles()) == set("1234567")
    assert recount(TESTER) == []


def test_stopped_import_says_what_was_applied_and_can_be_continued(
    editor: HtmlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = stop_in_third_batch(editor, monkeypatch)
    page = editor.get(url)
    assert "4 of 7 customers applied" in page.text
    assert change_sets() == [("cancelled", 4, 4)]
    editor.post(url, {"action": "continue"})
    assert run_job()
    assert "Applied by" in editor.get(url).text
    assert change_sets() == [("done", 7, 7)]
    assert recount(TESTER) == []


def test_stopped_import_can_be_undone_and_is_then_not_continued(
    editor: HtmlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = stop_in_third_batch(editor, monkeypatch)
    db.session.rollback()
    number = db.session.scalars(select(Job.change_set_id)).one()
    assert number is not None
    revert(number, TESTER)
    assert all_profiles() == {}
    editor.post(url, {"action": "continue"}, status=409)
    assert recount(TESTER) == []


def test_failure_after_some_batches_is_shown_and_can_be_continued(
    editor: HtmlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = start_apply(editor)
    real = apply_job.store_skipped
    calls = []

    def fail(*args: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise ZeroDivisionError
        real(*args)

    monkeypatch.setattr(apply_job, "store_skipped", fail)
    with pytest.raises(ZeroDivisionError):
        run_job()
    assert "2 customers were applied before" in editor.get(url).text
    assert change_sets() == [("cancelled", 2, 2)]
    editor.post(url, {"action": "continue"})
    assert run_job()
    assert change_sets() == [("done", 7, 7)]


def test_customers_changed_after_the_preview_are_skipped_and_listed(editor: HtmlClient) -> None:
    """Created, deleted, renamed or with other segments meanwhile: nothing is dropped from the report."""
    add_customers("1", "2", "3", name="Old")
    set_segments("2", SILVER)
    url = upload(editor, FILE)
    preview(editor, url, ROLES)
    add_customers("4", name="New")
    set_segments("2", [])
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": "3", "name": "Newer"}]))
    run_in_transaction(lambda session: session.query(Customer).filter(Customer.document_id == "1").delete())
    page = apply(editor, url)
    assert last_result()["skipped"] == 4
    assert last_result()["created"] == 3
    for reason in ("no longer exists", "was created meanwhile", "changed after the preview"):
        assert reason in page.text
    assert {id_: all_profiles()[id_][0] for id_ in "234"} == {"2": "Old", "3": "Newer", "4": "New"}
    assert all_segments() == {"2": [], "3": [], "4": []} | dict.fromkeys("567", GOLD)


def test_a_bulk_edit_between_the_batches_of_an_import_is_kept(
    editor: HtmlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were previewed before; the import is stopped, and continued afterwards."""
    add_customers(*"123456")
    url = upload(editor, FILE)
    preview(editor, url, ROLES)
    rows = [("operation", "add"), *WINE[0].items(), ("original_index", ""), ("base", "[]"), ("version", "")]
    response = editor.post("/bulk-edits", [*rows, *(("document_id", id_) for id_ in "123456")])
    edit = response.headers["Location"]
    assert run_job()
    editor.post(url, {"action": "apply"})
    kill_in_batch(3, monkeypatch)
    editor.post(url, {"action": "stop"})
    assert run_job()
    editor.post(edit, {"action": "apply"})
    assert run_job()
    editor.post(url, {"action": "continue"})
    assert run_job()
    assert all_segments() == {id_: [*GOLD, *WINE] for id_ in "1234"} | dict.fromkeys("56", WINE) | {"7": GOLD}
    skipped = select(SkippedCustomer.document_id, SkippedCustomer.reason).order_by(SkippedCustomer.document_id)
    assert [tuple(row) for row in db.session.execute(skipped)] == [("5", "changed"), ("6", "changed")]
    assert [state for state, *_ in change_sets()] == ["done", "done"]
    assert recount(TESTER) == []


def test_nothing_left_to_change_leaves_no_change_set(editor: HtmlClient) -> None:
    add_customers(*"1234567")
    url = upload(editor, FILE)
    preview(editor, url, ROLES)
    for n in "1234567":
        set_segments(n, SILVER)
    before = len(change_sets())
    page = apply(editor, url)
    assert "Nothing left to change" in page.text
    assert len(change_sets()) == before


def test_single_batch_stays_one_transaction(editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 10)
    start_apply(editor)
    kill_in_batch(1, monkeypatch)
    assert all_profiles() == {}
    assert run_job()
    assert change_sets() == [("done", 7, 7)]


def test_preview_of_an_undo_neither_writes_nor_locks(editor: HtmlClient) -> None:
    start_apply(editor)
    assert run_job()
    set_segments("3", SILVER)
    db.session.rollback()
    number = db.session.scalars(select(ChangeSet.id).order_by(ChangeSet.id).limit(1)).one()
    db.session.rollback()
    with capture_queries() as statements:
        page = editor.get(f"/changes/{number}/undo")
    assert "Undo for 6 customers" in page.html
    assert page.links["3"] == "/customers/3"
    words = " ".join(statements).upper()
    assert "CUSTOMER_CHANGES" in words
    for word in ("INSERT INTO CUSTOMER", "UPDATE CUSTOMER", "DELETE FROM CUSTOMER", "FOR UPDATE", "IMMEDIATE"):
        assert word not in words


def test_batches_and_skipped_customers_are_deleted_with_the_upload(editor: HtmlClient) -> None:
    start_apply(editor)
    assert run_job()
    url = upload(editor, FILE.replace("Name", "Other"))
    preview(editor, url, ROLES)
    db.session.rollback()
    old = now() - RETENTION - timedelta(days=1)
    db.session.execute(update(Job).values(created_at=old))
    db.session.commit()
    delete_expired_uploads()
    for table in (JobBatch, SkippedCustomer, UploadChunk):
        assert db.session.scalar(select(func.count()).select_from(table)) == 0
    db.session.rollback()
    editor.post(url, {"action": "apply"}, status=409)


def test_change_set_of_a_killed_command_is_ended(editor: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    start_apply(editor)
    kill_in_batch(2, monkeypatch)
    killed = run_in_transaction(lambda session: reserve_change_set(session, TESTER))
    db.session.execute(update(ChangeSet).values(at=now() - timedelta(hours=2)))
    db.session.commit()
    assert end_abandoned_change_sets() == 1
    assert [state for state, *_ in change_sets()] == ["applying", "cancelled"], "a job continues the other one"
    revert(killed, TESTER)
