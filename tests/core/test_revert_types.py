"""Reverts that are limited to segment types: what they refuse, and whom they count as emptied."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import open_change_set
from app.core.changes.guard import Guard
from app.core.changes.profiles import upsert_customers
from app.core.changes.replace_segments import apply_update, replace_segments
from app.core.changes.revert import RevertResult, preview_revert_batches, revert
from app.core.changes.segment_updates import PreparedUpdate
from app.core.changes.type_limits import TypeForbidden
from app.core.database import db, run_in_transaction
from app.core.models.segments import Segments
from tests.support.customers import GOLD, SILVER, TESTER, WINE, add_customers, all_segments, set_segments

MEMBERSHIP, REGION = frozenset({"membership"}), frozenset({"region"})


def save(segments: Segments | None, **fields: str) -> int:
    """Save a customer in one change set, with a name or segments; return its id."""

    def work(session: Session) -> int:
        with open_change_set(session, TESTER) as change_set:
            upsert_customers(session, [{"document_id": "a", **fields}], change_set)
            if segments is not None:
                update = PreparedUpdate.of({"a": segments})
                apply_update(change_set, update.update, update.parameters, rows=1, limited=False)
        return change_set.id

    return run_in_transaction(work)


def preview(change_set_id: int, types: frozenset[str]) -> RevertResult:
    result = RevertResult()
    with Session(db.engine) as session:
        for _ in preview_revert_batches(session, change_set_id, result, types):
            pass
    return result


def revert_within(change_set_id: int | None, types: frozenset[str]) -> RevertResult:
    """Revert a change set of segments of the type `membership`: refused for others, and as previewed for these."""
    assert change_set_id
    before = all_segments()
    for attempt in (preview, lambda id_, types: revert(id_, TESTER, types=types)):
        with pytest.raises(TypeForbidden):
            attempt(change_set_id, REGION)
    assert all_segments() == before
    previewed = preview(change_set_id, types)
    result = revert(change_set_id, TESTER, types=types, guard=Guard(types=types))
    previewed.change_set_id = result.change_set_id
    assert result == previewed
    return result


def test_segments_of_other_types_are_neither_deleted_nor_restored(app: Flask) -> None:
    deleted = revert_within(save(GOLD, name="Ana"), MEMBERSHIP)
    assert (deleted.deleted, deleted.emptied, all_segments()) == (1, 1, {})
    restored = revert_within(deleted.change_set_id, MEMBERSHIP)
    assert (restored.changed, restored.profiles, restored.emptied) == (1, 1, 0)
    assert all_segments() == {"a": GOLD}
    assert revert_within(restored.change_set_id, MEMBERSHIP).deleted == 1


def test_a_profile_is_reverted_whatever_the_segments_are(app: Flask) -> None:
    save(GOLD, name="Ana")
    change_set_id = save(None, name="Bo")
    for types in (frozenset[str](), MEMBERSHIP, REGION):
        assert preview(change_set_id, types) == RevertResult(profiles=1)
    result = revert(change_set_id, TESTER, types=REGION, guard=Guard(types=REGION))
    assert (result.profiles, result.changed, result.emptied) == (1, 0, 0)
    assert all_segments() == {"a": GOLD}


def test_who_keeps_segments_of_other_types_is_emptied_nonetheless(app: Flask) -> None:
    add_customers(*"abcd")
    set_segments("b", WINE)
    set_segments("c", SILVER)
    result = replace_segments({"a": GOLD, "b": [*WINE, *GOLD], "c": GOLD}, TESTER)
    reverted = revert_within(result.change_set_id, MEMBERSHIP)
    assert (reverted.changed, reverted.emptied) == (3, 2)
    assert all_segments() == {"a": [], "b": WINE, "c": SILVER, "d": []}
