"""The catalogue: searched without case and accents, sorted, and summed up by type."""

import pytest
from flask import Flask

from app.core.search.catalogue import search_catalogue
from tests.support.customers import add_customers, set_segments


@pytest.fixture
def segments(app: Flask) -> None:
    add_customers("1", "2", "3")
    gold, wine, cafe = (
        {"type": t, "value": v} for t, v in (("level", "GOLD"), ("interest", "WINE"), ("interest", "Café"))
    )
    set_segments("1", [gold, wine])
    set_segments("2", [gold, cafe])
    set_segments("3", [wine, {"type": "level", "value": "SILVER"}])


def listed(query: str = "", **options: object) -> list[tuple[str, int]]:
    return [(row.value, row.customers) for row in search_catalogue(query, limit=10, **options).rows]  # type: ignore[arg-type]


def test_by_name_and_by_size_within_each_type(segments: None) -> None:
    assert listed() == [("Café", 1), ("WINE", 2), ("GOLD", 2), ("SILVER", 1)]
    assert listed(order="size") == [("WINE", 2), ("Café", 1), ("GOLD", 2), ("SILVER", 1)]


@pytest.mark.parametrize(
    ("query", "values"), [("cafe", ["Café"]), ("INTEREST in", ["Café", "WINE"]), ("lver", ["SILVER"]), ("x", [])]
)
def test_each_word_is_part_of_type_or_value(segments: None, query: str, values: list[str]) -> None:
    assert [value for value, _ in listed(query)] == values


def test_totals_are_those_of_all_types_and_pages(segments: None) -> None:
    page = search_catalogue(type_="level", limit=1)
    assert [row.value for row in page.rows] == ["GOLD"]
    assert [(total.type, total.values, total.assignments) for total in page.types] == [
        ("interest", 2, 3),
        ("level", 2, 3),
    ]
    assert page.has_more
    last = search_catalogue(type_="level", start=1, limit=1)
    assert [row.value for row in last.rows] == ["SILVER"]
    assert not last.has_more
