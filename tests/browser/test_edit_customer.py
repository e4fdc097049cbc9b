"""One customer in Chromium: by mouse, without JavaScript, on a phone, and by two operators at once."""

import re

import pytest
from playwright.sync_api import Browser, expect

from bench.servers.gunicorn import Server
from tests.support.browser import BROWSER_MODES, OTHER, BrowserSession, browser_session, sign_in, sign_out
from tests.support.editor_page import ANOTHER, LUCIA, add, clear, expect_values, save


@pytest.mark.parametrize("mode", BROWSER_MODES)
def test_sign_in_and_out(browser: Browser, service: Server, mode: str) -> None:
    with browser_session(browser, service.address, **BROWSER_MODES[mode]) as session:
        page = session.go(f"/customers/{LUCIA}")
        expect(page.get_by_label("Email")).to_be_focused()
        sign_in(page, OTHER)
        expect(page.get_by_role("heading", level=1)).to_have_text("Lucía Díaz")
        sign_out(page)
        expect(page.get_by_text("You've signed out.")).to_be_visible()
        expect(session.go("/").get_by_role("heading", level=1)).to_have_text("Sign in to Customer Segments")


def test_overview_shows_totals_and_daily_changes(any_browser: BrowserSession) -> None:
    page = any_browser.go("/")
    for label in ("customers", "with segments", "updated in the last 24 hours", "rejected API requests"):
        expect(page.locator(".stats dt").filter(has_text=label).first).to_be_visible()
    page.get_by_text("Show data", exact=True).click()
    expect(page.get_by_role("cell", name=re.compile("^[0-9]+ [A-Z][a-z]{2} 20[0-9]{2}$"))).to_have_count(14)
    page.get_by_role("link", name="View all changes").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Changes")


def test_history_links_to_the_change(any_browser: BrowserSession) -> None:
    page = any_browser.go(f"/customers/{LUCIA}")
    change = page.locator(".timeline").get_by_role("link", name=re.compile("^Change #[0-9]+$")).last
    name = change.inner_text()
    change.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def test_search_by_name_lists_and_by_id_opens_the_customer(any_browser: BrowserSession) -> None:
    page = any_browser.go("/")
    page.get_by_label("Search", exact=True).fill("lucia diaz")
    page.get_by_label("Search", exact=True).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Customers")
    expect(page.get_by_role("cell", name="Lucía Díaz").first).to_be_visible()
    page.get_by_role("link", name=LUCIA).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lucía Díaz")
    page = any_browser.go("/")
    page.get_by_label("Search", exact=True).fill(LUCIA)
    page.get_by_label("Search", exact=True).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lucía Díaz")


def test_edit_reorder_and_undo_segments(any_browser: BrowserSession) -> None:
    page = clear(any_browser, LUCIA)
    add(page, "membership", "GOLD")
    add(page, "interest", "WINE")
    save(page)
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Move .* up$")).nth(1).click()
    page.get_by_role("button", name=re.compile("^Remove ")).nth(1).click()
    save(page)
    expect_values(page, "WINE")
    expect(page.get_by_text(re.compile("Added just now by"))).to_be_visible()
    page.get_by_role("link", name=re.compile("^Undo change")).first.click()
    page.get_by_role("button", name="Undo for this customer").click()
    expect_values(page, "GOLD", "WINE")


def test_saving_points_out_a_similar_segment(any_browser: BrowserSession) -> None:
    page = clear(any_browser, LUCIA)
    add(page, "membership", "Gold")
    save(page)
    expect(page.get_by_text(re.compile("Did you mean membership: GOLD")).first).to_be_visible()
    page.get_by_role("button", name="Use GOLD").first.click()
    save(page)
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect_values(page, "GOLD")


def add_gold_as_another_operator(browser: Browser, service: Server) -> None:
    with browser_session(browser, service.address, OTHER) as colleague:
        colleague_page = colleague.go(f"/customers/{ANOTHER}")
        add(colleague_page, "membership", "GOLD")
        save(colleague_page)
        expect(colleague_page.get_by_text("Saved.")).to_be_visible()


def test_edit_conflict_shows_both_versions(any_browser: BrowserSession, browser: Browser, service: Server) -> None:
    page = clear(any_browser, ANOTHER)
    add(page, "membership", "SILVER")
    add_gold_as_another_operator(browser, service)
    save(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Someone else edited this customer")
    expect(page.get_by_text(OTHER)).to_be_visible()
    page.get_by_role("button", name="Edit mine").click()
    expect_values(page, "SILVER")
    add(page, "store", "STORE_1")
    save(page)
    expect_values(page, "SILVER", "STORE_1")


def test_edit_conflict_offers_both_changes(any_browser: BrowserSession, browser: Browser, service: Server) -> None:
    page = clear(any_browser, ANOTHER)
    add(page, "membership", "SILVER")
    add_gold_as_another_operator(browser, service)
    save(page)
    page.get_by_role("button", name="Save combined").click()
    expect_values(page, "GOLD", "SILVER")


def test_back_to_an_edit_conflict_shows_the_customer(
    desktop: BrowserSession, browser: Browser, service: Server
) -> None:
    page = clear(desktop, ANOTHER)
    add(page, "membership", "SILVER")
    add_gold_as_another_operator(browser, service)
    save(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Someone else edited this customer")
    page.get_by_role("link", name="Changes", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Changes")
    page.go_back()
    expect_values(page, "GOLD")


def test_changes_of_different_types_are_both_kept(
    any_browser: BrowserSession, browser: Browser, service: Server
) -> None:
    page = clear(any_browser, ANOTHER)
    add(page, "interest", "WINE")
    add_gold_as_another_operator(browser, service)
    save(page)
    expect(page.get_by_text("Both changes were kept.")).to_be_visible()
    expect_values(page, "GOLD", "WINE")


def test_a_removed_segment_can_be_kept(any_browser: BrowserSession) -> None:
    page = clear(any_browser, LUCIA)
    add(page, "membership", "GOLD")
    add(page, "interest", "WINE")
    save(page)
    page.get_by_role("button", name="Remove membership GOLD").click()
    expect(page.get_by_text("Unsaved changes: 1 removed")).to_be_visible()
    add(page, "store", "STORE_1")
    page.get_by_role("button", name="Remove interest WINE").click()
    page.get_by_role("button", name="Keep interest WINE").click()
    save(page)
    expect(page.get_by_text("Saved. 1 added, 1 removed.")).to_be_visible()
    expect_values(page, "WINE", "STORE_1")


def test_filter_by_segment_and_export_its_members(any_browser: BrowserSession) -> None:
    page = any_browser.go("/customers")
    page.get_by_label("Segment", exact=True).fill("membership:GOLD")
    page.get_by_label("Segment", exact=True).press("Enter")
    expect(page).to_have_url(re.compile("segment=membership:GOLD|segment=membership%3AGOLD"))
    page = any_browser.go("/segments")
    page.get_by_role("link", name="GOLD", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("GOLD")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV (Excel)").click()
    assert re.fullmatch(r"customers-gold-[0-9-]{10}\.csv", download.value.suggested_filename)


def test_change_of_a_token_is_undone_and_redone(any_browser: BrowserSession) -> None:
    page = any_browser.go("/changes?actor=token+crm-nightly")
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    page.get_by_role("link", name="Undo…").click()
    expect(page.get_by_role("heading", name="Sample of affected customers")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Undo for")).click()
    expect(page.get_by_text(re.compile("Undone for"))).to_be_visible()
    page.get_by_role("link", name="Undo…").click()
    page.get_by_role("button", name=re.compile("^Undo for")).click()
    expect(page.get_by_text(re.compile("Undone for"))).to_be_visible()


def test_theme_switch_keeps_the_page(any_browser: BrowserSession) -> None:
    page = any_browser.go("/segments")
    shades = {}
    for theme in ("dark", "light"):
        page.get_by_role("button", name=theme).click()
        expect(page.get_by_role("button", name=theme)).to_have_attribute("aria-pressed", "true")
        shades[theme] = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert shades["dark"] != shades["light"]
    assert page.url.endswith("/segments")
