"""flask segments compact and recount: the ledger of counts."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, func, insert, select, update

from app.core.changes import replace_segments
from app.core.counts import compaction, customer_totals
from app.core.counts.segment_counts import SegmentCount
from app.core.database import db, run_in_transaction
from app.core.models.customers import Customer
from tests.support.clients import Shell
from tests.support.customers import GOLD, SILVER, add_customers, set_segments


def sums() -> dict[str, int]:
    db.session.rollback()
    query = select(SegmentCount.value, func.sum(SegmentCount.delta)).group_by(SegmentCount.value)
    return {value: int(held) for value, held in db.session.execute(query)}


def rows() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(SegmentCount)) or 0


def test_a_customer_who_holds_a_pair_twice_counts_once(app: Flask, ana: str) -> None:
    set_segments(ana, [*GOLD, *GOLD])
    assert sums() == {"GOLD": 1}
    set_segments(ana, GOLD)
    assert sums() == {"GOLD": 1}


def test_compacting_keeps_the_counts(shell: Shell) -> None:
    add_customers("1", "2", "3")
    for document_id in "123":
        set_segments(document_id, GOLD)
    set_segments("1", SILVER)
    assert rows() == 5
    assert "5 rows compacted to 2" in shell("segments", "compact").stdout
    assert sums() == {"GOLD": 2, "SILVER": 1}
    set_segments("2", SILVER)
    shell("segments", "compact")
    assert sums() == {"GOLD": 1, "SILVER": 2}
    assert rows() == 2, "the same day is folded into the same rows"


def test_compacting_tells_days_apart_and_folds_old_ones_into_their_month(shell: Shell) -> None:
    today = datetime.now(UTC).date()
    days = [today, today - timedelta(days=1), today - timedelta(days=400), today - timedelta(days=430)]
    old = {day.replace(day=1) for day in days[2:]}
    common = {"actor": "a", "type": "t", "value": "v"}
    ledger = [{**common, "day": day, "delta": 10**n, "part_id": 7} for n, day in enumerate(days)]
    run_in_transaction(lambda session: session.execute(insert(SegmentCount), ledger))
    shell("segments", "compact")
    assert sums() == {"v": 1111}
    assert {*db.session.scalars(select(SegmentCount.day))} == {*days[:2], *old}


def test_it_compacts_by_itself(app: Flask, ana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "COMPACTION_INTERVAL", 10)
    for n in range(20):
        set_segments(ana, [{"type": "n", "value": str(n % 2)}])
    assert rows() == 1, "what cancels out is folded away"
    assert sums() == {"1": 1}


def test_recount_puts_right_what_differs_and_says_so(shell: Shell) -> None:
    add_customers("1", "2")
    set_segments("1", GOLD)
    set_segments("2", GOLD)
    assert "All counts were correct" in shell("segments", "recount").stderr
    run_in_transaction(lambda session: session.execute(delete(SegmentCount)))
    run_in_transaction(lambda session: session.execute(update(Customer).values(segments=[*SILVER, *GOLD])))
    assert shell("segments", "recount").stdout.splitlines() == ["membership:GOLD +2", "membership:SILVER +2"]
    run_in_transaction(lambda session: session.execute(update(Customer).values(segments=[])))
    assert shell("segments", "recount").stdout.splitlines() == [
        "membership:GOLD -2",
        "membership:SILVER -2",
        "customers with segments -2",
    ]
    assert sums() == {"GOLD": 0, "SILVER": 0}


def test_more_kinds_of_customers_than_memory_is_meant_for(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replace_segments, "MAX_DISTINCT_STATES", 3)
    lines = "".join(f'{{"document_id":"{n}","segments":[{{"type":"t","value":"{n % 50}"}}]}}\n' for n in range(11_000))
    shell("customers", "import", shell.file("c.jsonl", lines))
    assert sums() == {str(n): 220 for n in range(50)}
    assert rows() == 150, "three batches, each counted by itself"


def test_the_totals_are_kept_by_whatever_changes_them(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "COMPACTION_INTERVAL", 3)
    add_customers("1", "2")
    add_customers("2", "3", "4")
    for document_id in "123":
        set_segments(document_id, GOLD)
    set_segments("1", SILVER)
    set_segments("2", [])
    assert customer_totals.totals() == customer_totals.Totals(customers=4, with_segments=2)
    lines = '{"document_id":"3","segments":[]}\n{"document_id":"5","segments":[{"type":"t","value":"v"}]}\n'
    shell("customers", "import", shell.file("c.jsonl", lines))
    assert customer_totals.totals() == customer_totals.Totals(customers=5, with_segments=2)
    assert "All counts were correct" in shell("segments", "recount").stderr
    run_in_transaction(lambda session: session.execute(delete(customer_totals.CustomerTotal)))
    assert shell("segments", "recount").stdout.splitlines() == ["customers +5", "customers with segments +2"]
    assert customer_totals.totals() == customer_totals.Totals(customers=5, with_segments=2)
