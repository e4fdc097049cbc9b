"""Behaviour that JavaScript adds, and the look of tables and of printed pages, in Chromium."""

import re

import pytest
from playwright.sync_api import Browser, expect

from bench.servers.gunicorn import Server
from tests.support.browser import ADMIN, PHONE, BrowserSession, await_true, browser_session
from tests.support.editor_page import LUCIA, add, clear, expect_values, save


def test_live_search_updates_results_url_and_count(desktop: BrowserSession) -> None:
    page = desktop.go("/customers")
    page.get_by_label("Search by ID").press_sequentially("gomez", delay=20)
    expect(page.locator(".count")).to_have_text(re.compile("^\\s*[0-9]{2} customers"))
    expect(page).to_have_url(re.compile("q=gomez"))
    expect(page.get_by_role("cell", name=re.compile("Gómez")).first).to_be_visible()
    assert page.get_by_label("Search by ID").input_value() == "gomez"
    page.reload()
    expect(page.get_by_role("cell", name=re.compile("Gómez")).first).to_be_visible()
    page.locator(".customers .id").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Gómez"))
    page.go_back()
    expect(page.get_by_label("Search by ID")).to_have_value("gomez")
    expect(page.locator(".count")).to_have_text(re.compile("^\\s*[0-9]{2} customers"))


def test_count_is_loaded_after_the_page(desktop: BrowserSession) -> None:
    page = desktop.go("/customers?without=membership:GOLD")
    expect(page.locator(".count")).to_have_text(re.compile("^\\s*[0-9]{3} customers"))
    expect(page.get_by_role("link", name="Count them")).to_have_count(0)


def test_unsaved_changes_are_marked_and_guarded(desktop: BrowserSession) -> None:
    page = clear(desktop, LUCIA)
    add(page, "membership", "GOLD")
    expect(page.get_by_text("Unsaved changes: 1 added")).to_be_visible()
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="Segments", exact=True).click()
    page.wait_for_timeout(300)
    assert dialogs == ["beforeunload"]
    page.get_by_role("link", name="Discard").click()
    page.wait_for_load_state()
    assert dialogs == ["beforeunload"]
    expect_values(page)


def test_message_stays_until_it_is_dismissed(desktop: BrowserSession) -> None:
    page = clear(desktop, LUCIA)
    add(page, "membership", "GOLD")
    save(page)
    page.get_by_role("button", name=re.compile("^Remove ")).first.click()
    message = page.locator(".notice")
    expect(message).to_contain_text("Saved. 1 added.")
    expect(message.get_by_role("link", name="Undo")).to_be_visible()
    message.get_by_role("button", name="Dismiss message").click()
    expect(message).to_have_count(0)
    page.get_by_role("link", name="Discard").click()


def test_repeated_segment_is_pointed_out_while_typing(desktop: BrowserSession) -> None:
    page = clear(desktop, LUCIA)
    for _ in range(2):
        add(page, "membership", "GOLD")
    hint = page.get_by_text("This segment is listed twice.").locator("visible=true")
    expect(hint).to_have_count(1)
    page.get_by_role("button", name="Remove membership GOLD").last.click()
    expect(hint).to_have_count(0)
    page.get_by_role("link", name="Discard").click()


def test_similar_segment_is_pointed_out_while_typing(desktop: BrowserSession) -> None:
    page = clear(desktop, LUCIA)
    add(page, "membership", "GOLDD")
    expect(page.get_by_text(re.compile("Did you mean membership: GOLD"))).to_be_visible()
    page.get_by_role("button", name="Use GOLD").click()
    expect_values(page, "GOLD")
    page.get_by_role("link", name="Discard").click()


def test_shortcuts_focus_the_search_and_can_be_disabled(desktop: BrowserSession) -> None:
    page = desktop.go("/segments/membership/GOLD")
    for key in ("/", "Control+k"):
        page.keyboard.press(key)
        expect(page.get_by_label("Search", exact=True)).to_be_focused()
        expect(page.get_by_label("Search", exact=True)).to_have_value("")
        page.locator("h1").click()
    inside = page.get_by_role("searchbox", name="Search in this segment")
    inside.press_sequentially("a/b")
    expect(inside).to_have_value("a/b")
    desktop.go("/account").get_by_role("button", name="Disable single-key shortcuts").click()
    expect(page.get_by_text("Single-key shortcuts disabled.")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("Search", exact=True)).not_to_be_focused()
    page.keyboard.press("Control+k")
    expect(page.get_by_label("Search", exact=True)).to_be_focused()
    desktop.go(f"/customers/{LUCIA}").keyboard.press("a")
    expect(page.locator("main .editor-row.is-new")).to_have_count(0)
    expect(page.get_by_role("button", name="Add segment")).not_to_have_attribute("aria-keyshortcuts", "A")


def test_a_adds_a_segment_where_it_is_not_typed(desktop: BrowserSession) -> None:
    page = desktop.go(f"/customers/{LUCIA}")
    page.keyboard.press("a")
    added = page.locator("main .editor-row.is-new [name=type]")
    expect(added).to_be_focused()
    page.keyboard.press("a")
    expect(added).to_have_value("a")
    page.get_by_role("link", name="Discard").click()


def test_tables_have_sticky_header_times_ids_and_aligned_numbers(desktop: BrowserSession) -> None:
    page = desktop.go("/customers")
    page.mouse.wheel(0, 3_000)
    await_true(page, "scrollY > 500")
    head = page.locator(".customers th").nth(1)
    toolbar = page.locator(".list-toolbar").bounding_box()
    assert toolbar["y"] == pytest.approx(0, abs=1), "the toolbar stays in view when the list is scrolled"
    assert head.bounding_box()["y"] == pytest.approx(toolbar["height"], abs=1), "so does the head of the table"
    time = page.locator(".customers time").first
    expect(time).to_have_attribute("title", re.compile(r"^[0-9]+ [A-Z][a-z]+ 20[0-9]{2}, [0-9]{2}:[0-9]{2} \(UTC\)$"))
    expect(time).to_have_attribute("datetime", re.compile("^20.+Z$"))
    assert "monospace" in page.locator(".customers .id").first.evaluate("e => getComputedStyle(e).fontFamily")
    expect(page.get_by_role("button", name="Copy ID").first).to_be_visible()
    page = desktop.go("/segments")
    numbers = page.locator("td.number")
    assert numbers.evaluate_all("all => new Set(all.map(e => getComputedStyle(e).textAlign)).size") == 1
    assert numbers.first.evaluate("e => getComputedStyle(e).textAlign") == "right"


def test_printed_page_has_no_controls_and_dark_ink(desktop: BrowserSession) -> None:
    page = desktop.go("/customers")
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("nav:visible, .bulk-bar:visible, .filters:visible")).to_have_count(0)
    expect(page.get_by_role("cell", name="Lucía Díaz").first).to_be_visible()
    red = page.locator("body").evaluate("body => Number(/[0-9]+/.exec(getComputedStyle(body).color)[0])")
    assert red < 100, "dark ink, whatever the theme"


def test_phone_menu_shows_every_page_and_marks_the_current_one(browser: Browser, service: Server) -> None:
    with browser_session(browser, service.address, ADMIN, viewport=PHONE) as session:
        page = session.go("/operators")
        header = page.locator(".site-header")
        assert header.bounding_box()["height"] < 64, "one row"
        header.get_by_text("Menu", exact=True).click()
        current = header.get_by_role("link", name="Team")
        expect(current).to_have_attribute("aria-current", "page")
        expect(current).to_be_in_viewport()
        expect(header.get_by_role("button", name="Sign out")).to_be_visible()
        page.keyboard.press("Escape")
        expect(current).to_be_hidden()
