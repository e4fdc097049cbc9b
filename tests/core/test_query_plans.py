"""PostgreSQL's plans for statements that take many customers: their work must not depend on the statistics."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from app.core.changes.batched_change import BatchedChange, open_batch
from app.core.changes.change_set_builder import open_change_set
from app.core.changes.profiles import upsert_customers
from app.core.changes.replace_segments import replace_segments, replace_segments_in
from app.core.changes.revert import RevertResult, preview_revert, preview_revert_batches, revert, revert_previewed
from app.core.changes.segment_updates import PreparedUpdate, SegmentPatch
from app.core.database import db, run_in_transaction
from tests.support.customers import GOLD, SILVER, TESTER

FEW, MANY = 20, 3_000
MAX_ROWS = 60 * MANY
"""Rows that the nodes of one plan may produce or reject; a nested loop over all customers takes MANY times MANY."""

TABLES = ("customers", "customer_search", "customer_changes", "change_set_parts")


@contextmanager
def explained(*, nested: bool = False) -> Iterator[list[dict[str, Any]]]:
    """Yield the plans of all statements that run meanwhile, as `auto_explain` reports them.

    `nested` adds the statements of the server itself, such as its checks of foreign keys.
    """
    plans: list[dict[str, Any]] = []

    def note(diagnostic: Any) -> None:
        _, found, plan = diagnostic.message_primary.partition("plan:\n")
        if found:
            plans.append(json.loads(plan))

    def load(connection: Any, _record: object) -> None:
        connection.execute("LOAD 'auto_explain'")
        settings = {"log_min_duration": 0, "log_analyze": "on", "log_format": "json", "log_level": "notice"}
        settings["log_nested_statements"] = "on" if nested else "off"
        for name, value in settings.items():
            connection.execute(f"SET auto_explain.{name} = {value}")
        connection.execute("SET client_min_messages = notice")
        connection.add_notice_handler(note)

    db.session.remove()
    db.engine.dispose()
    event.listen(db.engine, "connect", load)
    try:
        yield plans
    finally:
        event.remove(db.engine, "connect", load)
        db.session.remove()
        db.engine.dispose()


def rows_of(node: dict[str, Any]) -> float:
    counts = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
    own = sum(node.get(count, 0) for count in counts) * node.get("Actual Loops", 1)
    return float(own + sum(rows_of(child) for child in node.get("Plans", ())))


def analyze() -> None:
    db.session.rollback()
    for table in TABLES:
        db.session.execute(text(f"ANALYZE {table}"))
    db.session.commit()


def set_statistics(tables: Sequence[str], pages: int, customers: int) -> None:
    """Write the numbers that ANALYZE counts, and remove what it finds of columns. On 18 there are functions for it."""
    db.session.rollback()
    for table in tables:
        values = {"pages": pages, "customers": customers, "name": table}
        statement = "UPDATE pg_class SET relpages = :pages, reltuples = :customers WHERE oid = CAST(:name AS regclass)"
        db.session.execute(text(statement), values)
        db.session.execute(text(f"DELETE FROM pg_statistic WHERE starelid = '{table}'::regclass"))
    db.session.commit()


def forget_statistics() -> None:
    set_statistics(TABLES, 0, -1)


def count_few(customers: int, tables: Sequence[str] = TABLES) -> None:
    """Leave the statistics as after nearly all customers were deleted and the rest counted."""
    set_statistics(tables, 1000, customers)


def count_none() -> None:
    count_few(0)


def count_five() -> None:
    count_few(5)


def count_none_to_search() -> None:
    """Leave the statistics as where one table was counted before the other was filled again."""
    analyze()
    count_few(0, ["customer_search"])


def leave() -> None:
    """Leave the statistics as they were when the shop was small."""


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
@pytest.mark.parametrize("refresh", [forget_statistics, count_none, count_five, count_none_to_search, leave, analyze])
def test_work_of_statements_does_not_depend_on_the_statistics(app: Flask, refresh: Callable[[], None]) -> None:
    ids = [f"{n:06}" for n in range(MANY)]
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": id_} for id_ in ids[:FEW]]))
    analyze()
    with explained() as plans:
        for number in range(12):  # so often that the server may keep the plan
            replace_segments({ids[0]: [{"type": "n", "value": str(number)}]}, TESTER)
        rows = [{"document_id": id_, "name": "Ana", "email": f"{id_}@shop.co", "phone": "1"} for id_ in ids]
        run_in_transaction(lambda session: upsert_customers(session, rows))
        refresh()
        replace_segments(dict.fromkeys(ids, GOLD), TESTER)
        refresh()
        changed = [{**row, "name": "Eva"} for row in rows]
        run_in_transaction(lambda session: upsert_customers(session, changed))
        patch = SegmentPatch(add=SILVER, remove=GOLD)
        change_set_id = replace_segments(dict.fromkeys(ids, patch), TESTER).change_set_id
        refresh()
        assert change_set_id
        assert revert(change_set_id, TESTER, dry_run=True).changed == MANY
        assert revert(change_set_id, TESTER).changed == MANY
    assert len(plans) > 10
    for plan in plans:
        assert rows_of(plan["Plan"]) <= MAX_ROWS, plan["Query Text"]


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_foreign_keys_are_checked_by_the_index_after_maintenance_of_a_small_shop(app: Flask) -> None:
    rows = [{"document_id": f"{n:06}"} for n in range(MANY)]
    run_in_transaction(lambda session: upsert_customers(session, rows[:FEW]))
    analyze()
    with explained(nested=True) as plans:
        run_in_transaction(lambda session: upsert_customers(session, rows[FEW : 2 * FEW]), maintenance=True)
        plans.clear()
        run_in_transaction(lambda session: upsert_customers(session, rows[2 * FEW :]))
    checks = [plan for plan in plans if "FOR KEY SHARE" in plan["Query Text"]]
    assert len(checks) == MANY - 2 * FEW
    assert max(rows_of(plan["Plan"]) for plan in checks) < FEW


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_rows_written_by_the_same_transaction_do_not_mislead_the_planner(app: Flask) -> None:
    """The statistics are of a small shop, and the transaction that imports a large one goes on."""
    ids = [f"{n:06}" for n in range(MANY)]
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": id_} for id_ in ids[:FEW]]))
    analyze()

    def import_all(session: Any) -> None:
        for start in range(0, MANY, 1_000):
            batch = ids[start : start + 1_000]
            upsert_customers(session, [{"document_id": id_, "name": "Ana"} for id_ in batch])
            replace_segments(dict.fromkeys(batch, GOLD), TESTER, session=session)

    with explained() as plans:
        run_in_transaction(import_all)
    assert max(rows_of(plan["Plan"]) for plan in plans) <= MAX_ROWS


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
@pytest.mark.parametrize("refresh", [forget_statistics, count_none, count_five, count_none_to_search, leave, analyze])
def test_undo_of_creations_does_not_depend_on_the_statistics(app: Flask, refresh: Callable[[], None]) -> None:
    """Fault G4: the undo of an import that created 100,000 customers, and its preview, ran for minutes."""
    ids = [f"{n:06}" for n in range(MANY)]
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": "stored"}]))
    analyze()

    def create(session: Session) -> int:
        with open_change_set(session, TESTER) as change_set:
            upsert_customers(session, [{"document_id": id_, "name": "Ana"} for id_ in ids], change_set)
            replace_segments_in(change_set, PreparedUpdate.of(dict.fromkeys(ids, GOLD)))
        return change_set.id

    change_set_id = run_in_transaction(create)
    refresh()
    with explained() as plans:
        assert preview_revert(change_set_id).deleted == MANY
        assert revert(change_set_id, TESTER).deleted == MANY
    assert len(plans) > 5
    for plan in plans:
        assert rows_of(plan["Plan"]) <= MAX_ROWS, plan["Query Text"]


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_a_batch_of_a_revert_reads_the_entries_of_its_customers(app: Flask) -> None:
    """Not all of the change set: a revert would take each customer the longer, the more there are."""
    ids, size = [f"{n:06}" for n in range(2_000)], 200
    run_in_transaction(lambda session: upsert_customers(session, [{"document_id": id_} for id_ in ids]))
    change = BatchedChange(TESTER)

    def apply(session: Session, start: int) -> int | None:
        with open_batch(session, change, is_only=False, is_last=start + size == len(ids)) as batch:
            replace_segments_in(batch.part, PreparedUpdate.of(dict.fromkeys(ids[start : start + size], GOLD)))
        return batch.change_set_id

    for start in range(0, len(ids), size):
        change = replace(change, change_set_id=run_in_transaction(partial(apply, start=start)))
    analyze()
    reverted = change.change_set_id
    assert reverted
    with Session(db.engine) as session:
        previewed = [*preview_revert_batches(session, reverted, RevertResult(), limit=size)][4]

    def undo(session: Session) -> int:
        result = RevertResult()
        with open_change_set(session, TESTER, reverts=reverted) as change_set:
            revert_previewed(change_set, reverted, previewed, result)
        return result.changed

    with explained() as plans:
        assert run_in_transaction(undo) == size
    read = [rows_of(plan["Plan"]) for plan in plans if plan["Query Text"].startswith("SELECT customer_changes")]
    assert len(read) == 1
    assert read[0] < len(ids)
