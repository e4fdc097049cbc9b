"""The search in the header, in Chromium: hits while typing, walked by keyboard."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import PHONE, BrowserSession, await_true


def options(page: Page) -> Locator:
    return page.locator("#search-hits").get_by_role("option")


def test_a_customer_is_opened_by_keyboard(desktop: BrowserSession) -> None:
    page = desktop.go("/segments")
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Search", exact=True)
    expect(field).to_have_attribute("aria-expanded", "true")
    page.keyboard.type("lucia di")
    expect(options(page).first).to_contain_text("Lucía Díaz")
    page.keyboard.press("ArrowDown")
    expect(options(page).first).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", "search-hit-1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lucía Díaz")


def test_a_segment_and_a_page_are_found_by_mouse(desktop: BrowserSession) -> None:
    page = desktop.go("/")
    field = page.get_by_role("combobox", name="Search", exact=True)
    field.press_sequentially("silver", delay=20)
    options(page).filter(has_text="membership SILVER").click()
    expect(page).to_have_url(re.compile("/segments/membership/SILVER$"))
    field.press_sequentially("import a", delay=20)
    options(page).filter(has_text="Import a file").click()
    expect(page).to_have_url(re.compile("/imports$"))


def test_results_are_announced_in_a_sentence_and_escape_closes_them(desktop: BrowserSession) -> None:
    page = desktop.go("/")
    page.keyboard.press("/")
    expect(page.locator("#live-region")).to_have_text(re.compile("^[0-9]+ results$"))
    page.keyboard.press("ArrowUp")
    expect(options(page).last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#search-hits")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    expect(options(page).first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("#search-hits")).to_be_hidden()


def test_question_mark_lists_the_shortcuts(desktop: BrowserSession) -> None:
    page = desktop.go("/segments")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("searchbox", name="Search in this segment").or_(page.locator("#site-search")).first.press("?")
    expect(dialog).to_be_hidden()


def test_hits_fit_a_phone(desktop: BrowserSession) -> None:
    page = desktop.go("/")
    page.set_viewport_size(PHONE)
    page.locator("#site-search").press_sequentially("gomez", delay=20)
    expect(options(page).first).to_be_visible()
    await_true(page, f"document.documentElement.scrollWidth === {PHONE['width']}")  # once it is laid out anew
    box = page.locator("#search-hits").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
