"""Connections lost in a request or a transaction, and commits whose outcome is unknown."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, false, literal, select, text

from app.core.changes import profiles
from app.core.changes.profiles import search_row
from app.core.changes.replace_segments import replace_segments
from app.core.database import db, now, run_in_transaction
from app.core.dialects import commit_status, connections
from app.core.errors import Unavailable
from app.core.models.change_sets import ChangeSet
from app.web.cancellation import Cancellation
from app.web.server_environ import CANCELLATION
from tests.support.customers import GOLD, SILVER, TESTER, all_segments, set_segments
from tests.support.databases import administer, on_postgresql


def test_dry_run_that_loses_its_connection_changes_nothing(app: Flask, ana: str) -> None:
    set_segments(ana, SILVER)
    replace_segments({ana: GOLD}, TESTER, dry_run=True)
    assert all_segments() == {ana: SILVER}


def test_objects_loaded_before_a_transaction_stay_usable(app: Flask, ana: str) -> None:
    set_segments(ana, SILVER)
    change_set = db.session.get_one(ChangeSet, 1)
    set_segments(ana, GOLD)
    assert change_set.actor == "tester"
    assert change_set in db.session


@on_postgresql
def test_writers_hold_one_connection(app: Flask, ana: str) -> None:
    all_segments()
    set_segments(ana, SILVER)
    assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@on_postgresql
def test_a_connection_that_the_server_ends_at_the_beginning_of_a_transaction_is_replaced(
    app: Flask, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, ended = "_TRANSACTION_AND_STATISTICS", []
    begin = getattr(connections, name)

    def end_it_once(*arguments: Any) -> Any:
        if not ended:
            ended.append(True)
            monkeypatch.setattr(connections, name, "SELECT pg_terminate_backend(pg_backend_pid())")
        else:
            monkeypatch.setattr(connections, name, begin)
        return local_settings(*arguments)

    local_settings = connections._local_settings
    monkeypatch.setattr(connections, "_local_settings", end_it_once)
    set_segments(ana, GOLD)
    assert ended
    assert all_segments() == {ana: GOLD}


@on_postgresql
def test_customers_are_created_once_if_the_connection_is_lost_between_their_rows(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"{n:05}" for n in range(3_000)]
    ended = []

    def end_it_once(row: dict[str, Any]) -> dict[str, Any]:
        if row["document_id"] == ids[2_000] and not ended:
            ended.append(True)
            others = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            administer(app.config["DATABASE_URL"], f"SELECT pg_terminate_backend(pid) FROM {others}")
        return search_row(row)

    monkeypatch.setattr(profiles, "search_row", end_it_once)
    result = run_in_transaction(
        lambda session: profiles.upsert_customers(session, [{"document_id": id_} for id_ in ids])
    )
    assert ended
    assert result.created == len(ids)
    assert db.session.scalar(text("SELECT count(*) FROM customer_search")) == len(ids)


@on_postgresql
def test_a_connection_that_is_lost_while_a_request_reads_is_forgotten(app: Flask) -> None:
    cancellation = Cancellation()
    with app.test_request_context("/", environ_overrides={CANCELLATION: cancellation}):
        db.session.rollback()
        connection = db.engine.connect()
        connection.invalidate()
        connection.close()
    assert cancellation._connections == []


LONG_AGO, LATER = "2000-01-01", now() + timedelta(days=1)


@on_postgresql
@pytest.mark.parametrize(
    ("begun", "evidence", "committed"),
    [
        ("infinity", None, True),
        (LONG_AGO, select(literal(now() - timedelta(days=9000))), True),
        (LONG_AGO, select(literal(LATER)), False),
        (LONG_AGO, select(literal(LATER)).where(false()), False),
    ],
)
def test_after_a_crash_the_number_of_a_transaction_may_be_that_of_another(
    app: Flask, ana: str, begun: str, evidence: Any, committed: bool
) -> None:
    """The server gives the numbers of transactions that it lost to others: a row of our own must tell."""
    number = run_in_transaction(lambda session: session.scalar(text("SELECT pg_current_xact_id()::text")))
    assert commit_status.was_committed(db.engine, f"{number} {begun}", evidence) is committed


@on_postgresql
def test_a_transaction_that_a_crash_took_back_is_not_committed(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commit_status.was_committed(db.engine, "99999999999 infinity") is False
    number = run_in_transaction(lambda session: session.scalar(text("SELECT pg_current_xact_id()::text")))
    with pytest.raises(Unavailable):
        commit_status.was_committed(db.engine, f"{number} {LONG_AGO}")


def test_unavailable_is_raised_when_the_outcome_of_a_commit_stays_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_status, "COMMIT_LOOKUP_S", 0.1)
    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with pytest.raises(Unavailable):
        commit_status.was_committed(engine, "1 2026-01-01")
