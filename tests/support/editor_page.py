"""The segment editor of a customer's page in a browser."""

import re

from playwright.sync_api import Page, expect

from tests.support.browser import BrowserSession

LUCIA, ANOTHER = "1232-2323", "1969-1110"


def expect_values(page: Page, *values: str) -> None:
    """Wait until the editor has these values."""
    fields = page.get_by_label(re.compile("^Segment [0-9]+ value"))
    expect(fields).to_have_count(len(values))
    for n, value in enumerate(values):
        expect(fields.nth(n)).to_have_value(value)


def clear(session: BrowserSession, document_id: str) -> Page:
    """Remove all segments of a customer, and return the page."""
    page = session.go(f"/customers/{document_id}")
    remove = page.get_by_role("button", name=re.compile("^Remove "))
    for left in reversed(range(remove.count())):
        remove.first.click()
        expect(remove).to_have_count(left)  # a removed row has a button to keep it instead
    save(page)
    return page


def save(page: Page) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name=re.compile("^Save"), exact=False).locator("visible=true").last.click()


def add(page: Page, type_: str, value: str) -> None:
    page.get_by_role("button", name="Add segment").click()
    page.get_by_label(re.compile("^Segment [0-9]+ type")).last.fill(type_)
    page.get_by_label(re.compile("^Segment [0-9]+ value")).last.fill(value)
