"""Refused requests are counted in memory by several threads, and written by a background task."""

import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.access import refusal_counts
from app.access.refusal_counts import RETENTION, RefusalCount, RefusalCounter, refusals_since
from app.core.database import db, now, run_in_transaction
from app.core.errors import Unavailable
from tests.support.clients import Api
from tests.support.query_log import capture_queries


def test_concurrent_refusals_are_all_counted(app: Flask) -> None:
    counter = RefusalCounter()
    threads = [threading.Thread(target=lambda: [counter.add("", "NOT_FOUND") for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counter.write()
    assert refusals_since(now()) == [("", "NOT_FOUND", 2000)]


def test_a_refusal_does_not_write_to_the_database(api: Api) -> None:
    with capture_queries() as queries:
        api.replace([], status=400, code="VALIDATION_ERROR")
    assert not [query for query in queries if "hourly_refusals" in query]


def test_counts_survive_an_unavailable_database(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = RefusalCounter()
    counter.add("", "NOT_FOUND")

    def unavailable(*_: object, **__: object) -> None:
        raise Unavailable

    with monkeypatch.context() as patch:
        patch.setattr(refusal_counts, "run_in_transaction", unavailable)
        counter.write()
    counter.add("", "NOT_FOUND")
    counter.write()
    counter.write()
    assert refusals_since(now()) == [("", "NOT_FOUND", 2)]


def count_and_age(code: str, age: timedelta) -> None:
    """Count a refusal, and let all hours counted so far have been a while ago."""
    counter = RefusalCounter()
    counter.add("", code)
    counter.write()
    run_in_transaction(lambda session: session.execute(update(RefusalCount).values(hour=now() - age)))


@pytest.mark.parametrize(("hours", "found"), [(23, True), (26, False)])
def test_counts_are_of_the_last_24_hours(app: Flask, hours: int, found: bool) -> None:
    count_and_age("NOT_FOUND", timedelta(hours=hours))
    assert bool(refusals_since(now() - timedelta(hours=24))) is found


def test_counts_are_deleted_after_a_month(app: Flask) -> None:
    count_and_age("NOT_FOUND", 2 * RETENTION)
    count_and_age("OTHER", timedelta())
    assert db.session.scalars(select(RefusalCount.code).order_by(RefusalCount.code)).all() == ["OTHER"]
