"""GET /api/v3/segments/<type>/<value>/members: who has a segment, now and at a moment (issue 14.7)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import text

from app.core.changes.document_ids import rename_customer
from app.core.changes.erasure import erase_customers
from app.core.database import db
from app.core.history.retention import prune
from app.core.history.timeline import segments_at
from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, set_segments

URL = "/api/v3/segments/membership/GOLD/members"
START = datetime(2026, 1, 1, tzinfo=UTC)


def members(api: Api, query: str = "", **kwargs: Any) -> Any:
    return api.get(URL + query, **kwargs).json


def at(api: Api, day: float, **kwargs: Any) -> Any:
    return members(api, f"?at={quote((START + timedelta(days=day)).isoformat())}", **kwargs)


def date_parts() -> None:
    """Move the parts to one day each: part 1 to day 1."""
    with db.engine.begin() as connection:
        for (number,) in connection.execute(text("SELECT id FROM change_set_parts")).all():
            moment = START + timedelta(days=number)
            shown = moment if connection.dialect.name == "postgresql" else f"{moment:%Y-%m-%d %H:%M:%S.%f}"
            connection.execute(text("UPDATE change_set_parts SET at = :at WHERE id = :id"), {"at": shown, "id": number})


def test_lists_the_members_page_by_page(api: Api) -> None:
    ids = [f"{n:02}" for n in range(7)]
    add_customers(*ids, "other", "none")
    for id_ in ids:
        set_segments(id_, [*SILVER, *GOLD])
    set_segments("other", SILVER)
    assert members(api) == {"document_ids": ids, "next": None}
    found, cursor = [], ""
    while True:
        page = members(api, f"?limit=3{cursor}")
        found += page["document_ids"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == ids


def test_a_segment_of_no_customer_has_no_members(api: Api, ana: str) -> None:
    for url in ("/api/v3/segments/membership/gold/members", "/api/v3/segments/a%00/b/members"):
        assert api.get(url).json == {"document_ids": [], "next": None}


def test_members_at_a_moment_are_those_whose_segments_had_it(api: Api) -> None:
    add_customers("a", "b", "c")
    for document_id, segments in [("a", GOLD), ("b", GOLD), ("a", SILVER), ("c", GOLD), ("b", []), ("a", GOLD)]:
        set_segments(document_id, segments)
    date_parts()
    expected = {0: "", 1: "a", 1.5: "a", 2: "ab", 3: "b", 4: "bc", 5: "c", 6: "ac", 300: "ac"}
    for day, ids in expected.items():
        assert at(api, day)["document_ids"] == list(ids)
        moment = START + timedelta(days=day)
        assert [id_ for id_ in "abc" if segments_at(id_, moment) == GOLD] == list(ids)


def test_renamed_customers_appear_by_their_present_id_and_erased_ones_not(api: Api) -> None:
    add_customers("a", "b")
    for document_id in "ab":
        set_segments(document_id, GOLD)
    date_parts()
    for document_id in "ab":
        set_segments(document_id, SILVER)
    rename_customer("a", "z", TESTER)
    erase_customers(["b"], TESTER)
    assert at(api, 3)["document_ids"] == ["z"]
    assert members(api)["document_ids"] == []


def test_a_moment_before_the_record_begins_is_410(api: Api, ana: str) -> None:
    for segments in (GOLD, SILVER, GOLD):
        set_segments(ana, segments)
    date_parts()
    prune(START + timedelta(days=2.5))
    at(api, 1.5, status=410, code="NO_LONGER_KNOWN")
    assert at(api, 2.7)["document_ids"] == []
    assert at(api, 3)["document_ids"] == [ana]


@pytest.mark.parametrize("query", ["?at=yesterday", "?limit=0", "?cursor=x", "?q=x"])
def test_rejects_invalid_parameters(api: Api, query: str) -> None:
    members(api, query, status=400, code="VALIDATION_ERROR")
