"""/segments and one segment: the catalogue, its counts and trends."""

import html
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import insert, select

from app.core.counts.compaction import compact
from app.core.counts.segment_counts import SegmentCount
from app.core.counts.trends import DAYS, days, trends
from app.core.database import db, now, run_in_transaction
from app.core.models.change_sets import ChangeSetPart, RetentionHorizon
from app.core.models.segments import SegmentPair
from app.pages.template_filters import day
from tests.support.customers import GOLD, SILVER, add_customers, set_segments
from tests.support.html_client import HtmlClient


def test_the_catalogue_counts_customers(viewer: HtmlClient) -> None:
    add_customers("1", "2", "3", "4")
    for document_id in "123":
        set_segments(document_id, GOLD)
    set_segments("3", SILVER)
    page = viewer.get("/segments")
    assert "3 of 4 customers have segments" in page.text
    assert "GOLD 2 50%" in page.text
    assert "SILVER 1 25%" in page.text
    members = viewer.get(page.links["GOLD"])
    assert "2 customers (50%)" in members.text
    assert {"1", "2"} <= members.links.keys()
    assert "3" not in members.links
    assert "segment=membership:GOLD" in members.links["CSV (Excel)"].replace("%3A", ":")


def test_a_segment_without_customers_keeps_its_history(viewer: HtmlClient) -> None:
    add_customers("1")
    set_segments("1", GOLD)
    set_segments("1", SILVER)
    assert "GOLD" not in viewer.get("/segments").links
    page = viewer.get("/segments/membership/GOLD")
    assert "No customers in this segment" in page.text
    assert "Change" in viewer.get(page.links["View changes"]).text
    viewer.get("/segments/membership/PLATINUM", status=404)


@pytest.mark.parametrize(
    ("type_", "value"),
    [("a/b", "c/d"), ("", ""), ("%", "%2F"), ("a:b%", "=1+1"), ("..", "."), ("t", "\n"), ("😀", "مرحبا"), ("t", "?#&")],
)
def test_any_segment_has_a_page(viewer: HtmlClient, type_: str, value: str) -> None:
    add_customers("1")
    set_segments("1", [{"type": type_, "value": value}])
    catalogue = viewer.get("/segments")
    url = next(url for url in catalogue.links.values() if url.startswith("/segments/"))
    assert "/./" not in url
    assert not url.endswith(("/.", "/.."))
    page = viewer.get(url)
    assert "1 customer (" in page.text
    for text in ("View changes", "CSV (Excel)"):
        assert viewer.client.get(page.links[text]).status_code == 200


def test_the_catalogue_is_paged(viewer: HtmlClient) -> None:
    add_customers("1")
    set_segments("1", [{"type": f"t{n % 3}", "value": f"{n:03}"} for n in range(150)])
    pages = [viewer.get("/segments")]
    while "Next →" in pages[-1].links:
        pages.append(viewer.get(pages[-1].links["Next →"]))
    values = [link for page in pages for link in page.links if link.isdecimal()]
    assert len(values) == len(set(values)) == 150


def test_a_trend_has_the_size_at_the_end_of_each_day(app: Flask) -> None:
    today = now().date()
    moves = {0: -1, 1: 5, 30: 10, DAYS - 1: 1, DAYS: 100, 400: 1000}
    rows = [
        {"day": today - timedelta(days=ago), "actor": "a", "type": "t", "value": "v", "delta": delta}
        for ago, delta in moves.items()
    ]
    run_in_transaction(lambda session: session.execute(insert(SegmentCount), rows))
    trend = trends([SegmentPair("t", "v"), SegmentPair("t", "never")], days())[SegmentPair("t", "v")]
    assert trend.customers[0] == 1101
    assert trend.customers[-32:-30] == [1101, 1111]
    assert trend.customers[-2:] == [1116, 1115]
    assert (trend.growth, trend.first_seen, trend.last_changed) == (14, today - timedelta(days=400), today)
    assert trends([SegmentPair("t", "never")], days()) == {}


@pytest.mark.parametrize("compacted", [False, True])
def test_the_days_of_the_first_and_the_last_change_are_those_of_the_operator(app: Flask, *, compacted: bool) -> None:
    add_customers("1", "2")
    for document_id in "12":
        set_segments(document_id, GOLD)
    if compacted:
        compact()
    db.session.rollback()
    first, last = db.session.scalars(select(ChangeSetPart.at).order_by(ChangeSetPart.position))
    gold = SegmentPair("membership", "GOLD")
    for zone in (ZoneInfo("Etc/GMT+12"), ZoneInfo("Pacific/Kiritimati")):  # one of them has another day than UTC
        trend = trends([gold], days(), zone)[gold]
        assert (trend.first_seen, trend.last_changed) == (
            first.astimezone(zone).date(),
            last.astimezone(zone).date(),
        )


def test_an_empty_catalogue_suggests_what_to_do_next(viewer: HtmlClient) -> None:
    assert "No segments yet" in viewer.get("/segments").text


def test_the_catalogue_is_searched_sorted_and_narrowed_to_a_type(viewer: HtmlClient) -> None:
    add_customers("1", "2")
    set_segments("1", [*GOLD, {"type": "store", "value": "Bogotá"}])
    set_segments("2", [*GOLD, *SILVER])
    page = viewer.get("/segments?q=bogota")
    assert "Bogotá" in page.links
    assert "GOLD" not in page.links
    page = viewer.get("/segments")
    assert "membership 2 values · 3 assignments" in page.text
    narrowed = viewer.get(page.links["membership 2"])
    assert "GOLD" in narrowed.links
    assert "Bogotá" not in narrowed.links
    largest = viewer.get("/segments?sort=size").text
    assert largest.index("GOLD") < largest.index("SILVER")
    assert "No segments found" in viewer.get("/segments?q=nothing").text


def changed_days_ago(moves: dict[int, int]) -> None:
    """Let the segment t:v have grown by so many customers on each of these days."""
    for number, (days_ago, delta) in enumerate(moves.items(), start=1000):
        at = now() - timedelta(days=days_ago)
        part = {"id": number, "change_set_id": number, "position": number, "at": at, "tag": 0}
        row = {"day": at.date(), "actor": "a", "part_id": number, "type": "t", "value": "v", "delta": delta}
        statements = [insert(ChangeSetPart).values(**part, entries=0, deletions=0), insert(SegmentCount).values(row)]
        run_in_transaction(lambda session, statements=statements: [session.execute(each) for each in statements])


def test_the_chart_of_a_segment_has_a_period_and_compares_with_the_week_before(viewer: HtmlClient) -> None:
    today = now().date()
    add_customers("1")
    changed_days_ago({0: 2, 3: 5, 7: 10, 40: 100, 200: 1000})
    page = viewer.get("/segments/t/v")
    assert f"+117 since {day(today - timedelta(days=89))} · +7 vs. a week before" in page.text
    assert f"{day(today)}: 1,117 (+7 vs. a week before)" in html.unescape(page.html)
    assert f"+17 since {day(today - timedelta(days=29))}" in viewer.get(page.links["30 days"]).text
    year = viewer.get(page.links["12 months"])
    assert "+1,117 since" in year.text
    assert "week before" not in year.text


@pytest.mark.parametrize("url", ["/segments/t/v?period=decade", "/segments?sort=colour", "/segments?q=%00"])
def test_an_invalid_parameter_is_ignored_with_a_notice(viewer: HtmlClient, url: str) -> None:
    changed_days_ago({0: 1})
    assert "Part of the address was invalid and is ignored." in viewer.follow(url).text


def test_days_partly_on_record_are_those_of_the_ledger(viewer: HtmlClient) -> None:
    changed_days_ago({0: 2, 40: 100})
    horizon = RetentionHorizon(id=1, until=now() - timedelta(days=60), position=1, last_number=0, tag=0)
    run_in_transaction(lambda session: session.add(horizon))
    viewer.client.set_cookie("time_zone", "Asia/Kathmandu")
    assert "Day (UTC)" in viewer.get("/segments/t/v").text
    assert "Day (Kathmandu)" in viewer.get("/segments/t/v?period=month").text


def test_a_year_has_the_last_days_of_its_months(app: Flask) -> None:
    shown = days("year")
    assert len(shown) == 13
    assert shown[-1] == now().date()
    assert all((day + timedelta(days=1)).day == 1 for day in shown[:-1])
