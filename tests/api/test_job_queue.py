"""Which job is next, and what other writers and a wrong clock have to do with it."""

import gzip
import io
import threading
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from app.core import database
from app.core.changes.members import MembersDiff
from app.core.changes.replace_segments import replace_segments
from app.core.database import db, now, run_in_transaction
from app.core.dialects import sqlite_lock
from app.core.models.change_sets import Actor
from app.core.models.segments import SegmentPair
from app.jobs import apply_job, batches, reverts, runner
from app.jobs.api_jobs import ApiJob, create_api_job, start_api_job
from app.jobs.jobs import Job, create_job
from app.jobs.members import start_members_job
from app.jobs.reverts import RevertJob
from app.jobs.states import JobKind, JobState
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments
from tests.support.imports import run_job

IDS = ["1", "2", "3"]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH_SIZE", 1)
    monkeypatch.setattr(reverts, "BATCH_SIZE", 1)


class AYearAhead(datetime):
    """A clock that is wrong."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(days=365)


def send(name: str, content: bytes) -> int:
    job_id, job = create_api_job(Actor(name, "api"), ApiJob("replace"), io.BytesIO(content))
    run_in_transaction(lambda session: start_api_job(session, job_id, job))
    return job_id


def claim() -> int | None:
    run = runner._claim(threading.Event())
    db.session.rollback()
    return run and run.job.id


def test_large_files_of_one_client_do_not_keep_workers_from_others(app: Flask) -> None:
    """A few bytes unpack to millions of rows: two such files must not occupy two workers."""
    bomb = gzip.compress(b"document_id,type,value\n" + b"1,a,b\n" * 100_000)
    assert len(bomb) < 5_000
    first, _second, other = send("token a", bomb), send("token a", bomb), send("token b", b"document_id,type,value\n")
    assert [claim(), claim(), claim()] == [first, other, None]


@pytest.mark.usefixtures("small_batches")
def test_a_lease_of_a_clock_that_was_a_year_ahead_blocks_nothing(app: Flask) -> None:
    add_customers(*IDS)
    send("token a", b"document_id,type,value\n1,membership,GOLD\n2,membership,GOLD\n")
    lease = {"lease": "dead", "leased_until": now() + timedelta(days=365)}
    run_in_transaction(lambda session: session.execute(update(Job).values(**lease)))
    assert run_job()
    run_in_transaction(lambda session: session.execute(update(Job).values(**lease)))
    assert run_job()
    assert all_segments() == {"1": GOLD, "2": GOLD, "3": []}


def test_a_clock_that_is_a_year_ahead_forgets_no_idempotency_key(
    api: Api, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"customers": [{"document_id": ana, "segments": GOLD}]}
    headers = {"Idempotency-Key": "key-1"}
    api.call("POST", "/api/v3/customers/segments", json=body, headers=headers)
    monkeypatch.setattr(database, "datetime", AYearAhead)
    assert now() > datetime.now(UTC) + timedelta(days=364)
    another = {"Idempotency-Key": "key-2"}
    api.call("POST", "/api/v3/customers/segments", json=body, headers=another)
    monkeypatch.undo()
    replayed = api.call("POST", "/api/v3/customers/segments", json=body, headers=headers)
    assert replayed.headers["Idempotent-Replayed"] == "true"


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("kind", ["file", "revert"])
def test_other_writers_get_their_turn_between_the_batches_of_a_job(
    app: Flask, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    add_customers(*IDS, "other")
    if kind == "file":
        send("token a", b"document_id,type,value\n" + b"".join(b"%s,membership,GOLD\n" % id_.encode() for id_ in IDS))
    else:
        change_set = replace_segments(dict.fromkeys(IDS, GOLD), TESTER).change_set_id
        assert change_set is not None
        create_job(JobKind.REVERT, TESTER, RevertJob(change_set, waits=False).to_dict(), JobState.CHECKING)
    assert run_job()
    seen = []

    def write(_engine: Any) -> None:
        db.session.rollback()
        seen.append(replace_segments({"other": [SILVER, GOLD][len(seen) % 2]}, TESTER).changed)

    monkeypatch.setattr(apply_job.dialects, "yield_to_writers", write)
    assert run_job()
    assert seen == [1, 1]
    assert db.session.query(Job).one().state == JobState.DONE


@pytest.mark.usefixtures("small_batches")
def test_each_batch_extends_the_lease(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The heartbeat writes beside the batches, and finds SQLite locked by them nearly always."""
    add_customers(*IDS)
    send("token a", b"document_id,type,value\n" + b"".join(b"%s,membership,GOLD\n" % id_.encode() for id_ in IDS))
    assert run_job()
    monkeypatch.setattr(runner, "HEARTBEAT_S", 3600)
    extended = []

    def expire(_engine: Any) -> None:
        db.session.rollback()
        extended.append(db.session.query(Job.leased_until).scalar() > now())
        run_in_transaction(lambda session: session.execute(update(Job).values(leased_until=now() - timedelta(hours=1))))

    monkeypatch.setattr(apply_job.dialects, "yield_to_writers", expire)
    assert run_job()
    assert extended == [True, True]


@pytest.mark.parametrize("kind", ["file", "members", "revert"])
@pytest.mark.parametrize(("customers", "on_sqlite", "on_postgresql"), [(4, [4], [4]), (5, [2, 2, 1], [4, 1])])
def test_a_job_of_several_batches_has_small_ones_where_a_batch_keeps_all_writers_out(
    app: Flask,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    customers: int,
    on_sqlite: list[int],
    on_postgresql: list[int],
) -> None:
    """What fits into one batch is changed all or none on either database."""
    for module in (batches, reverts):
        monkeypatch.setattr(module, "BATCH_SIZE", 4)
    for name in ("SMALL_BATCH", "SMALL_UNDO_BATCH"):
        monkeypatch.setattr(sqlite_lock, name, 2)
    ids = [str(number) for number in range(customers)]
    add_customers(*ids)
    if kind == "file":
        send("token a", b"document_id,type,value\n" + b"".join(b"%s,membership,GOLD\n" % id_.encode() for id_ in ids))
    elif kind == "members":
        diff = MembersDiff(SegmentPair("membership", "GOLD"), added=ids)
        run_in_transaction(lambda session: start_members_job(session, TESTER, diff, None))
    else:
        change_set = replace_segments(dict.fromkeys(ids, GOLD), TESTER).change_set_id
        assert change_set is not None
        create_job(JobKind.REVERT, TESTER, RevertJob(change_set, waits=False).to_dict(), JobState.CHECKING)
    if kind != "members":
        assert run_job()
    stored = db.session.query(batches.JobBatch.customers).order_by(batches.JobBatch.number)
    assert [row.customers for row in stored] == (on_sqlite if db.engine.dialect.name == "sqlite" else on_postgresql)
    assert run_job()
    assert all_segments() == dict.fromkeys(ids, [] if kind == "revert" else GOLD)
