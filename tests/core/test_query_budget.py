"""How often one request asks the database: no more with many customers than with few, and no more than listed here."""

import pytest
from flask import Flask

from app.core import dialects
from app.core.database import db
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, add_customers, set_segments
from tests.support.html_client import HtmlClient
from tests.support.query_log import capture_queries

MANY = 60


@pytest.fixture
def shop(app: Flask) -> None:
    ids = [f"{number:03}" for number in range(MANY)]
    add_customers(*ids, name="Ana Gómez")
    for number in range(0, MANY, 5):
        set_segments(ids[number], GOLD if number % 2 else SILVER)


@pytest.mark.parametrize("customers", [1, MANY])
def test_replacing_segments(shop: None, api: Api, app: Flask, customers: int) -> None:
    """The token, the change set's number, the change, its deltas; BEGIN and COMMIT are not counted."""
    rows = [{"document_id": f"{number:03}", "segments": [*GOLD, *SILVER]} for number in range(customers)]
    api.get("/api/customers/segments?document_id=000")  # the first use of a token is recorded
    with capture_queries() as statements:
        api.replace(rows)
    # SQLite has no statement that writes to two tables.
    assert len(statements) == (4 if app.config["DATABASE_URL"].startswith("postgresql") else 9), statements


def test_the_gateway(shop: None, api: Api) -> None:
    api.get("/api/customers/segments?document_id=000")
    with capture_queries() as statements:
        api.get("/api/customers/segments?document_id=000")
    assert len(statements) == 2, statements


PAGES = {
    "/": 13,
    "/customers": 5,
    "/customers?q=gomez": 6,
    "/customers?segment=membership:GOLD": 6,
    "/customers/000": 11,
    "/segments": 8,
    "/segments/membership/GOLD": 12,
    "/changes": 9,
    "/changes/1": 9,
    "/similar-segments": 3,
    "/imports": 3,
}


MORE_ON_CITUS = {"/customers/000": 2}
"""It does not join the history, which is distributed, with change sets, which are not."""


@pytest.mark.parametrize("path", PAGES)
def test_pages(shop: None, viewer: HtmlClient, path: str) -> None:
    viewer.get(path)
    with capture_queries() as statements:
        viewer.get(path)
    more = MORE_ON_CITUS.get(path, 0) if dialects.is_distributed(db.session()) else 0
    assert len(statements) <= PAGES[path] + more, statements
