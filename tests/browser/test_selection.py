"""Selecting customers in the list, in Chromium: across searches and pages, with Shift, and by keyboard."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import PHONE, BrowserSession


def checkboxes(page: Page) -> Locator:
    return page.get_by_role("checkbox", name=re.compile(r"^Select .*\("))


def bulk_bar(page: Page) -> Locator:
    return page.locator("[data-bulk-bar]")


def test_bulk_bar_appears_with_the_first_selected_customer(desktop: BrowserSession) -> None:
    page = desktop.go("/customers")
    expect(bulk_bar(page)).to_be_hidden()
    head = page.locator(".customers thead").bounding_box()
    checkboxes(page).first.check()
    expect(bulk_bar(page)).to_contain_text("1 selected")
    expect(page.locator("#live-region")).to_have_text("1 selected")
    assert page.locator(".customers thead").bounding_box() == head, "the table does not move"
    bulk_bar(page).get_by_role("button", name="Clear selection").click()
    expect(bulk_bar(page)).to_be_hidden()
    expect(checkboxes(page).first).not_to_be_checked()


def test_on_a_phone_the_bulk_bar_stands_at_the_bottom_and_hides_nothing(desktop: BrowserSession) -> None:
    page = desktop.page
    page.set_viewport_size(PHONE)
    desktop.go("/customers")
    first_row = page.locator(".customers tbody tr").first
    head, row = page.locator(".list-head").bounding_box(), first_row.bounding_box()
    assert head
    assert row
    assert row["y"] - (head["y"] + head["height"]) < 24, "the hidden bar leaves no gap"
    checkboxes(page).first.check()
    bar = bulk_bar(page).bounding_box()
    assert bar
    assert bar["y"] + bar["height"] == PHONE["height"]
    assert first_row.bounding_box() == row, "the list does not move"
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    end = page.locator("footer").bounding_box()
    assert end
    assert end["y"] + end["height"] <= bar["y"] + 1, "the end of the page can be read"


def test_selection_works_after_a_live_search(desktop: BrowserSession) -> None:
    page = desktop.go("/customers")
    page.get_by_label("Search by ID").press_sequentially("gomez", delay=20)
    expect(page).to_have_url(re.compile("q=gomez"))
    expect(page.locator(".cell-name").first).to_contain_text("Gómez")
    expect(page.locator("#live-region")).to_have_text(re.compile("^[0-9,]+ customers$"))
    checkboxes(page).nth(1).check()
    expect(bulk_bar(page)).to_contain_text("1 selected")
    page.get_by_role("checkbox", name="Select all on this page").check()
    expect(bulk_bar(page)).to_contain_text(f"{checkboxes(page).count()} selected")


def test_selection_is_kept_across_pages_and_searches(desktop: BrowserSession) -> None:
    page = desktop.go("/customers")
    checkboxes(page).first.check()
    page.get_by_role("link", name="Next").click()
    expect(page).to_have_url(re.compile("after="))
    checkboxes(page).first.check()
    expect(bulk_bar(page)).to_contain_text("2 selected")
    desktop.go("/customers?q=gomez")
    checkboxes(page).first.check()
    expect(bulk_bar(page)).to_contain_text("3 selected")
    bulk_bar(page).get_by_role("button", name="Edit segments").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("3 customers")
    page.go_back()
    expect(bulk_bar(page)).to_contain_text("3 selected")
    expect(checkboxes(page).first).to_be_checked()


def test_shift_selects_a_range(desktop: BrowserSession) -> None:
    page = desktop.go("/customers")
    checkboxes(page).nth(1).click()
    checkboxes(page).nth(6).click(modifiers=["Shift"])
    expect(bulk_bar(page)).to_contain_text("6 selected")
    checkboxes(page).nth(3).click(modifiers=["Shift"])
    expect(bulk_bar(page)).to_contain_text("2 selected")


def test_two_customers_are_edited_with_few_keys(desktop: BrowserSession) -> None:
    """The bulk bar comes before the table; the arrow keys move between rows, and Enter opens the form."""
    page = desktop.go("/customers")
    checkboxes(page).first.focus()
    for key in ("Space", "ArrowDown", "ArrowDown", "Space"):
        page.keyboard.press(key)
    expect(checkboxes(page).nth(2)).to_be_checked()
    page.keyboard.press("ArrowUp")
    expect(checkboxes(page).nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("2 customers")


def test_bulk_bar_is_reached_before_the_table(desktop: BrowserSession) -> None:
    page = desktop.go("/customers")
    page.get_by_role("checkbox", name="Select all on this page").press("Space")
    expect(bulk_bar(page)).to_contain_text("50 selected")
    page.keyboard.press("Shift+Tab")
    expect(bulk_bar(page).get_by_role("button", name="Clear selection")).to_be_focused()


def test_selection_ends_when_an_edit_is_prepared(desktop: BrowserSession) -> None:
    page = desktop.go("/customers")
    checkboxes(page).first.check()
    bulk_bar(page).get_by_role("button", name="Edit segments").click()
    page.locator("input[type=radio][value=clear]").check()
    with page.expect_navigation():
        page.locator("main button[value=preview]").locator("visible=true").last.click()
    desktop.go("/customers")
    expect(bulk_bar(page)).to_be_hidden()


def test_the_button_that_selects_all_names_their_number(desktop: BrowserSession) -> None:
    page = desktop.go("/customers?without=membership:GOLD&has=any")
    checkboxes(page).first.check()
    expect(bulk_bar(page).get_by_role("link", name=re.compile(r"^Select all [0-9]{3} matching$"))).to_be_visible()
