"""The states of lists: header, saved views and a selection."""

from collections.abc import Iterator

from tests.support.browser import BrowserSession
from tests.support.long_content import UNBREAKABLE
from tests.support.page_tour.controls import submit
from tests.support.page_tour.pages import PageState


def header(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/segments")
    page.locator("#site-search").press_sequentially("a")
    page.get_by_role("option").first.wait_for()
    yield "segments with search results", session
    page = session.go("/segments")
    page.locator(".site-header summary").locator("visible=true").last.click()
    yield "segments with an open menu", session
    page = session.go("/segments")
    page.keyboard.press("?")
    yield "segments with the shortcuts", session


def saved_views(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/customers?has=any")
    page.locator("#views summary").click()
    submit(page, "#views form")
    yield "customers with an error in a view", session
    page.locator("#view-name").fill(UNBREAKABLE[:60])
    submit(page, "#views form")
    page.locator("#views summary").click()
    yield "customers with a saved view", session
    page.locator("#add_segment").press_sequentially("o")
    page.locator("#segment-options > *").first.wait_for()
    yield "customers with options of a filter", session


def selection(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/customers")
    page.locator("tbody input[name=document_id]").first.check()
    yield "customers with a selection", session
