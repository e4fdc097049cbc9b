"""The states of the page of a customer: long content, errors and a conflict."""

from collections.abc import Iterator

from playwright.sync_api import Page

from tests.support.browser import BrowserSession
from tests.support.long_content import UNBREAKABLE
from tests.support.page_tour.controls import button, press
from tests.support.page_tour.pages import LUCIA, PageState


def long_customer(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/customers")
    press(page, page.locator("main .cell-id a").first)
    yield "customer with long content", session


def editor(session: BrowserSession) -> Iterator[PageState]:
    page = session.go(LUCIA)
    yield "customer just saved", session
    for type_, value in (("membership", "GOLDD"), ("", UNBREAKABLE), ("interest", UNBREAKABLE)):
        add_row(page, type_, value)
    page.locator(".similar-segment").locator("visible=true").first.wait_for()
    yield "customer with unsaved changes", session
    press(page, button(page, "save"))
    yield "customer with errors", session


def conflict(session: BrowserSession, colleague: BrowserSession) -> Iterator[PageState]:
    page, colleague_page = session.go(LUCIA), colleague.go(LUCIA)
    _change_first_value(colleague_page, "STORE_007")
    press(colleague_page, button(colleague_page, "save"))
    _change_first_value(page, "STORE_008")
    press(page, button(page, "save"))
    yield "conflict", session


def _change_first_value(page: Page, value: str) -> None:
    page.locator("main .editor-row [name=type]").first.fill("store")
    page.locator("main .editor-row [name=value]").first.fill(value)


def add_row(page: Page, type_: str, value: str) -> None:
    page.locator("[data-add]").click()
    page.locator("main .editor-row [name=type]").last.fill(type_)
    page.locator("main .editor-row [name=value]").last.fill(value)
