"""Bulk edits, their schedules, and the undo of a large change."""

from collections.abc import Iterator

from bench.servers.gunicorn import Server
from tests.support.browser import BrowserSession
from tests.support.long_content import UNBREAKABLE
from tests.support.page_tour.controls import button, follow, press, submit
from tests.support.page_tour.pages import ALL_MATCHING, PageState
from tests.support.page_tour.shop_database import add_entries


def bulk_edit(session: BrowserSession) -> Iterator[PageState]:
    page = session.go(f"{ALL_MATCHING}&segment=membership:GOLD&without=interest:WINE&q=go&has=any")
    yield "bulk_edit_new of all who match a filter", session
    session.go(ALL_MATCHING)
    page.locator("[name=type]").first.fill("interest")
    press(page, button(page, "preview"))
    yield "bulk_edit_new with an error", session
    page.locator("[name=value]").first.fill(UNBREAKABLE)
    button(page, "preview").click()
    button(page, "discard").wait_for()
    yield "bulk_edit previewed", session
    if button(page, "apply").is_visible():
        follow(page, "/schedule")
        yield "schedule", session
        page.locator("#apply_at").fill("2020-01-01T08:00")
        press(page, button(page, "save"))
        yield "schedule with an error", session
        page.locator("#apply_at").fill("2090-01-01T08:00")
        page.locator("#revert_at").fill("2090-02-01T08:00")
        press(page, button(page, "save"))
        yield "bulk_edit scheduled", session
        session.go("/")
        yield "overview with a schedule", session
        page.go_back()
        press(page, button(page, "cancel"))
        button(page, "apply").click()
        page.locator("main a[href$='/undo']").wait_for()
        yield "bulk_edit done", session
        follow(page, "/undo")
        submit(page)
    session.go(ALL_MATCHING)
    page.locator("input[type=radio][value=clear]").check()
    button(page, "preview").click()
    button(page, "discard").wait_for()
    yield "bulk_edit that removes segments", session
    press(page, button(page, "discard"))
    yield "bulk_edit discarded", session


def large_undo(session: BrowserSession, server: Server) -> Iterator[PageState]:
    """Undo a change that seems to have more entries than a batch."""
    add_entries(server, 100_000)
    page = session.go("/changes/2/undo")
    yield "change_set_undo_large", session
    page.locator("main form button[type=submit]").click()
    button(page, "discard").wait_for()
    yield "undo previewed", session
    add_entries(server, -100_000)
    press(page, button(page, "discard"))
    yield "undo discarded", session
