"""A customer with very many segments: the work grows with their number, not with its square."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import ColumnElement, select

from app.core import dialects
from app.core.changes.replace_segments import replace_segments
from app.core.changes.segment_updates import SegmentPatch
from app.core.database import db
from app.core.models.customers import Customer
from app.core.models.segments import SegmentPair, Segments
from tests.support.customers import TESTER, add_customers, all_segments

MANY = 10_000
MAX_STEPS = 500 * MANY
"""SQLite's steps for an expression; comparing each segment with every other one takes ten thousand times MANY."""

segments = Customer.__table__.c.segments


def numbered(start: int, end: int) -> Segments:
    return [{"type": "n", "value": str(n)} for n in range(start, end)]


@pytest.fixture
def large(app: Flask) -> str:
    add_customers("1")
    replace_segments({"1": numbered(0, MANY)}, TESTER)
    return "1"


def patched() -> ColumnElement[Any]:
    add, remove = (dialects.json_value(value) for value in (numbered(MANY, 2 * MANY), numbered(0, MANY)))
    return dialects.patch_segments(segments, add=add, remove=remove)


def renamed() -> ColumnElement[Any]:
    return dialects.rename_segments(segments, [(SegmentPair("n", str(n)), SegmentPair("n", "x")) for n in range(100)])


@pytest.mark.parametrize("expression", [patched, renamed])
def test_work_grows_linearly_with_the_segments(
    app: Flask, large: str, expression: Callable[[], ColumnElement[Any]]
) -> None:
    """PostgreSQL must finish before its statement timeout, SQLite within a number of steps."""
    query = select(dialects.json_text(expression()))
    if db.engine.dialect.name == "sqlite":
        db.session.execute(select(1))
        driver: Any = db.session.connection().connection.driver_connection
        rounds = iter(range(MAX_STEPS // 1_000))
        driver.set_progress_handler(lambda: next(rounds, None) is None, 1_000)
        try:
            assert db.session.scalar(query)
        finally:
            driver.set_progress_handler(None, 0)
    assert db.session.scalar(query)


def test_patch_of_many_segments_is_exact(app: Flask, large: str) -> None:
    patch = SegmentPatch(add=numbered(5, MANY + 5), remove=numbered(0, 10))
    replace_segments({large: patch}, TESTER)
    assert all_segments()[large] == numbered(10, MANY) + numbered(5, 10) + numbered(MANY, MANY + 5)
