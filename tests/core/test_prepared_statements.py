"""What comes again all day is prepared, which spares PostgreSQL planning it.

Not where a pooler changes sessions, nor while the statistics count few customers or none: a plan would outlive them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask import Flask
from sqlalchemy import text

from app.core.database import db
from app.core.dialects.connections import FEW_CUSTOMERS
from tests.support.customers import GOLD, SILVER, add_customers, set_segments
from tests.support.databases import app_on
from tests.support.fake_pgbouncer import pooler


def prepared() -> list[str]:
    """What the server has prepared for the one connection in the pool."""
    db.session.remove()
    with db.engine.connect() as connection:
        return list(connection.scalars(text("SELECT statement FROM pg_prepared_statements")))


@contextmanager
def on(url: str, customers: int = FEW_CUSTOMERS + 1) -> Iterator[None]:
    with app_on(url):
        add_customers(*map(str, range(customers)))
        for table in ("customers", "customer_search"):
            db.session.execute(text(f"ANALYZE {table}"))
        db.session.commit()
        db.session.remove()
        db.engine.dispose()  # a connection trusts for a while what it knows of the statistics
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
def test_for_few_customers_nothing_is_prepared(app: Flask, server: str) -> None:
    with on(server, FEW_CUSTOMERS):
        assert prepared() == []


@pytest.mark.parametrize("app", ["postgresql"], indirect=True)
def test_behind_a_pooler_nothing_is_prepared(app: Flask, server: str) -> None:
    with pooler(server) as through, on(through):
        assert prepared() == []
