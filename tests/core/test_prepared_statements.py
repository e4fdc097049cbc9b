"""What comes again all day is prepared, which spares PostgreSQL planning it: unless a pooler changes sessions."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import text

from app.core.database import db
from tests.support.customers import GOLD, SILVER, add_customers, set_segments
from tests.support.databases import app_on
from tests.support.fake_pgbouncer import pooler


def prepared() -> list[str]:
    """What the server has prepared for the one connection in the pool."""
    db.session.remove()
    with db.engine.connect() as connection:
        return list(connection.scalars(text("SELECT statement FROM pg_prepared_statements")))


@contextmanager
def on(url: str) -> Iterator[None]:
    with app_on(url):
        add_customers("1")
        for segments in (GOLD, SILVER) * 3:
            set_segments("1", segments)
        yield


@pytest.fixture
def server(apps: dict[str, Flask], database_urls: dict[str, str]) -> str:
    return database_urls["postgresql"]


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_repeated_statements_are_prepared(app: Flask, server: str) -> None:
    with on(server):
        assert any("UPDATE customers" in statement for statement in prepared())


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_behind_a_pooler_nothing_is_prepared(app: Flask, server: str) -> None:
    with pooler(server) as through, on(through):
        assert prepared() == []
