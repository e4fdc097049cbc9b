"""Places in the change feed: which cursors are known, and that nothing between two of them is lost."""

import json
import threading
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from app.access.api_tokens import SCOPES, create_token
from app.core import dialects
from app.core.changes.change_set_builder import open_change_set
from app.core.changes.replace_segments import replace_segments, replace_segments_in
from app.core.changes.segment_updates import PreparedUpdate
from app.core.database import db, now
from app.core.history import feed
from app.core.history.retention import prune
from tests.support.clients import Api, api_with
from tests.support.customers import GOLD, SILVER, TESTER, WINE, add_customers, set_segments
from tests.support.dates import date
from tests.support.feed import read, read_all
from tests.support.waiting import await_lock_or_end


@pytest.fixture
def mirror(app: Flask) -> Api:
    return api_with(app, create_token("mirror", SCOPES))


def current_cursors(mirror: Api) -> list[str]:
    """Return the cursors of this moment: that of the feed, and that of a snapshot."""
    export = mirror.get("/api/v3/customers/export")
    return [mirror.get("/api/v3/changes?after=now").json["next"], export.headers["Change-Cursor"]]


def test_the_current_cursor_of_an_empty_feed_is_before_its_first_entry(mirror: Api, ana: str) -> None:
    cursors = current_cursors(mirror)
    set_segments(ana, GOLD)
    for cursor in cursors:
        assert [change["after"] for change in read(mirror, cursor)[0]] == [GOLD]


def test_the_current_cursor_is_after_all_entries(mirror: Api, ana: str) -> None:
    for segments in (GOLD, SILVER, WINE):
        set_segments(ana, segments)
    assert [read(mirror, cursor)[0] for cursor in current_cursors(mirror)] == [[], []]


@pytest.mark.parametrize("scanned", [1, 2, 3, 4, 12])
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_filter_over_many_entries_skips_and_repeats_none(
    api: Api, monkeypatch: pytest.MonkeyPatch, scanned: int, limit: int
) -> None:
    """Change sets smaller and larger than what one statement looks through."""
    monkeypatch.setattr(feed, "FILTERED_SCAN", scanned)
    ids = [f"{n:02}" for n in range(8)]
    add_customers(*ids)
    for n, size in enumerate([1, 8, 3, 1, 1, 5]):
        segments = {id_: [{"type": f"odd-{int(id_) % 2}", "value": str(n)}] for id_ in ids[:size]}
        replace_segments(segments, TESTER)
    every, _ = read_all(api)
    assert len(every) == 19
    for query, of in (("&type=odd-1", lambda id_: int(id_) % 2), ("&document_id=04", lambda id_: id_ == "04")):
        expected = [change["id"] for change in every if of(change["document_id"])]
        assert [change["id"] for change in read_all(api, limit=limit, query=query)[0]] == expected
    assert read(api, limit=limit, query="&type=none")[0] == []


def test_of_what_was_pruned_only_the_end_is_a_known_place(mirror: Api) -> None:
    add_customers(*"abc")
    for segments in (GOLD, SILVER, WINE):
        replace_segments(dict.fromkeys("abc", segments), TESTER)
    cursors = [read(mirror, limit=limit)[1] for limit in range(1, 7)]
    date(1, now() - timedelta(days=100))
    prune(now() - timedelta(days=90))
    for cursor in cursors[:2]:
        mirror.get(f"/api/v3/changes?after={cursor}", status=410, code="NO_LONGER_KNOWN")
    assert [len(read(mirror, cursor)[0]) for cursor in cursors[2:]] == [6, 5, 4, 3]
    date(2, now() - timedelta(days=100))
    prune(now() - timedelta(days=90))
    for cursor in cursors[:5]:
        mirror.get(f"/api/v3/changes?after={cursor}", status=410, code="NO_LONGER_KNOWN")
    assert [change["after"] for change in read(mirror, cursors[5])[0]] == [WINE] * 3


def test_a_snapshot_of_an_unknown_place_is_refused(mirror: Api, ana: str) -> None:
    for segments in (GOLD, SILVER, WINE):
        set_segments(ana, segments)
    _, cursor = read(mirror, limit=1)
    date(1, now() - timedelta(days=100))
    date(2, now() - timedelta(days=100))
    prune(now() - timedelta(days=90))
    entries = [{"document_id": ana, "segments": []}]
    mirror.replace(entries, f"?as_of={quote(cursor)}", status=410, code="NO_LONGER_KNOWN")
    assert mirror.updated(entries) == [ana]


def write_both(session: Session) -> None:
    """Let `slow` take a position in its transaction, and then let `fast` take a later one and commit."""
    with open_change_set(session, TESTER) as change_set:
        replace_segments_in(change_set, PreparedUpdate.of({"slow": GOLD}))
    set_segments("fast", GOLD)


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
@pytest.mark.parametrize("query", ["limit=10", "after=now"])
def test_what_commits_while_a_page_is_read_is_left_for_the_next(
    api: Api, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """Not on SQLite, which has one writer at a time."""
    add_customers("slow", "fast", "first")
    set_segments("first", GOLD)
    settled_position = dialects.settled_position
    with Session(dialects.for_writing(db.engine)) as slow:

        def settle(session: Session) -> int:
            position = settled_position(session)
            write_both(slow)
            return position

        with monkeypatch.context() as patch:
            patch.setattr(dialects, "settled_position", settle)
            page = api.get(f"/api/v3/changes?{query}").json
        slow.commit()
    changes, _ = read_all(api, page["next"])
    assert [change["document_id"] for change in changes] == ["slow", "fast"]


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_a_snapshot_has_what_was_being_committed_before_its_cursor(app: Flask, mirror: Api) -> None:
    add_customers("slow", "fast")
    snapshots: list[Any] = []
    token = mirror.headers["Authorization"].removeprefix("Bearer ")
    reader = threading.Thread(
        target=lambda: snapshots.append(Api(app.test_client(), token).get("/api/v3/customers/export"))
    )
    with Session(dialects.for_writing(db.engine)) as slow:
        write_both(slow)
        reader.start()
        await_lock_or_end(reader)
        slow.commit()
    reader.join()
    customers = [json.loads(line) for line in snapshots[0].text.splitlines()]
    assert {customer["document_id"]: customer["segments"] for customer in customers} == {"slow": GOLD, "fast": GOLD}
    assert read(mirror, snapshots[0].headers["Change-Cursor"])[0] == []
