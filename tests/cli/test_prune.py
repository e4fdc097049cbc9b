"""flask changes prune --older-than 90d: forgets what was, never what is."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from app.core.changes.replace_segments import replace_segments
from app.core.counts.compaction import compact
from app.core.counts.recount import recount
from app.core.counts.segment_deltas import SegmentDelta
from app.core.database import db
from app.core.history import retention
from app.core.models.change_sets import ChangeSetPart, RetentionHorizon
from app.core.models.customer_changes import CustomerChange
from tests.support.clients import Api, Shell
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.dates import date
from tests.support.feed import read, read_all

NOW = datetime.now(UTC)
DAYS_AGO_50 = quote((NOW - timedelta(days=50)).isoformat())


@pytest.fixture
def aged(shell: Shell) -> dict[str, Any]:
    """Change sets of 100, 99, 2 and 1 days ago."""
    add_customers("a", "b", "c")
    replace_segments(dict.fromkeys("abc", GOLD), TESTER)
    set_segments("a", SILVER)
    set_segments("b", SILVER)
    set_segments("a", GOLD)
    for id_, days in ((1, 100), (2, 99), (3, 2), (4, 1)):
        date(id_, NOW - timedelta(days=days))
    return all_segments()


def test_deletes_older_change_sets_and_keeps_customers(shell: Shell, aged: dict[str, Any]) -> None:
    assert "2 change sets with 4 changes deleted" in shell("changes", "prune", "--older-than", "90d").stdout
    assert all_segments() == aged
    assert recount(TESTER) == []
    assert db.session.scalars(select(CustomerChange.part_id).order_by(CustomerChange.part_id)).all() == [3, 4]
    assert "0 change sets" in shell("changes", "prune", "--older-than", "90d").stdout


def test_history_is_deleted_in_batches(shell: Shell, aged: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH_SIZE", 1)
    assert "4 change sets with 6 changes deleted" in shell("changes", "prune", "--older-than", "1h").stdout
    assert db.session.scalar(select(func.count()).select_from(RetentionHorizon)) == 1
    assert all_segments() == aged


def test_leaves_no_holes(shell: Shell, aged: dict[str, Any]) -> None:
    """A change set between newer ones, by a clock that went wrong, is kept."""
    date(3, NOW - timedelta(days=95))
    date(2, NOW - timedelta(days=1))
    assert "1 change set with 3 changes" in shell("changes", "prune", "--older-than", "90d").stdout


def test_cursor_before_the_horizon_is_410(api: Api, shell: Shell, aged: dict[str, Any]) -> None:
    (_, early), (_, late) = read(api, limit=1), read(api, limit=4)
    shell("changes", "prune", "--older-than", "90d")
    api.get(f"/api/v3/changes?after={early}", status=410, code="NO_LONGER_KNOWN")
    assert [change["changeSet"] for change in read_all(api, late)[0]] == ["3", "4"]
    assert [change["changeSet"] for change in read_all(api)[0]] == ["3", "4"]


def test_pruned_change_set_cannot_be_reverted(api: Api, shell: Shell, aged: dict[str, Any]) -> None:
    shell("changes", "prune", "--older-than", "90d")
    api.call("POST", "/api/v3/change-sets/1/revert", status=404, code="NOT_FOUND")
    assert all_segments() == aged


@pytest.mark.parametrize("args", [(), ("--older-than", "soon")])
def test_asks_for_an_age(shell: Shell, args: tuple[str, ...]) -> None:
    shell("changes", "prune", *args, exit_code=2)


def test_pruned_parts_leave_no_count_deltas(shell: Shell, aged: dict[str, Any]) -> None:
    """Fault G15: pruned before it was compacted, a change set left its rows behind for ever."""
    shell("changes", "prune", "--older-than", "90d")
    compact()
    assert set(db.session.scalars(select(SegmentDelta.part_id))) <= {3, 4}
    shell("changes", "prune", "--older-than", "1h")
    assert db.session.scalars(select(SegmentDelta.part_id)).all() == []
    assert recount(TESTER) == []


def test_parts_stay_while_customers_refer_to_them(api: Api, shell: Shell, aged: dict[str, Any]) -> None:
    changed = {row["document_id"]: row["changedAt"] for row in api.get("/api/v3/customers").json["customers"]}
    shell("changes", "prune", "--older-than", "1h")
    assert db.session.scalars(select(ChangeSetPart.id).order_by(ChangeSetPart.id)).all() == [1, 3, 4]
    after = {row["document_id"]: row["changedAt"] for row in api.get("/api/v3/customers").json["customers"]}
    assert after == changed
    stale = api.replace([{"document_id": id_, "segments": []} for id_ in "abc"], f"?report=true&as_of={DAYS_AGO_50}")
    assert stale.json["report"]["stale"] == ["a", "b"], "as_of works as before"
