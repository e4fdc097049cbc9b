"""GET /api/v3/changes: every change once, in an order that never skips one (contract §3)."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from app.access.api_tokens import SCOPES, create_token
from app.core import dialects
from app.core.changes.change_set_builder import open_change_set
from app.core.changes.document_ids import rename_customer
from app.core.changes.replace_segments import replace_segments, replace_segments_in
from app.core.changes.segment_updates import PreparedUpdate
from app.core.database import db, now
from app.core.history.retention import prune
from app.core.models.change_sets import ChangeSet, ChangeSetPart
from app.core.models.customer_changes import CustomerChange
from tests.support.clients import Api, api_with
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, profile, set_segments
from tests.support.dates import date
from tests.support.feed import read, read_all, replay


def test_lists_changes_oldest_first(api: Api, ana: str) -> None:
    api.replace([{"document_id": ana, "segments": GOLD}])
    ((change,), _) = read(api)
    assert change.pop("at").endswith("Z")
    assert change == {
        "id": "1:1",
        "kind": "segments",
        "actor": "token crm-nightly",
        "source": "api",
        "changeSet": "1",
        "document_id": ana,
        "before": [],
        "after": GOLD,
    }


def test_cursor_continues_without_gap_or_repeat(api: Api, ana: str) -> None:
    _, start = read(api)
    assert read(api, start) == ([], start)
    set_segments(ana, GOLD)
    changes, after = read(api, start)
    assert [change["after"] for change in changes] == [GOLD]
    assert read(api, after) == ([], after)
    set_segments(ana, SILVER)
    assert [change["after"] for change in read(api, after)[0]] == [SILVER]


def test_change_sets_without_segment_changes_do_not_end_a_page(api: Api, ana: str) -> None:
    for n in range(3):
        api.call("POST", "/api/v3/customers", json={"customers": [{"document_id": ana, "name": f"Ana {n}"}]})
    set_segments(ana, GOLD)
    changes, _ = read(api, limit=1, query="&kind=segments")
    assert [change["after"] for change in changes] == [GOLD]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_of_any_size_have_the_same_entries(api: Api, limit: int) -> None:
    """Change sets smaller and larger than a page, cut anywhere."""
    ids = [f"{n}" for n in range(12)]
    add_customers(*ids)
    for n, size in enumerate([1, 12, 3, 1, 1, 5]):
        replace_segments({id_: [{"type": "n", "value": str(n)}] for id_ in ids[:size]}, TESTER)
    changes, _ = read_all(api, limit=limit)
    assert [change["changeSet"] for change in changes] == list("1" + "2" * 12 + "333" + "4" + "5" + "66666")
    assert replay(changes, {id_: [] for id_ in ids}) == all_segments()


@pytest.mark.parametrize(
    "query",
    ["after=x", "after=%ff", "after=bnVsbA", "after=WzEsMl0", "limit=0", "limit=1001", "limit=x", "limit=²"],
)
def test_rejects_foreign_cursors(api: Api, query: str) -> None:
    api.get(f"/api/v3/changes?{query}", status=400, code="VALIDATION_ERROR")


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_waits_for_writers_that_commit_late(api: Api) -> None:
    """Two writers, and the one with the lower id commits last: a reader that goes by ids alone loses it."""
    add_customers("slow", "fast")
    _, start = read(api)
    by_id = select(ChangeSet.id).order_by(ChangeSet.id)
    with Session(dialects.for_writing(db.engine)) as slow:
        with open_change_set(slow, TESTER) as change_set:
            replace_segments_in(change_set, PreparedUpdate.of({"slow": GOLD}))
            set_segments("fast", GOLD)
            seen_by_id = list(db.session.scalars(by_id))
            seen, after = read(api, start)
        slow.commit()
    db.session.rollback()
    seen_by_id += db.session.scalars(by_id.where(ChangeSet.id > max(seen_by_id))).all()
    assert seen_by_id == [2], "sequence numbers alone lose change set 1"
    seen += read_all(api, after)[0]
    assert [change["document_id"] for change in seen] == ["fast", "slow"]


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_waits_for_a_writer_that_has_a_position_and_has_not_committed(api: Api, app: Flask) -> None:
    add_customers("slow", "fast")
    pages: list[Any] = []
    token = api.headers["Authorization"].removeprefix("Bearer ")
    reader = threading.Thread(target=lambda: pages.append(read(Api(app.test_client(), token))[0]))
    with Session(dialects.for_writing(db.engine)) as slow:
        with open_change_set(slow, TESTER) as change_set:
            replace_segments_in(change_set, PreparedUpdate.of({"slow": GOLD}))
        set_segments("fast", GOLD)
        reader.start()
        reader.join(timeout=0.5)
        assert pages == []
        slow.commit()
    reader.join(timeout=20)
    assert [change["document_id"] for change in pages[0]] == ["slow", "fast"]


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_changes_of_one_customer_are_in_order(api: Api) -> None:
    """The second writer of the customer began first: neither ids nor transaction numbers give the order."""
    add_customers("other", "ana")
    with Session(dialects.for_writing(db.engine)) as first:
        with open_change_set(first, TESTER) as change_set:
            replace_segments_in(change_set, PreparedUpdate.of({"other": GOLD}))
            set_segments("ana", GOLD)
            replace_segments_in(change_set, PreparedUpdate.of({"ana": SILVER}))
        first.commit()
    changes = [change for change in read_all(api)[0] if change["document_id"] == "ana"]
    assert [change["after"] for change in changes] == [GOLD, SILVER]
    assert [change["changeSet"] for change in changes] == ["2", "1"]


def test_loses_nothing_while_eight_writers_write(api: Api, app: Flask) -> None:
    ids = [f"{n}" for n in range(6)]
    add_customers(*ids)
    done = threading.Event()

    def write(seed: int) -> None:
        with app.app_context():
            for n in range(25):
                value = [{"type": "n", "value": f"{seed}-{n}"}]
                replace_segments(dict.fromkeys(ids[n % 3 : n % 3 + seed % 3 + 1], value), TESTER)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(8)]
    for writer in writers:
        writer.start()

    seen: list[Any] = []
    after = None
    while not done.is_set():
        if not any(writer.is_alive() for writer in writers):
            done.set()
        page, after = read_all(api, after, limit=5)
        db.session.rollback()
        seen += page
    for writer in writers:
        writer.join()
    assert len(seen) == len({change["id"] for change in seen}), "none twice"
    assert {change["id"] for change in seen} == {change["id"] for change in read_all(api)[0]}, "none skipped"
    assert replay(seen, {id_: [] for id_ in ids}) == all_segments()


def test_each_kind_of_change_has_its_members(api: Api) -> None:
    before = profile(name="Ana")
    api.call("POST", "/api/v3/customers", json={"customers": [{"document_id": "1", "name": "Ana"}]})
    api.call("POST", "/api/v3/customers", json={"customers": [{"document_id": "1", "phone": "7"}]})
    api.replace([{"document_id": "1", "segments": GOLD}])
    rename_customer("1", "2", TESTER)
    changes, _ = read(api)
    common = {"id", "at", "actor", "source", "changeSet"}
    assert [{name: change[name] for name in change if name not in common} for change in changes] == [
        {"kind": "created", "document_id": "1", "after": before},
        {"kind": "profile", "document_id": "1", "before": before, "after": {**before, "phone": "7"}},
        {"kind": "segments", "document_id": "1", "before": [], "after": GOLD},
        {"kind": "renamed", "document_id": "1", "newDocumentId": "2"},
    ]
    assert all(common <= set(change) for change in changes)


def test_a_rename_neither_skips_nor_repeats_changes(api: Api) -> None:
    """Fault A3: ids and cursors contained the document_id, which a rename rewrote in the record."""
    ids = list("abcdefghij")
    add_customers(*ids)
    api.replace([{"document_id": id_, "segments": GOLD} for id_ in ids])
    first, cursor = read(api, limit=5)
    rename_customer("h", "0-h", TESTER)
    rename_customer("b", "zz-b", TESTER)
    rest, _ = read_all(api, cursor, query="&kind=segments")
    assert sorted(change["document_id"] for change in [*first, *rest]) == ids
    assert read(api, limit=5)[0] == first


def test_filters_keep_kinds_customers_and_types(api: Api) -> None:
    api.call("POST", "/api/v3/customers", json={"customers": [{"document_id": id_} for id_ in "ab"]})
    both = [*GOLD, {"type": "n", "value": "1"}]
    for segments in (GOLD, both, SILVER):
        api.replace([{"document_id": id_, "segments": segments} for id_ in "ab"])
    for limit in (1, 2, 1000):
        assert len(read_all(api, limit=limit, query="&kind=created")[0]) == 2
        assert len(read_all(api, limit=limit, query="&kind=created&kind=segments")[0]) == 8
        of_a = read_all(api, limit=limit, query="&document_id=a")[0]
        assert [change["kind"] for change in of_a] == ["created", "segments", "segments", "segments"]
        of_n = read_all(api, limit=limit, query="&type=n&document_id=b")[0]
        assert [(change["before"], change["after"]) for change in of_n] == [(GOLD, both), (both, SILVER)]
        assert read_all(api, limit=limit, query="&type=n&kind=created")[0] == []
    api.get("/api/v3/changes?kind=everything", status=400, code="VALIDATION_ERROR")


def test_after_now_returns_the_current_cursor(api: Api, ana: str) -> None:
    set_segments(ana, GOLD)
    result = api.get("/api/v3/changes?after=now").json
    assert result["changes"] == []
    set_segments(ana, SILVER)
    assert [change["after"] for change in read(api, result["next"])[0]] == [SILVER]


def test_the_current_cursor_is_known_when_the_newest_part_is_pruned(app: Flask, ana: str) -> None:
    """Older parts stay as long as customers refer to them, and are not the end of the feed."""
    api = api_with(app, create_token("mirror", SCOPES))
    set_segments(ana, GOLD)
    api.call("POST", "/api/v3/customers", json={"customers": [{"document_id": ana, "name": "Ana"}]})
    prune(now() + timedelta(seconds=1))
    current = api.get("/api/v3/changes?after=now").json["next"]
    snapshot = api.get("/api/v3/customers/export").headers["Change-Cursor"]
    set_segments(ana, SILVER)
    for cursor in (current, snapshot):
        assert [change["after"] for change in read(api, cursor)[0]] == [SILVER]


def test_a_cursor_of_a_part_that_a_restored_backup_does_not_have_is_410(api: Api, ana: str) -> None:
    """Fault G7: the positions after the backup are given out again, to other changes."""
    set_segments(ana, GOLD)
    _, old = read(api)
    set_segments(ana, SILVER)
    _, newer = read(api)
    with db.engine.begin() as connection:  # as the backup was
        newest = select(func.max(ChangeSetPart.id)).scalar_subquery()
        connection.execute(delete(CustomerChange).where(CustomerChange.part_id == newest))
        connection.execute(delete(ChangeSet).where(ChangeSet.id == select(func.max(ChangeSet.id)).scalar_subquery()))
        connection.execute(delete(ChangeSetPart).where(ChangeSetPart.id == newest))
    api.get(f"/api/v3/changes?after={newer}", status=410, code="NO_LONGER_KNOWN")
    with db.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT setval('part_positions', 1)"))
    set_segments(ana, [])
    api.get(f"/api/v3/changes?after={newer}", status=410, code="NO_LONGER_KNOWN")
    assert [change["after"] for change in read(api, old)[0]] == [[]]


def test_moments_never_run_backwards_for_a_customer(api: Api, ana: str) -> None:
    """Fault G6: after a clock that was ahead, the next change of the customer is later all the same."""
    set_segments(ana, GOLD)
    ahead = now() + timedelta(hours=5)
    date(1, ahead)
    set_segments(ana, SILVER)
    add_customers("other")
    set_segments("other", GOLD)
    moments = [datetime.fromisoformat(change["at"]) for change in read(api)[0]]
    assert moments[1] == ahead + timedelta(microseconds=1)
    assert moments[2] < ahead


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_moment_is_later_than_those_recorded_since_the_change_set_was_opened(api: Api, ana: str) -> None:
    """A clock that was ahead only for a moment; SQLite has no other writer meanwhile."""
    set_segments(ana, GOLD)
    ahead = now() + timedelta(hours=5)
    with Session(dialects.for_writing(db.engine)) as session:
        with open_change_set(session, TESTER) as change_set:
            date(1, ahead)
            replace_segments_in(change_set, PreparedUpdate.of({ana: SILVER}))
        session.commit()
    moments = [datetime.fromisoformat(change["at"]) for change in read(api)[0]]
    assert moments == [ahead, ahead + timedelta(microseconds=1)]
