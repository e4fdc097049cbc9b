"""A real shop: 23,570 customers, and what its nightly job would have sent at five of 18 month ends.

While most of them are new, when few are, and when hardly anything changes any more; all 18 took a quarter of the time
of all tests, and showed nothing else.
"""

import gzip
import json
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from app.core.counts.recount import recount
from app.core.database import db
from app.core.models.change_sets import ChangeSet, ChangeSetPart
from app.core.models.customers import Customer
from tests.support.clients import Api, Shell
from tests.support.customers import TESTER, Segments, all_segments
from tests.support.feed import read_all, replay

BATCH = 5_000


def rows(month: Path) -> list[dict[str, Any]]:
    with gzip.open(month) as file:
        return [json.loads(line) for line in file]


def expected(before: dict[str, Segments], month: Path) -> tuple[dict[str, Segments], int]:
    """The state after the file, and how many customers it changes."""
    new_segments = {row["document_id"]: row["segments"] for row in rows(month)}
    return before | new_segments, sum(before[document_id] != segments for document_id, segments in new_segments.items())


def test_feed_replays_every_month(months: list[Path], shell: Shell, api: Api) -> None:
    state = start = all_segments()
    for month in months:
        state, changed = expected(state, month)
        report = json.loads(shell("segments", "apply", str(month)).stdout)
        assert report["changed"] == changed
        assert report["notFound"] == report["duplicates"] == report["stale"] == []
        assert all_segments() == state
        assert written(report["changeSet"]) == changed
    assert recount(TESTER) == []
    assert replay(read_all(api)[0], start) == state


def test_each_quarter_over_http(months: list[Path], api: Api) -> None:
    state: dict[str, Segments] = all_segments()
    for month in months[2::3]:
        state, changed = expected(state, month)
        entries = rows(month)
        reports = []
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            result = api.replace(batch, "?report=true").json
            assert result["updatedCustomers"] == [row["document_id"] for row in batch]
            reports.append(result["report"])
        assert sum(report["changed"] for report in reports) == changed
        assert all_segments() == state
        assert sum(written(report["changeSet"]) for report in reports) == changed
    assert recount(TESTER) == []


def written(change_set_id: str | None) -> int:
    """How many customers the change set wrote to: only those that differed."""
    if change_set_id is None:
        return 0
    written = db.session.scalar(
        select(func.count())
        .select_from(Customer)
        .join(ChangeSetPart, ChangeSetPart.id == Customer.part_id)
        .where(ChangeSetPart.change_set_id == int(change_set_id))
    )
    recorded = db.session.get(ChangeSet, int(change_set_id))
    assert recorded
    assert recorded.changed == written
    return recorded.changed
