"""Alerts on segments, and segments that look alike."""

from collections.abc import Iterator

from tests.support.browser import BrowserSession
from tests.support.page_tour.controls import button, press, submit
from tests.support.page_tour.customer import add_row
from tests.support.page_tour.pages import GOLD, LUCIA, PageState


def alerts(session: BrowserSession) -> Iterator[PageState]:
    """Set alerts that are raised at once, and remove them again."""
    for page_name, path in (("segment", GOLD), ("segment_type", "/segment-types/membership")):
        page = session.go(f"{path}/alerts")
        page.locator("#below").fill("0")
        submit(page)
        yield f"segment_alerts of a {page_name} with an error", session
        page.locator("#below").fill("1000000")
        page.locator("#change").fill("20")
        submit(page)
        yield f"segment_alerts of a {page_name} with a raised one", session
        session.go(path)
        yield f"{page_name} with a raised alert", session
    session.go("/")
    yield "overview with raised alerts", session
    page = session.go(f"{GOLD}/alerts")
    page.locator("#below").fill("")
    submit(page)
    yield "segment_alerts with a cleared one", session


def similar_segments(session: BrowserSession) -> Iterator[PageState]:
    page = session.go(f"{GOLD}/rename")
    page.locator("[name=value]").fill("GOLDD")
    submit(page)
    yield "segment_rename with a similar segment", session
    page = session.go(LUCIA)
    add_row(page, "membership", "Gold")
    add_row(page, "Membership", "GOLD")
    for _ in range(2):  # the second time confirms the spelling
        press(page, button(page, "save"))
    session.go("/similar-segments")
    yield "similar_segments with a group", session
