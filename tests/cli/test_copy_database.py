"""flask db copy: everything from one database into another, continued after an interruption."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from app.access.api_tokens import create_token
from app.access.idempotency import IdempotencyKey
from app.core import database_copy
from app.core.counts.recount import recount
from app.core.database import db
from app.core.database_copy import unfinished
from app.core.models.customers import Customer
from tests.support.api_jobs import Killed
from tests.support.clients import Api, Shell
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, all_segments, set_segments
from tests.support.databases import app_on

IDS = [f"{n:03}" for n in range(12)]


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """A shop with history, a token and a request that is safe to repeat."""
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    with app_on(url) as app:
        flask_migrate.upgrade()
        add_customers(*IDS, name="Ana Gómez", email="ana@example.com")
        for document_id in IDS:
            set_segments(document_id, SILVER)
        api = Api(app.test_client(), create_token("crm"))
        headers = {"Idempotency-Key": "night-1"}
        api.replace([{"document_id": "001", "segments": GOLD}], headers=headers)
    return url


@pytest.fixture
def postgresql(database_urls: dict[str, str]) -> Iterator[str]:
    """An empty PostgreSQL database."""
    server = make_url(database_urls["postgresql"])
    url = server.set(database=f"{server.database}_copy")
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    for statement in (f"DROP DATABASE IF EXISTS {url.database} WITH (FORCE)", f"CREATE DATABASE {url.database}"):
        with engine.connect() as connection:
            connection.execute(text(statement))
    yield url.render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {url.database} WITH (FORCE)"))


def copy(source: str, target: str, tmp_path: Path, exit_code: int = 0) -> str:
    with app_on(source) as app:
        result = Shell(app, tmp_path)("db", "copy", "--to", target, exit_code=exit_code)
    return result.stderr if exit_code else result.stdout


def test_from_sqlite_to_postgresql_and_back(sqlite: str, postgresql: str, tmp_path: Path) -> None:
    digests = copy(sqlite, postgresql, tmp_path)
    assert digests.splitlines()
    back = f"sqlite:///{tmp_path / 'back.db'}"
    assert copy(postgresql, back, tmp_path) == digests
    for url in (postgresql, back):
        with app_on(url) as app:
            check_goes_on(app)


def check_goes_on(app: Flask) -> None:
    """Check that customers, counts, feed and new changes are as if the service had never moved."""
    assert all_segments() == {**dict.fromkeys(IDS, SILVER), "001": GOLD}
    assert recount(TESTER) == []
    assert db.session.query(IdempotencyKey).count() == 1
    api = Api(app.test_client(), create_token("new"))
    feed = api.get("/api/v3/changes?limit=1000").json
    before = len(feed["changes"])
    assert api.replace([{"document_id": "002", "segments": GOLD}]).headers["Change-Set"]
    api.call("POST", "/api/v3/customers", json={"customers": [{"document_id": "new"}]})
    after = api.get(f"/api/v3/changes?after={feed['next']}").json["changes"]
    assert [entry["document_id"] for entry in after] == ["002", "new"]
    assert len(api.get("/api/v3/changes?limit=1000").json["changes"]) == before + 2
    assert [customer["document_id"] for customer in api.get("/api/v3/customers?q=gómez").json["customers"]] == IDS


def test_a_used_database_is_not_filled(sqlite: str, postgresql: str, tmp_path: Path) -> None:
    copy(sqlite, postgresql, tmp_path)
    assert "is not empty" in copy(sqlite, postgresql, tmp_path, exit_code=2)
    assert "the database itself" in copy(sqlite, sqlite, tmp_path, exit_code=2)


@pytest.mark.parametrize("batches", [1, 4, 9])
def test_an_interrupted_copy_is_continued(
    sqlite: str, postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    monkeypatch.setattr(database_copy, "BATCH_SIZE", 5)
    real, written = database_copy._batches, []

    def stop(*args: object) -> Iterator[list[tuple[object, ...]]]:
        for batch in real(*args):  # type: ignore[arg-type]
            written.append(1)
            if len(written) > batches:
                raise Killed
            yield batch

    monkeypatch.setattr(database_copy, "_batches", stop)
    with app_on(sqlite) as app, pytest.raises((AssertionError, Killed)):
        Shell(app, tmp_path)("db", "copy", "--to", postgresql)
    monkeypatch.setattr(database_copy, "_batches", real)
    copy(sqlite, postgresql, tmp_path)
    with app_on(postgresql) as app:
        assert not db.inspect(db.engine).has_table(unfinished.name)
        check_goes_on(app)


def interrupted(monkeypatch: pytest.MonkeyPatch, source: str, target: str, tmp_path: Path, *, before: str) -> None:
    """Run a copy that is killed when it comes to this table."""
    real = database_copy._copy_table

    def stop(*args: Any) -> None:
        if args[2].name == before:
            raise Killed
        real(*args)

    monkeypatch.setattr(database_copy, "_copy_table", stop)
    with app_on(source) as app, pytest.raises((AssertionError, Killed)):
        Shell(app, tmp_path)("db", "copy", "--to", target)
    monkeypatch.setattr(database_copy, "_copy_table", real)


def test_a_source_that_changed_after_an_interruption_is_copied_anew(
    sqlite: str, postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, sqlite, postgresql, tmp_path, before="webhooks")
    with app_on(sqlite):
        set_segments("003", GOLD)
    assert "was changed after the interruption" in copy(sqlite, postgresql, tmp_path, exit_code=2)
    copy(sqlite, postgresql, tmp_path)
    with app_on(postgresql):
        assert all_segments() == {**dict.fromkeys(IDS, SILVER), "001": GOLD, "003": GOLD}
        assert recount(TESTER) == []
        assert not db.inspect(db.engine).has_table(unfinished.name)


def test_nobody_writes_to_the_source_during_a_copy(
    sqlite: str, postgresql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(sqlite, postgresql, tmp_path)
    refused = []

    def write_meanwhile(*args: Any) -> str:
        if not refused:
            with another_connection(postgresql) as connection:
                connection.execute(text("SET lock_timeout = 10"))
                with pytest.raises(OperationalError, match="lock timeout"):
                    connection.execute(text("UPDATE customers SET segments = '[]'"))
                refused.append(True)
        return digest(*args)

    digest = database_copy.digest
    monkeypatch.setattr(database_copy, "digest", write_meanwhile)
    copy(postgresql, f"sqlite:///{tmp_path / 'back.db'}", tmp_path)
    assert refused


def test_a_source_that_is_being_changed_is_not_copied(sqlite: str, postgresql: str, tmp_path: Path) -> None:
    copy(sqlite, postgresql, tmp_path)
    with another_connection(postgresql) as connection:
        connection.execute(text("UPDATE customers SET segments = segments"))
        message = copy(postgresql, f"sqlite:///{tmp_path / 'back.db'}", tmp_path, exit_code=2)
    assert "Stop the service first" in message


@contextmanager
def another_connection(url: str) -> Iterator[Connection]:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def test_every_text_is_copied(sqlite: str, postgresql: str, tmp_path: Path) -> None:
    text_ = "Zoë\t\\N \\. \n\r\"'´😀{},\\"
    with app_on(sqlite):
        add_customers("strange", name=text_)
        set_segments("strange", [{"type": text_, "value": text_}])
    digests = copy(sqlite, postgresql, tmp_path)
    with app_on(postgresql):
        assert db.session.get_one(Customer, "strange").name == text_
    assert copy(postgresql, f"sqlite:///{tmp_path / 'back.db'}", tmp_path) == digests
