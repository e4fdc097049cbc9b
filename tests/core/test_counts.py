"""The counts of customers and segments: the ledgers, their compaction, and counting again."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, func, insert, select, update

from app import background
from app.core.changes import replace_segments
from app.core.counts import compaction, customer_totals
from app.core.counts.hourly_deltas import ActorDelta, HourlyDelta, largest_deltas
from app.core.counts.segment_counts import (
    SegmentCount,
    SegmentTotal,
    catalogue,
    count_holders,
    is_recent,
    largest_segments,
)
from app.core.counts.segment_deltas import deltas_by_change_set
from app.core.counts.trends import days, trends
from app.core.database import db, now, run_in_transaction
from app.core.days import start_of_hour
from app.core.models.change_sets import ChangeSetPart
from app.core.models.customers import Customer
from app.core.models.segments import SegmentPair
from tests.support.clients import Shell
from tests.support.customers import GOLD, SILVER, add_customers, set_segments


def sums() -> dict[str, int]:
    db.session.rollback()
    query = select(SegmentCount.value, func.sum(SegmentCount.delta)).group_by(SegmentCount.value)
    return {value: int(customers) for value, customers in db.session.execute(query)}


def rows() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(SegmentCount)) or 0


def recent_rows() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(SegmentCount).where(is_recent)) or 0


def test_customer_who_holds_a_pair_twice_counts_once(app: Flask, ana: str) -> None:
    set_segments(ana, [*GOLD, *GOLD])
    assert sums() == {"GOLD": 1}
    set_segments(ana, GOLD)
    assert sums() == {"GOLD": 1}


def test_compaction_preserves_the_counts(shell: Shell) -> None:
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
    assert rows() == 2, "the same day is compacted into the same rows"


def test_compaction_keeps_recent_days_and_folds_older_ones_into_their_month(shell: Shell) -> None:
    today = datetime.now(UTC).date()
    days = [today, today - timedelta(days=1), today - timedelta(days=400), today - timedelta(days=430)]
    old = {day.replace(day=1) for day in days[2:]}
    common = {"actor": "a", "type": "t", "value": "v"}
    ledger = [{**common, "day": day, "delta": 10**n, "part_id": 7} for n, day in enumerate(days)]
    run_in_transaction(lambda session: session.execute(insert(SegmentCount), ledger))
    shell("segments", "compact")
    assert sums() == {"v": 1111}
    assert {*db.session.scalars(select(SegmentCount.day))} == {*days[:2], *old}
    assert count_holders(SegmentPair("t", "v")) == 1111


def test_every_count_is_the_same_before_and_after_compaction(app: Flask) -> None:
    add_customers("1", "2", "3")
    for document_id in "123":
        set_segments(document_id, [*GOLD, {"type": "n", "value": document_id}])
    set_segments("3", SILVER)
    gold = SegmentPair("membership", "GOLD")

    def read() -> list[object]:
        db.session.rollback()
        by_set = deltas_by_change_set([2, 3, 4, 5])
        assert {id_: deltas[:2] for id_, deltas in by_set.items()} == deltas_by_change_set([2, 3, 4, 5], limit=2)
        trend = trends([gold, SegmentPair("no", "one")], days())
        largest = largest_deltas(now() - timedelta(days=1), limit=9)
        return [catalogue(limit=9), largest_segments(limit=9), count_holders(gold), trend, largest, by_set]

    before = read()
    compaction.compact()
    assert (recent_rows(), read()) == (0, before)
    set_segments("2", SILVER)
    assert count_holders(gold) == 1
    before = read()
    compaction.compact()
    assert read() == before
    assert [*db.session.scalars(select(SegmentTotal.value).order_by(SegmentTotal.value))] == ["1", "GOLD", "SILVER"]


def test_largest_deltas_are_those_since_the_beginning_of_an_hour(app: Flask) -> None:
    hour = start_of_hour(now())
    add_customers("1", "2", "3", "4")
    for document_id, minutes in (("1", -1), ("2", 0), ("3", 1)):
        set_segments(document_id, GOLD)
        _date_newest_part(hour - timedelta(hours=3) + timedelta(minutes=minutes))
    since = hour - timedelta(hours=3) + timedelta(minutes=30)

    def read() -> list[ActorDelta]:
        db.session.rollback()
        return largest_deltas(since, limit=9)

    before = read()
    assert [delta.customers for delta in before] == [2]
    compaction.compact()
    assert read() == before
    set_segments("4", GOLD)
    assert [delta.customers for delta in read()] == [3]


def test_compaction_keeps_the_hours_of_one_day(app: Flask) -> None:
    hour = start_of_hour(now())
    add_customers("1", "2")
    set_segments("1", GOLD)
    _date_newest_part(hour - timedelta(hours=26))
    compaction.compact()
    assert db.session.scalars(select(HourlyDelta.hour)).all() == [], "yesterday's changes that were compacted late"
    old = {"hour": hour - timedelta(hours=25), "actor": "a", "type": "t", "value": "v", "delta": 1}
    run_in_transaction(lambda session: session.execute(insert(HourlyDelta), old))
    set_segments("2", GOLD)
    compaction.compact()
    db.session.rollback()
    newest = db.session.scalars(select(func.max(ChangeSetPart.at))).one()
    assert db.session.scalars(select(HourlyDelta.hour)).all() == [start_of_hour(newest)]


def _date_newest_part(at: datetime) -> None:
    newest = select(func.max(ChangeSetPart.id)).scalar_subquery()
    dated = update(ChangeSetPart).where(ChangeSetPart.id == newest).values(at=at)
    run_in_transaction(lambda session: session.execute(dated))


def test_compaction_is_due_by_the_number_of_recent_rows(app: Flask, ana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MAX_RECENT", 10)
    monkeypatch.setattr(background, "COMPACTION_INTERVAL_S", 0)
    largest = 0
    for n in range(20):
        set_segments(ana, [{"type": "n", "value": str(n % 2)}])
        largest = max(largest, recent_rows())
        background.compact_ledger(background.Stop())
    assert largest <= 11
    assert count_holders(SegmentPair("n", "1")) == 1
    assert count_holders(SegmentPair("n", "0")) == 0


def test_recount_corrects_and_reports_differences(shell: Shell) -> None:
    add_customers("1", "2")
    set_segments("1", GOLD)
    set_segments("2", GOLD)
    assert "All counts were correct" in shell("segments", "recount").stderr
    run_in_transaction(lambda session: session.execute(delete(SegmentCount)))
    run_in_transaction(lambda session: session.execute(update(Customer).values(segments=[*SILVER, *GOLD])))
    assert shell("segments", "recount").stdout.splitlines() == ["membership:GOLD +2", "membership:SILVER +2"]
    shell("segments", "compact")
    run_in_transaction(lambda session: session.execute(update(Customer).values(segments=[])))
    assert shell("segments", "recount").stdout.splitlines() == [
        "membership:GOLD -2",
        "membership:SILVER -2",
        "customers with segments -2",
    ]
    assert sums() == {"GOLD": 0, "SILVER": 0}
    assert largest_segments(limit=9) == []


def test_more_distinct_states_than_memory_holds_are_counted_in_batches(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replace_segments, "MAX_DISTINCT_STATES", 3)
    lines = "".join(f'{{"document_id":"{n}","segments":[{{"type":"t","value":"{n % 50}"}}]}}\n' for n in range(11_000))
    shell("customers", "import", shell.file("c.jsonl", lines))
    assert sums() == {str(n): 220 for n in range(50)}
    assert rows() >= 150, "every batch by itself"


def test_totals_follow_every_change(shell: Shell) -> None:
    add_customers("1", "2")
    add_customers("2", "3", "4")
    for document_id in "123":
        set_segments(document_id, GOLD)
    compaction.compact()
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
