"""?as_of=T: a snapshot of T does not overwrite what was changed since."""

import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

from flask import Flask

from tests.support.another_writer import another_writer
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, add_customers, all_segments, set_segments


def at(moment: datetime) -> str:
    return "?report=true&as_of=" + quote(moment.isoformat())


def test_customers_changed_later_are_stale(api: Api) -> None:
    add_customers("early", "late", "never")
    set_segments("early", SILVER)
    snapshot = datetime.now(UTC)
    set_segments("late", SILVER)
    entries = [{"document_id": id_, "segments": GOLD} for id_ in ("late", "early", "never", "x")]
    result = api.replace(entries, at(snapshot)).json
    assert result["updatedCustomers"] == ["early", "never"]
    assert result["report"] | {"changeSet": None} == {
        "changed": 2,
        "unchanged": 0,
        "notFound": ["x"],
        "duplicates": [],
        "stale": ["late"],
        "changeSet": None,
    }
    assert all_segments() == {"early": GOLD, "late": SILVER, "never": GOLD}


def test_customer_with_equal_segments_is_stale_too(api: Api, ana: str) -> None:
    snapshot = datetime.now(UTC)
    set_segments(ana, GOLD)
    result = api.replace([{"document_id": ana, "segments": GOLD}], at(snapshot)).json
    assert result["updatedCustomers"] == []
    assert result["report"]["stale"] == [ana]


def test_any_offset_means_the_same_moment(api: Api, ana: str) -> None:
    set_segments(ana, SILVER)
    for seconds, stale in ((-3_600, [ana]), (30, [])):
        for offset in (-5, 0, 9):
            there = timezone(timedelta(hours=offset))
            moment = (datetime.now(UTC) + timedelta(seconds=seconds)).astimezone(there).isoformat()
            for spelled in (moment.replace("+", "%2B"), moment):
                url = f"?dry_run=true&as_of={spelled}"
                report = api.replace([{"document_id": ana, "segments": GOLD}], url).json["report"]
                assert report["stale"] == stale


def test_a_time_may_be_spelled_as_rfc_3339_allows(api: Api, ana: str) -> None:
    set_segments(ana, SILVER)
    for spelled in ("2001-02-03T04:05:06Z", "2001-02-03t04:05:06.123456789z", "2001-02-03%2004:05:06-00:00"):
        report = api.replace([{"document_id": ana, "segments": GOLD}], f"?dry_run=true&as_of={spelled}").json["report"]
        assert report["stale"] == [ana]


def test_staleness_is_decided_when_the_row_is_written(api: Api, app: Flask, ana: str) -> None:
    """The request waits for an operator's change to commit, and then must not overwrite it."""
    snapshot = datetime.now(UTC)
    answers = []
    token = api.headers["Authorization"].removeprefix("Bearer ")

    def call() -> None:
        entries = [{"document_id": ana, "segments": GOLD}]
        answers.append(Api(app.test_client(), token).replace(entries, at(snapshot)).json)

    with another_writer(ana) as writer:
        nightly = threading.Thread(target=call)
        nightly.start()
        time.sleep(0.5)
        zone = "" if isinstance(writer, sqlite3.Connection) else "+00"
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}{zone}"
        columns = "id, change_set_id, position, tag, at, entries, deletions"
        writer.execute(f"INSERT INTO change_set_parts ({columns}) VALUES (9, 9, 9, 9, '{now}', 0, 0)")
        writer.execute(f"UPDATE customers SET part_id = 9 WHERE document_id = '{ana}'")
        writer.execute("COMMIT")
        nightly.join(timeout=20)
    assert answers[0]["report"]["stale"] == [ana]
    assert all_segments() == {ana: []}


def test_a_change_that_waited_and_committed_later_is_stale(api: Api, app: Flask, ana: str) -> None:
    """Fault A2: an operator's save begins, waits for the row and commits after the moment that a job noted."""

    def save() -> None:
        with app.app_context():
            set_segments(ana, SILVER)

    with another_writer(ana) as writer:
        operator = threading.Thread(target=save)
        operator.start()
        time.sleep(0.5)
        snapshot = datetime.now(UTC)
        writer.execute("COMMIT")
        operator.join(timeout=20)
    assert api.replace([{"document_id": ana, "segments": GOLD}], at(snapshot)).json["report"]["stale"] == [ana]
    assert all_segments() == {ana: SILVER}


def test_a_cursor_of_the_feed_is_exact(api: Api, ana: str) -> None:
    set_segments(ana, SILVER)
    seen = api.get("/api/v3/changes?after=now").json["next"]
    query = f"?report=true&as_of={quote(seen)}"
    assert api.replace([{"document_id": ana, "segments": GOLD}], query).json["report"]["changed"] == 1
    assert api.replace([{"document_id": ana, "segments": SILVER}], query).json["report"]["stale"] == [ana]
    first = api.get("/api/v3/changes?limit=1").json["next"]
    assert api.replace([{"document_id": ana, "segments": []}], f"?report=true&as_of={first}").json["report"]["stale"]


def test_a_moment_in_the_future_is_refused(api: Api, ana: str) -> None:
    """Fault A7: `as_of=2099…` would switch the check off."""
    entries = [{"document_id": ana, "segments": GOLD}]
    ahead = at(datetime.now(UTC) + timedelta(seconds=90))
    api.replace(entries, ahead, status=400, code="VALIDATION_ERROR")
    assert api.replace(entries, at(datetime.now(UTC) + timedelta(seconds=20))).json["report"]["changed"] == 1
