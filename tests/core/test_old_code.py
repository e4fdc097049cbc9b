"""The previous release runs on the new schema: each migration leaves its statements valid (docs/deployment.md).

The code of the previous release is not at hand, but what it writes is known: rows of the schema that it was made for.
Each table of that schema must still accept them, without any newer column, and give them back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    NullPool,
    Table,
    create_engine,
    insert,
    inspect,
    select,
)

from app import ROOT
from app.core.database import db
from tests.support.databases import another_database, app_on

FIRST_RELEASE = "0002"
"""Migrations up to this one were never between two releases."""


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "app" / "migrations"))
    return ScriptDirectory(config.get_main_option("script_location") or "")


def later_revisions() -> list[tuple[str, str]]:
    """Return each migration after the first release, with the one before."""
    walked = reversed(list(scripts().walk_revisions()))
    return [(str(s.down_revision), s.revision) for s in walked if s.revision > FIRST_RELEASE]


@contextmanager
def migrated_to(url: str, revision: str) -> Iterator[Flask]:
    with app_on(url) as app:
        flask_migrate.upgrade(revision=revision)
        yield app


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, database_urls: dict[str, str]) -> Iterator[str]:
    """A new database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'old.db'}"
        return
    with another_database(database_urls["postgresql"], "old") as address:
        yield address


def sample(column: Column[Any]) -> Any:
    """Return a value that the column can hold."""
    samples: tuple[tuple[type, Any], ...] = (
        (Boolean, True),
        (Integer, 1),
        (DateTime, datetime(2026, 11, 26, tzinfo=UTC)),
        (Date, datetime(2026, 11, 26, tzinfo=UTC).date()),
        (LargeBinary, b"1"),
        (JSON, []),
    )
    return next((value for type_, value in samples if isinstance(column.type, type_)), "1")


def tables_of(connection: Connection) -> list[Table]:
    """Return the tables of the database as it is, in the order of their foreign keys."""
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if not table.name.startswith(("alembic", "customer_terms"))]


def write_and_read(connection: Connection, table: Table, *, required_only: bool) -> None:
    """Insert a row of these columns and read all of them, as the code does whose columns they are."""
    columns = [c for c in table.columns if c.computed is None and not (required_only and c.nullable)]
    row = {column.name: sample(column) for column in columns}
    connection.execute(insert(table).values(row))
    found = connection.execute(select(table)).one()
    assert all(getattr(found, column.name) is not None for column in columns), table.name


@pytest.mark.parametrize(("before", "after"), later_revisions())
@pytest.mark.parametrize("required_only", [True, False])
def test_what_the_previous_code_writes_is_accepted(url: str, before: str, after: str, required_only: bool) -> None:
    with migrated_to(url, before):
        engine = create_engine(db.engine.url, poolclass=NullPool)
        with engine.connect() as connection:
            previous = tables_of(connection)
            for table in previous:
                write_and_read(connection, table, required_only=required_only)
            connection.rollback()
    with migrated_to(url, after), engine.connect() as connection:
        for table in previous:
            write_and_read(connection, table, required_only=required_only)


@pytest.mark.parametrize(("before", "after"), later_revisions())
def test_nothing_that_the_previous_code_uses_is_removed(url: str, before: str, after: str) -> None:
    with migrated_to(url, before):
        old = description(db.engine)
    with migrated_to(url, after):
        assert old <= description(db.engine), "tables, columns, uniqueness on which ON CONFLICT relies, sequences"


def description(engine: Any) -> set[tuple[object, ...]]:
    found: set[tuple[object, ...]] = set()
    inspector = inspect(engine)
    for table in inspector.get_table_names():
        found |= {(table, column["name"], str(column["type"])) for column in inspector.get_columns(table)}
        found |= {(table, "unique", *u["column_names"]) for u in inspector.get_unique_constraints(table)}
        found.add((table, "key", *inspector.get_pk_constraint(table)["constrained_columns"]))
    if engine.dialect.name == "postgresql":
        found |= {("sequence", name) for name in inspector.get_sequence_names()}
    return found
