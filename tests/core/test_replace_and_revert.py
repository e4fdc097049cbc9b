"""What the two central functions return and record, beyond what the API shows of it."""

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.changes.change_set_builder import open_change_set, reserve_change_set
from app.core.changes.document_ids import rename_customer_in
from app.core.changes.profiles import upsert_customers
from app.core.changes.replace_segments import ReplaceResult, apply_update, replace_segments
from app.core.changes.revert import (
    Previewed,
    RevertResult,
    preview_revert,
    preview_revert_batches,
    revert,
    revert_previewed,
)
from app.core.changes.segment_updates import PreparedUpdate
from app.core.changes.type_limits import TypeForbidden
from app.core.database import db, run_in_transaction
from app.core.errors import NotEnded
from app.core.models.change_sets import ChangeSet
from app.core.models.customers import Customer, CustomerSearch
from app.core.models.segments import Segments
from tests.support.another_writer import another_writer
from tests.support.customers import (
    GOLD,
    SILVER,
    TESTER,
    WINE,
    add_customers,
    all_segments,
    count_change_sets,
    set_segments,
)
from tests.support.query_log import capture_queries
from tests.support.waiting import await_lock_or_end


@pytest.fixture
def change_set(app: Flask) -> int:
    """A change set that gave four customers a segment; `d` has lost it since, and `b` has another one."""
    add_customers("a", "b", "c", "d")
    change_set_id = replace_segments(dict.fromkeys("abcd", GOLD), TESTER).change_set_id
    assert change_set_id
    set_segments("b", SILVER)
    set_segments("d", [])
    return change_set_id


def last_change_set() -> ChangeSet:
    db.session.rollback()
    return db.session.scalars(select(ChangeSet).order_by(ChangeSet.id.desc()).limit(1)).one()


def number_of(document_id: str) -> int:
    return db.session.scalars(select(CustomerSearch.id).where(CustomerSearch.document_id == document_id)).one()


def test_note_and_totals_are_recorded(app: Flask) -> None:
    add_customers("a", "b")
    set_segments("a", GOLD)
    result = replace_segments({"a": GOLD, "b": GOLD, "nobody": GOLD}, TESTER, note="Spring")
    recorded = last_change_set()
    assert result == ReplaceResult(1, 1, ["nobody"], [], recorded.id)
    assert (recorded.note, recorded.changed, recorded.unchanged) == ("Spring", 1, 1)
    revert(recorded.id, TESTER, note="Mistake")
    assert last_change_set().note == "Mistake"
    assert replace_segments({"a": [], "b": []}, TESTER).emptied == 1


def test_a_dry_run_returns_the_result_and_writes_nothing(change_set: int) -> None:
    before, count = all_segments(), count_change_sets()
    assert replace_segments({"a": SILVER}, TESTER, dry_run=True) == ReplaceResult(1, 0, [], [])
    assert revert(change_set, TESTER, dry_run=True) == RevertResult(2, 1, ["b"], emptied=2)
    assert (all_segments(), count_change_sets()) == (before, count)


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
@pytest.mark.parametrize("earlier", [timedelta(0), timedelta(seconds=1)], ids=["at the moment", "before it"])
def test_an_earlier_change_that_commits_while_the_update_waits_is_not_later(app: Flask, earlier: timedelta) -> None:
    """The statement cannot see the part of that change yet, and takes the customer for stale."""
    add_customers("ana")
    results: list[ReplaceResult] = []
    as_of = datetime.now(UTC)

    def replace() -> None:
        with app.app_context():
            results.append(replace_segments({"ana": GOLD}, TESTER, as_of=as_of))

    with another_writer("ana") as writer:
        columns = "id, change_set_id, position, tag, at, entries, deletions"
        writer.execute(f"INSERT INTO change_set_parts ({columns}) VALUES (9, 9, 9, 9, %s, 0, 0)", [as_of - earlier])
        writer.execute("UPDATE customers SET part_id = 9 WHERE document_id = 'ana'")
        thread = threading.Thread(target=replace)
        thread.start()
        await_lock_or_end(thread)
        writer.execute("COMMIT")
        thread.join()
    assert (results[0].changed, results[0].stale) == (1, [])
    assert all_segments() == {"ana": GOLD}


def test_a_result_names_how_many_customers_the_change_set_is_about() -> None:
    assert RevertResult(changed=3, unchanged=2, conflicts=["x"], profiles=1, deleted=1).affected == 7
    assert RevertResult(changed=1, profiles=3).affected == 3


def revert_batch(change_set_id: int, previewed: Previewed, types: tuple[str, ...] = ()) -> RevertResult:
    def work(session: Session) -> RevertResult:
        result = RevertResult()
        with open_change_set(session, TESTER, reverts=change_set_id) as undo:
            revert_previewed(undo, change_set_id, previewed, result, types)
        return result

    return run_in_transaction(work)


def test_only_who_was_previewed_as_reverted_is_reverted(change_set: int) -> None:
    with Session(db.engine) as session:
        (previewed,) = preview_revert_batches(session, change_set, RevertResult())
    outcomes = {id_: outcome for id_, (_, outcome, *_parts) in previewed.items()}
    assert outcomes == {"a": "revert", "b": "conflict", "c": "revert", "d": "unchanged"}
    set_segments("b", GOLD)  # could be reverted by now, and the preview said otherwise
    assert revert_batch(change_set, previewed) == RevertResult(changed=2, unchanged=1, conflicts=["b"])
    assert all_segments() == {"a": [], "b": GOLD, "c": [], "d": []}
    assert (last_change_set().changed, last_change_set().unchanged) == (2, 1)


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("meanwhile", "expected"),
    [
        pytest.param([*GOLD, *WINE], RevertResult(2, 1, ["b"], emptied=1), id="another type"),
        pytest.param(SILVER, RevertResult(1, 1, ["b", "a"], emptied=1), id="the same type"),
        pytest.param([], RevertResult(1, 2, ["b"], emptied=1), id="taken back"),
    ],
)
def test_a_change_that_commits_while_the_revert_waits_conflicts_by_its_type(
    app: Flask, change_set: int, meanwhile: Segments, expected: RevertResult
) -> None:
    """Not on SQLite: there the revert holds the only lock from the beginning."""
    statement = "UPDATE customers SET segments = %s::jsonb WHERE document_id = 'a'"
    result = revert_beside_a_writer(app, change_set, statement, json.dumps(meanwhile))
    expected.change_set_id = result.change_set_id
    assert result == expected
    assert all_segments()["a"] == [pair for pair in meanwhile if pair not in GOLD]


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_a_profile_that_changes_while_the_revert_waits_is_kept(app: Flask) -> None:
    """Not on SQLite: there the revert holds the only lock from the beginning."""
    for name in ("Ana", "Ann"):
        run_in_transaction(lambda session, name=name: save_name(session, name))  # type: ignore[misc]
    result = revert_beside_a_writer(app, 2, "UPDATE customers SET name = 'Eva' WHERE document_id = 'a'")
    assert result == RevertResult(conflicts=["a"])
    db.session.rollback()
    assert db.session.scalars(select(Customer.name)).one() == "Eva"


def revert_beside_a_writer(app: Flask, change_set_id: int, statement: str, *parameters: str) -> RevertResult:
    """Return the result of a revert that waits until another writer, who changes customer `a`, commits."""
    results: list[RevertResult] = []

    def run() -> None:
        with app.app_context():
            results.append(revert(change_set_id, TESTER))

    with another_writer("a") as writer:
        writer.execute(statement, parameters)
        thread = threading.Thread(target=run)
        thread.start()
        await_lock_or_end(thread)
        writer.execute("COMMIT")
        thread.join()
    return results[0]


def save_name(session: Session, name: str) -> None:
    with open_change_set(session, TESTER) as change_set:
        upsert_customers(session, [{"document_id": "a", "name": name}], change_set)


def test_segments_of_other_types_are_neither_previewed_nor_reverted(change_set: int) -> None:
    with pytest.raises(TypeForbidden), Session(db.engine) as session:
        list(preview_revert_batches(session, change_set, RevertResult(), ("region",)))
    with pytest.raises(TypeForbidden):
        revert_batch(change_set, {"a": (number_of("a"), "revert")}, ("region",))
    assert all_segments()["a"] == GOLD


def test_a_preview_locks_nothing_and_needs_an_ended_change_set(app: Flask) -> None:
    def create(session: Session) -> None:
        with open_change_set(session, TESTER) as change_set:
            upsert_customers(session, [{"document_id": "a"}], change_set)

    run_in_transaction(create)  # whose revert locks the customer
    with capture_queries() as queries:
        preview_revert(1)
    assert queries
    assert [query for query in queries if "FOR UPDATE" in query] == []
    applying = run_in_transaction(lambda session: reserve_change_set(session, TESTER))
    with pytest.raises(NotEnded):
        preview_revert(applying)


def change_everything(session: Session) -> None:
    """Change three customers in each way there is, in one change set."""
    with open_change_set(session, TESTER) as change_set:
        upsert_customers(session, [{"document_id": f"new-{n}", "name": "New"} for n in range(3)], change_set)
        upsert_customers(session, [{"document_id": f"profile-{n}", "name": "Changed"} for n in range(3)], change_set)
        for n in range(3):
            rename_customer_in(change_set, f"old-{n}", f"renamed-{n}")
        update = PreparedUpdate.of({f"{kind}-{n}": GOLD for kind in ("new", "lost", "other", "gold") for n in range(3)})
        apply_update(change_set, update.update, update.parameters, rows=12, limited=False)


def test_a_preview_has_the_totals_of_the_revert(app: Flask) -> None:
    add_customers(
        *(f"{kind}-{n}" for kind in ("profile", "old", "lost", "other", "gold") for n in range(3)), name="Ana"
    )
    run_in_transaction(change_everything)
    for n in range(3):
        set_segments(f"lost-{n}", [])
        set_segments(f"other-{n}", SILVER)
    previewed = preview_revert(1)
    assert previewed == RevertResult(3, 3, [f"other-{n}" for n in range(3)], profiles=6, deleted=3, emptied=6)
    result = revert(1, TESTER)
    assert result == replace(previewed, change_set_id=result.change_set_id)
    assert result.change_set_id
    assert last_change_set().unchanged == 3
    assert {id_ for id_, segments in all_segments().items() if segments} == {f"other-{n}" for n in range(3)}
    add_customers("new-1")  # another one, with the id of a customer who was deleted
    previewed = preview_revert(result.change_set_id)
    assert previewed == RevertResult(5, 0, ["new-1"], profiles=8)
    again = revert(result.change_set_id, TESTER)
    assert again == replace(previewed, change_set_id=again.change_set_id)


def create_customer(segments: Segments) -> None:
    def create(session: Session) -> None:
        with open_change_set(session, TESTER) as change_set:
            upsert_customers(session, [{"document_id": "a", "name": "Ana"}], change_set)
            if segments:
                update = PreparedUpdate.of({"a": segments})
                apply_update(change_set, update.update, update.parameters, rows=1, limited=False)

    run_in_transaction(create)


def change_name(name: str) -> None:
    """Change the customer's name in a change set."""

    def save(session: Session) -> None:
        with open_change_set(session, TESTER) as change_set:
            upsert_customers(session, [{"document_id": "a", "name": name}], change_set)

    run_in_transaction(save)


@pytest.mark.parametrize("segments", [[], GOLD], ids=["none", "some"])
def test_a_created_customer_is_deleted_only_if_no_later_change_touched_them(app: Flask, segments: Segments) -> None:
    """Also a change that was taken back: the customer is in use."""
    create_customer(segments)
    untouched = preview_revert(1)
    assert (untouched.deleted, untouched.conflicts) == (1, [])
    change_name("Bo")
    change_name("Ana")
    assert revert(1, TESTER, dry_run=True) == RevertResult(conflicts=["a"])


def test_a_created_customer_whose_segments_were_taken_back_is_left_alone(app: Flask) -> None:
    create_customer(GOLD)
    set_segments("a", SILVER)
    set_segments("a", GOLD)
    assert revert(1, TESTER) == RevertResult(conflicts=["a"])
    assert all_segments() == {"a": GOLD}


def test_a_deletion_sealed_under_another_key_is_a_conflict(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    create_customer(GOLD)
    deletion = revert(1, TESTER).change_set_id
    assert deletion
    monkeypatch.setitem(app.config, "SECRET_KEY", "another-key-0123456789")
    assert preview_revert(deletion) == revert(deletion, TESTER) == RevertResult(conflicts=[""])
    assert all_segments() == {}
