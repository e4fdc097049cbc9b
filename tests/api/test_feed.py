"""GET /api/v3/changes: every change once, in an order that never skips one (contract §3)."""

import threading
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core import dialects
from app.core.changes.change_set_builder import open_change_set
from app.core.changes.replace_segments import replace_segments, replace_segments_in
from app.core.changes.segment_updates import PreparedUpdate
from app.core.database import db
from app.core.models.change_sets import ChangeSet
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.feed import read, read_all, replay


def test_it_works(api: Api, ana: str) -> None:
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


def test_it_goes_on_where_it_stopped(api: Api, ana: str) -> None:
    _, start = read(api)
    assert read(api, start) == ([], start)
    set_segments(ana, GOLD)
    changes, after = read(api, start)
    assert [change["after"] for change in changes] == [GOLD]
    assert read(api, after) == ([], after)
    set_segments(ana, SILVER)
    assert [change["after"] for change in read(api, after)[0]] == [SILVER]


def test_it_does_not_stop_at_what_changed_no_segments(api: Api, ana: str) -> None:
    for n in range(3):
        api.call("POST", "/api/v3/customers", json={"customers": [{"document_id": ana, "name": f"Ana {n}"}]})
    set_segments(ana, GOLD)
    changes, _ = read(api, limit=1, query="&kind=segments")
    assert [change["after"] for change in changes] == [GOLD]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_of_any_size_tell_the_same(api: Api, limit: int) -> None:
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
def test_it_refuses_what_it_did_not_give_out(api: Api, query: str) -> None:
    api.get(f"/api/v3/changes?{query}", status=400, code="VALIDATION_ERROR")


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_it_waits_for_writers_that_commit_late(api: Api) -> None:
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
def test_it_waits_for_who_has_a_place_and_has_not_committed(api: Api, app: Flask) -> None:
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
def test_it_tells_a_customers_changes_in_their_order(api: Api) -> None:
    """The second to change her began first: neither ids nor transaction numbers tell who was later."""
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


def test_it_loses_nothing_while_eight_writers_write(api: Api, app: Flask) -> None:
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
