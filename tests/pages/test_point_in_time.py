"""The catalogue, a segment's members and a customer on days of the past; who came and who left between two."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from app.core.changes.erasure import erase_customers
from app.core.counts.compaction import compact
from app.core.database import db
from app.core.history.members import count_movements, list_members, list_movements
from app.core.history.past_catalogue import iter_catalogue
from app.core.history.retention import prune
from app.core.models.segments import SegmentPair
from tests.support.customers import GOLD, SILVER, TESTER, add_customers, set_segments
from tests.support.html_client import HtmlClient

START = datetime(2026, 1, 1, tzinfo=UTC)
PAIR = SegmentPair("membership", "GOLD")
STEPS = [("a", GOLD), ("b", GOLD), ("a", SILVER), ("c", GOLD), ("b", []), ("a", GOLD), ("c", SILVER), ("c", GOLD)]
"""Changes, one a day: the first is on 2 January 2026 at noon in UTC."""


def date_parts(hour: float = 12) -> None:
    """Move the parts to one day each: part 1 to day 1."""
    with db.engine.begin() as connection:
        for (number,) in connection.execute(text("SELECT id FROM change_set_parts")).all():
            moment = START + timedelta(days=number, hours=hour)
            shown = moment if connection.dialect.name == "postgresql" else f"{moment:%Y-%m-%d %H:%M:%S.%f}"
            connection.execute(text("UPDATE change_set_parts SET at = :at WHERE id = :id"), {"at": shown, "id": number})
    db.session.rollback()


@pytest.fixture
def dated(viewer: HtmlClient) -> HtmlClient:
    add_customers("a", "b", "c", "d", name="Lucía Núñez")
    for document_id, segments in STEPS:
        set_segments(document_id, segments)
    date_parts()
    return viewer


def rows(viewer: HtmlClient, url: str) -> list[list[str]]:
    response = viewer.client.get(url)
    assert response.status_code == 200
    return list(csv.reader(io.StringIO(response.text.removeprefix("\N{BYTE ORDER MARK}"))))


def sizes(day: float) -> dict[str, int]:
    moment = START + timedelta(days=day)
    return {size.value: size.earlier for size in iter_catalogue(moment, moment) if size.earlier}


@pytest.mark.parametrize("compacted", [False, True])
def test_catalogue_at_a_moment_counts_the_members_then(dated: HtmlClient, compacted: bool) -> None:
    if compacted:
        compact()
        db.session.rollback()
    for day in range(10):
        moment = START + timedelta(days=day)
        members = {
            value: list_members(SegmentPair("membership", value), moment, limit=9) for value in ("GOLD", "SILVER")
        }
        assert sizes(day) == {value: len(ids) for value, ids in members.items() if ids}


def test_movements_are_the_difference_of_the_members(dated: HtmlClient) -> None:
    moments = [START + timedelta(days=day) for day in range(10)]
    for start, earlier in enumerate(moments):
        for later in moments[start:]:
            before, after = (set(list_members(PAIR, moment, limit=9)) for moment in (earlier, later))
            moved = list_movements(PAIR, earlier, later, limit=9)
            assert {m.document_id for m in moved if m.joined} == after - before
            assert {m.document_id for m in moved if not m.joined} == before - after
            delta = count_movements(PAIR, earlier, later)
            assert (delta.joined, delta.left) == (len(after - before), len(before - after))


def test_two_days_of_the_catalogue_side_by_side(dated: HtmlClient) -> None:
    page = dated.get("/segment-days?start=2026-01-03&end=2026-01-04")
    assert "GOLD 2 1 −1" in page.text
    assert "SILVER 0 1 +1" in page.text
    assert page.links["GOLD"].startswith("/segments/membership/GOLD/days?")
    assert rows(dated, page.links["Export CSV"]) == [
        ["type", "value", "customers_2026-01-03", "customers_2026-01-04", "change"],
        ["membership", "GOLD", "2", "1", "-1"],
        ["membership", "SILVER", "0", "1", "1"],
    ]
    assert "GOLD" not in dated.get("/segment-days?start=2026-01-07&end=2026-01-07&changed=yes").links


def test_who_came_and_left_and_the_members_of_both_days(dated: HtmlClient) -> None:
    page = dated.get("/segments/membership/GOLD/days?start=2026-01-03&end=2026-01-05")
    assert {"b", "c"} - page.links.keys() == {"b"}, "b had it on both days"
    assert "c Lucía Núñez" in page.text
    url = page.links["Joined and left"]
    assert rows(dated, url) == [["document_id", "change"], ["a", "left"], ["c", "joined"]]
    assert rows(dated, f"{url}&list=start") == [["document_id"], ["a"], ["b"]]
    assert rows(dated, f"{url}&list=end") == [["document_id"], ["b"], ["c"]]


def test_days_in_the_other_order_are_the_same(dated: HtmlClient) -> None:
    url = "/segments/membership/GOLD/days/export?start=2026-01-05&end=2026-01-03"
    assert rows(dated, url)[1:] == [["a", "left"], ["c", "joined"]]


def test_days_are_those_of_the_operator(viewer: HtmlClient) -> None:
    add_customers("a")
    set_segments("a", GOLD)
    date_parts(hour=2)  # 2 January, 02:00 in UTC: still 1 January in Bogotá
    url = "/segments/membership/GOLD/days/export?start=2026-01-01&end=2026-01-01&list=end"
    assert rows(viewer, url)[1:] == []
    viewer.client.set_cookie("time_zone", "America/Bogota")
    assert rows(viewer, url)[1:] == [["a"]]


def test_customer_on_a_day(dated: HtmlClient) -> None:
    page = dated.get("/customer-day/a?day=2026-01-02")
    assert "membership GOLD" in page.text
    assert "no changes" in page.text
    page = dated.get("/customer-day/a?day=2026-01-04")
    assert "membership SILVER" in page.text
    assert "added membership GOLD" in page.text
    assert "none Changed since no changes" in dated.get("/customer-day/d?day=2026-01-04").text
    dated.get("/customer-day/nobody?day=2026-01-04", status=404)


def test_erased_customers_count_in_sizes_and_are_not_listed(dated: HtmlClient) -> None:
    erase_customers(["b"], TESTER)
    assert "GOLD 2 2" in dated.get("/segment-days?start=2026-01-03&end=2026-01-03").text
    assert rows(dated, "/segments/membership/GOLD/days/export?start=2026-01-03&end=2026-01-03&list=end")[1:] == [["a"]]


@pytest.mark.parametrize("query", ["start=yesterday", "end=2999-01-01", "start=2999-01-01"])
def test_invalid_days_are_named(dated: HtmlClient, query: str) -> None:
    for url, export in (("/segment-days", "-export"), ("/segments/membership/GOLD/days", "/export")):
        dated.get(f"{url}?{query}", status=422)
        assert 'role="alert"' in dated.follow(f"{url}{export}?{query}", status=422).html
    dated.get("/customer-day/a?day=2999-01-01", status=422)


def test_days_before_the_record_begins_are_refused(dated: HtmlClient) -> None:
    prune(START + timedelta(days=4))
    for url in ("/segment-days", "/segments/membership/GOLD/days"):
        assert "have been deleted" in dated.get(f"{url}?start=2026-01-02&end=2026-01-09", status=422).text
    export = "/segments/membership/GOLD/days/export?start=2026-01-02&end=2026-01-09"
    assert "have been deleted" in dated.follow(export, status=422).text
    dated.get("/segments/membership/GOLD/days?start=2026-01-06&end=2026-01-09")


def test_long_catalogues_continue_on_the_next_page(viewer: HtmlClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.pages.point_in_time.PAGE_SIZE", 2)
    add_customers("a")
    set_segments("a", [{"type": "t", "value": str(n)} for n in range(5)])
    found: list[str] = []
    url: Any = "/segment-days"
    while url:
        page = viewer.get(url)
        found += [name for name in page.links if name.isdigit()]
        url = page.links.get("Next →")
    assert found == list("01234")
