"""The filter of the customer list, in Chromium: live search, the picker of segments, and saved views."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import BrowserSession


def options(page: Page) -> Locator:
    return page.locator("#segment-options").get_by_role("option")


def test_a_segment_is_picked_by_its_value_with_the_keyboard(desktop: BrowserSession) -> None:
    page = desktop.go("/customers?sort=name")
    field = page.get_by_role("combobox", name="Segment", exact=True)
    field.focus()
    expect(options(page).nth(5)).to_be_visible()
    page.keyboard.type("bronz", delay=20)
    expect(options(page)).to_have_count(1)
    expect(options(page)).to_have_text(re.compile("membership BRONZE.*[0-9]+ customers", re.DOTALL))
    page.keyboard.press("ArrowDown")
    expect(field).to_have_attribute("aria-activedescendant", "segment-option-1")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("sort=name&segment=membership:BRONZE"))
    page.locator("#condition").select_option("without")
    field.fill("active")
    field.press("Enter")
    expect(page).to_have_url(re.compile("without=activity:ACTIVE"))
    expect(page.get_by_role("link", name="Remove filter")).to_have_count(2)


def test_a_segment_is_added_to_what_was_searched_while_typing(desktop: BrowserSession) -> None:
    page = desktop.go("/customers")
    page.get_by_label("Search by ID").press_sequentially("gomez", delay=20)
    expect(page.get_by_role("link", name="Clear search “gomez”")).to_be_visible()
    page.get_by_role("combobox", name="Segment", exact=True).press_sequentially("gold", delay=20)
    options(page).filter(has_text="membership GOLD").click()
    expect(page).to_have_url(re.compile("q=gomez&segment=membership:GOLD"))


def test_a_search_while_typing_can_be_saved_as_a_view(desktop: BrowserSession) -> None:
    page = desktop.go("/customers")
    page.get_by_label("Search by ID").press_sequentially("lucia", delay=20)
    expect(page.get_by_role("link", name="Clear search “lucia”")).to_be_visible()
    page.get_by_text("Save view").click()
    page.get_by_label("Name of the view").fill("Lucías")
    page.keyboard.press("Enter")
    tab = page.get_by_role("navigation", name="Views").get_by_role("link", name="Lucías")
    expect(tab).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="All customers").click()
    tab.click()
    expect(page).to_have_url(re.compile(r"\?q=lucia$"))
    page.get_by_text("Edit view").click()
    page.get_by_role("button", name="Delete view").click()
    expect(tab).to_have_count(0)
