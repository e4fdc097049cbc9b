"""A customer with very many segments: the work grows with their number, not with its square."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import ColumnElement, select

from app.core import dialects
from app.core.changes.replace_segments import replace_segments
from app.core.changes.segment_updates import SegmentPatch, Version
from app.core.database import db
from app.core.history import segment_diff
from app.core.models.customers import Customer
from app.core.models.segments import SegmentPair, Segments
from app.pages.editor import Editor, EditorRow, rebase_editor
from tests.support.customers import TESTER, add_customers, all_segments

MANY = 10_000
MAX_STEPS = 500 * MANY
"""SQLite's steps for an expression; comparing each segment with every other one takes ten thousand times MANY."""

SEVERAL = 1_000
MAX_COMPARISONS = 30 * SEVERAL
ANY_VERSION = Version(None)

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


class CountedText(str):
    """A text that counts how often it is compared; as an element of a set or a key, it rarely is."""

    __slots__ = ()
    comparisons = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        CountedText.comparisons += 1
        return str.__eq__(self, other)


def counted(start: int, end: int, types: int = 1) -> Segments:
    return [{"type": CountedText(f"t{n % types}"), "value": CountedText(n)} for n in range(start, end)]


def conflict(types: int) -> tuple[Segments, Segments, Segments]:
    """Return segments, and two changes of them that add one segment in a hundred."""
    base = counted(0, SEVERAL, types)
    added = SEVERAL // 100
    mine, theirs = counted(SEVERAL, SEVERAL + added, types), counted(SEVERAL + added, SEVERAL + 2 * added, types)
    return base, [*base, *mine], [*base, *theirs]


@pytest.mark.parametrize("types", [1, SEVERAL])
@pytest.mark.parametrize(
    "compare",
    [
        segment_diff.changed_types,
        segment_diff.diff_segments,
        segment_diff.merge_changes,
        segment_diff.combine_changes,
        lambda base, mine, theirs: segment_diff.revert_change(base, mine, current=theirs),
        lambda base, mine, theirs: rebase_editor(mine, theirs, None),
        lambda base, mine, theirs: Editor([EditorRow(*pair.values()) for pair in mine], base, ANY_VERSION).validate(),
    ],
)
def test_comparisons_grow_linearly_with_the_segments(compare: Callable[..., Any], types: int) -> None:
    versions = conflict(types)
    CountedText.comparisons = 0
    compare(*versions[: len(signature(compare).parameters)])
    assert CountedText.comparisons < MAX_COMPARISONS
