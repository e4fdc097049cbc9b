"""GET /api/v3/segments: which segments there are, and how many hold each (contract §3)."""

import pytest

from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, WINE, add_customers, set_segments

URL = "/api/v3/segments"


@pytest.fixture(autouse=True)
def customers(api: Api) -> None:
    add_customers("1", "2", "3")
    set_segments("1", [*GOLD, *WINE, *WINE])
    set_segments("2", GOLD)
    set_segments("3", SILVER)
    set_segments("3", [])


def test_lists_segments_with_their_number_of_customers(api: Api) -> None:
    assert api.get(URL).json == {
        "segments": [{**WINE[0], "customers": 1}, {**GOLD[0], "customers": 2}],
        "next": None,
    }


def test_type_filters_the_catalogue(api: Api) -> None:
    assert api.get(f"{URL}?type=interest").json["segments"] == [{**WINE[0], "customers": 1}]
    assert api.get(f"{URL}?type=Interest").json["segments"] == []


def test_page_by_page_in_the_order_of_bytes(api: Api) -> None:
    values = ["Z", "a", "á", "A", "", "~", "😀", "aa"]
    set_segments("3", [{"type": "t", "value": value} for value in values])
    found, cursor = [], ""
    while cursor is not None:
        result = api.get(f"{URL}?type=t&limit=3&cursor={cursor}").json
        found += [segment["value"] for segment in result["segments"]]
        cursor = result["next"]
    assert found == sorted(values, key=str.encode)


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "type=%00", "cursor=x", "cursor=WzEsMl0"])
def test_refuses(api: Api, query: str) -> None:
    api.get(f"{URL}?{query}", status=400, code="VALIDATION_ERROR")
