"""Reverts of change sets of several parts, which may have changed the same customers more than once."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import open_change_set, open_part, reserve_change_set
from app.core.changes.document_ids import rename_customer
from app.core.changes.replace_segments import replace_segments, replace_segments_in
from app.core.changes.revert import (
    Previewed,
    RevertResult,
    preview_revert,
    preview_revert_batches,
    revert,
    revert_batch,
    revert_previewed,
)
from app.core.changes.segment_updates import PreparedUpdate
from app.core.database import db, run_in_transaction
from tests.support.customers import GOLD, TESTER, add_customers, all_segments

PARTS = {
    "ascending": ("ab", "bc", "cde"),
    "descending": ("cde", "bc", "ab"),
    "contained": ("abcde", "bc", "d"),
    "apart": ("a", "de", "bc"),
    "the same": ("b", "b", "b", "b"),
}


@pytest.fixture(params=PARTS)
def parts(app: Flask, request: pytest.FixtureRequest) -> tuple[int, int]:
    """A change set that gave five customers other segments, part by part; and how many it changed."""
    add_customers(*"abcde")
    replace_segments(dict.fromkeys("abcde", GOLD), TESTER)
    change_set_id = run_in_transaction(lambda session: reserve_change_set(session, TESTER))
    changed = PARTS[request.param]
    for number, document_ids in enumerate(changed, 1):
        write_part(change_set_id, document_ids, number, state="done" if number == len(changed) else "applying")
    return change_set_id, len(set("".join(changed)))


def write_part(change_set_id: int, document_ids: str, number: int, *, state: str) -> None:
    def work(session: Session) -> None:
        with open_part(session, change_set_id, TESTER, state=state) as part:
            segments = [{"type": "membership", "value": str(number)}]
            replace_segments_in(part, PreparedUpdate.of(dict.fromkeys(document_ids, segments)))

    run_in_transaction(work)


def revert_each(change_set_id: int, batches: list[Previewed]) -> RevertResult:
    """Revert previewed batches, each in its own transaction."""
    result = RevertResult()

    def work(session: Session, previewed: Previewed) -> None:
        with open_change_set(session, TESTER, reverts=change_set_id) as undo:
            revert_previewed(undo, change_set_id, previewed, result)

    for batch in batches:
        run_in_transaction(lambda session, batch=batch: work(session, batch))
    return result


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_batches_of_any_size_preview_and_revert_each_customer_once(parts: tuple[int, int], limit: int) -> None:
    change_set_id, customers = parts
    previewed = RevertResult()
    with Session(db.engine) as session:
        batches = list(preview_revert_batches(session, change_set_id, previewed, limit=limit))
    assert previewed == RevertResult(changed=customers)
    assert sum(map(len, batches)) == customers
    assert revert_each(change_set_id, batches) == previewed
    assert all_segments() == dict.fromkeys("abcde", GOLD)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_transactions_of_any_size_revert_each_customer_once(parts: tuple[int, int], limit: int) -> None:
    change_set_id, customers = parts
    result = RevertResult()

    def work(session: Session) -> None:
        last: int | None = 0
        with open_change_set(session, TESTER, reverts=change_set_id) as undo:
            while last is not None:
                last = revert_batch(undo, change_set_id, last, result, limit=limit)

    run_in_transaction(work)
    assert result == RevertResult(changed=customers)
    assert all_segments() == dict.fromkeys("abcde", GOLD)


def test_a_customer_renamed_again_is_a_conflict(app: Flask) -> None:
    add_customers("a")
    renamed = rename_customer("a", "b", TESTER)
    rename_customer("b", "c", TESTER)
    assert preview_revert(renamed) == revert(renamed, TESTER) == RevertResult(conflicts=["c"])
    assert set(all_segments()) == {"c"}
