"""Days on pages are those of the operator's time zone, which is shown beside them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask_babel import refresh
from sqlalchemy import update

from app.core.database import db, now
from app.core.models.change_sets import ChangeSet, ChangeSetPart
from app.pages.days import last_days, start_of_day, start_of_next_day
from tests.support.customers import GOLD, SILVER, add_customers, set_segments
from tests.support.html_client import HtmlClient

EASTERNMOST, WESTERNMOST = "Pacific/Kiritimati", "Etc/GMT+12"
"""26 hours apart: at no moment do both have the same date."""

DAY = timedelta(days=1)


InZone = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def in_zone(app: Flask) -> Iterator[InZone]:
    """A request of a browser in a time zone."""

    @contextmanager
    def request(zone: str) -> Iterator[None]:
        with app.test_request_context(headers={"Cookie": f"time_zone={zone}"}):
            refresh()
            yield

    yield request
    refresh()


@pytest.mark.parametrize(
    ("zone", "day", "begins", "ends"),
    [
        ("Europe/Madrid", "2026-03-29", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),
        ("America/Bogota", "2026-03-29", "2026-03-29T05:00Z", "2026-03-30T05:00Z"),
        ("Etc/GMT-14", "0001-01-01", "0001-01-01T00:00Z", "0001-01-01T10:00Z"),
        ("Etc/GMT+12", "9999-12-31", "9999-12-31T12:00Z", "9999-12-31T12:00Z"),
    ],
)
def test_day_begins_and_ends_in_the_time_zone(in_zone: InZone, zone: str, day: str, begins: str, ends: str) -> None:
    with in_zone(zone):
        assert start_of_day(date.fromisoformat(day)) == datetime.fromisoformat(begins)
        assert start_of_next_day(date.fromisoformat(day)) == datetime.fromisoformat(ends)


def test_today_is_that_of_the_time_zone(in_zone: InZone) -> None:
    for zone in (EASTERNMOST, WESTERNMOST):
        today = now().astimezone(ZoneInfo(zone)).date()
        with in_zone(zone):
            assert last_days(2) == [today - DAY, today]


@pytest.mark.parametrize("url", ["/changes?since={day}", "/audit-log?event=sign_in&since={day}"])
def test_filter_counts_days_in_the_time_zone(admin: HtmlClient, url: str) -> None:
    add_customers("1")
    set_segments("1", GOLD)
    url = url.format(day=now().astimezone(ZoneInfo(EASTERNMOST)).date())
    for zone, found in ((EASTERNMOST, True), (WESTERNMOST, False)):
        admin.client.set_cookie("time_zone", zone)
        page = admin.get(url).text
        assert ("No matching" not in page) is found


@pytest.mark.parametrize("url", ["/", "/changes", "/audit-log"])
def test_zone_is_shown(admin: HtmlClient, url: str) -> None:
    admin.client.set_cookie("time_zone", EASTERNMOST)
    assert "Time zone: Kiritimati" in admin.get(url).text


def test_chart_of_the_overview_has_days_of_the_time_zone(viewer: HtmlClient) -> None:
    add_customers("1")
    set_segments("1", GOLD)
    moment = datetime.combine(now().date() - 3 * DAY, datetime.min.time(), UTC) + timedelta(hours=2)
    db.session.execute(update(ChangeSet).values(at=moment))
    db.session.commit()
    for zone, day in (("UTC", moment.date()), ("America/Bogota", moment.date() - DAY)):
        viewer.client.set_cookie("time_zone", zone)
        assert f"{day.day} {day:%b %Y}: 1" in viewer.get("/").text


def test_segment_changes_of_the_overview_are_of_the_last_24_hours(viewer: HtmlClient) -> None:
    add_customers("1", "2")
    set_segments("1", GOLD)
    for hours, shown in ((23, True), (25, False)):
        db.session.execute(update(ChangeSetPart).values(at=now() - timedelta(hours=hours)))
        db.session.commit()
        assert ("GOLD +1" in viewer.get("/").text) is shown
    set_segments("2", SILVER)
    assert "SILVER +1" in viewer.get("/").text


@pytest.mark.parametrize("zone", ["America/Santiago", "Asia/Kathmandu", "UTC"])
@pytest.mark.parametrize(("second", "days_ago"), [(-1, 3), (1, 2)])
def test_chart_of_a_segment_has_days_of_the_time_zone(
    viewer: HtmlClient, in_zone: InZone, zone: str, second: int, days_ago: int
) -> None:
    add_customers("1")
    set_segments("1", GOLD)
    today = now().astimezone(ZoneInfo(zone)).date()
    with in_zone(zone):
        moment = start_of_day(today - 2 * DAY) + timedelta(seconds=second)
    db.session.execute(update(ChangeSetPart).values(at=moment))
    db.session.commit()
    viewer.client.set_cookie("time_zone", zone)
    page, day = viewer.get("/segments/membership/GOLD").text, today - days_ago * DAY
    assert f"Day ({zone.partition('/')[2] or zone})" in page
    assert f"{day.day} {day:%b %Y} 1 +1" in page
