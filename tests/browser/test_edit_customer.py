"""What operators do, in a real Chromium: by mouse, without JavaScript, on a phone, two at a time."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import BROWSER_MODES, OTHER, BrowserSession, sign_in, sign_out, visiting
from tests.support.editor_page import ANOTHER, LUCIA, add, clear, expect_values, save
from tests.support.gunicorn import Server


@pytest.mark.parametrize("way", BROWSER_MODES)
def test_sign_in_and_out(browser: Browser, service: Server, way: str) -> None:
    with visiting(browser, service.address, **BROWSER_MODES[way]) as at:
        page = at.go(f"/customers/{LUCIA}")
        expect(page.get_by_label("Email")).to_be_focused()
        sign_in(page, OTHER)
        expect(page.get_by_role("heading", level=1)).to_have_text("Lucía Díaz")
        sign_out(page)
        expect(page.get_by_text("You've signed out.")).to_be_visible()
        expect(at.go("/").get_by_role("heading", level=1)).to_have_text("Sign in to Customer Segments")


def test_see_that_last_night_went_well(at: BrowserSession) -> None:
    page = at.go("/")
    for figure in ("customers", "carry segments", "changed in the last 24 hours", "requests refused since yesterday"):
        expect(page.locator(".stats dt").filter(has_text=figure).first).to_be_visible()
    page.get_by_text("The numbers", exact=True).click()
    expect(page.get_by_role("cell", name=re.compile("^[0-9]+ [A-Z][a-z]{2} 20[0-9]{2}$"))).to_have_count(14)
    page.get_by_role("link", name="All changes").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Changes")


def test_why_does_she_have_it(at: BrowserSession) -> None:
    page = at.go(f"/customers/{LUCIA}")
    page.locator(".timeline").get_by_role("link", name=re.compile("^Change [0-9]+$")).last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Change 1")
    expect(page.locator(".page-head")).to_contain_text("demo changed")


def test_find_a_customer(at: BrowserSession) -> None:
    page = at.go("/")
    page.get_by_label("Search", exact=True).fill("lucia diaz")
    page.get_by_label("Search", exact=True).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Customers")
    expect(page.get_by_role("cell", name="Lucía Díaz").first).to_be_visible()
    page.get_by_role("link", name=LUCIA).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lucía Díaz")
    page = at.go("/")
    page.get_by_label("Search", exact=True).fill(LUCIA)
    page.get_by_label("Search", exact=True).press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lucía Díaz")


def test_fix_her_segments_and_undo_it(at: BrowserSession) -> None:
    page = clear(at, LUCIA)
    add(page, "membership", "GOLD")
    add(page, "interest", "WINE")
    save(page)
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_role("button", name="Move up: segment 2").click()
    page.get_by_role("button", name="Remove: segment 2").click()
    save(page)
    expect_values(page, "WINE")
    expect(page.get_by_text(re.compile("given just now by"))).to_be_visible()
    page.get_by_role("link", name=re.compile("^Undo change")).first.click()
    page.get_by_role("button", name="Undo it for this customer").click()
    expect_values(page, "GOLD", "WINE")


def test_a_close_spelling_is_pointed_out(at: BrowserSession) -> None:
    page = clear(at, LUCIA)
    add(page, "membership", "Gold")
    save(page)
    expect(page.get_by_text(re.compile("GOLD exists, [0-9]+ customers")).first).to_be_visible()
    page.get_by_role("button", name="Use it").first.click()
    save(page)
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect_values(page, "GOLD")


def somebody_else_gives_gold(browser: Browser, service: Server) -> None:
    with visiting(browser, service.address, OTHER) as other:
        theirs = other.go(f"/customers/{ANOTHER}")
        add(theirs, "membership", "GOLD")
        save(theirs)
        expect(theirs.get_by_text("Saved.")).to_be_visible()


def test_two_operators_edit_the_same_customer(at: BrowserSession, browser: Browser, service: Server) -> None:
    mine = clear(at, ANOTHER)
    add(mine, "interest", "WINE")
    somebody_else_gives_gold(browser, service)
    save(mine)
    expect(mine.get_by_role("heading", level=1)).to_have_text("Somebody was faster")
    expect(mine.get_by_text(f"operator {OTHER}")).to_be_visible()
    mine.get_by_role("button", name="Edit mine first").click()
    expect_values(mine, "WINE")
    add(mine, "store", "STORE_1")
    save(mine)
    expect_values(mine, "WINE", "STORE_1")


def test_two_operators_change_different_segments(at: BrowserSession, browser: Browser, service: Server) -> None:
    mine = clear(at, ANOTHER)
    add(mine, "interest", "WINE")
    somebody_else_gives_gold(browser, service)
    save(mine)
    mine.get_by_role("button", name="Save both changes").click()
    expect_values(mine, "GOLD", "WINE")


def test_filter_look_into_a_segment_and_export_it(at: BrowserSession) -> None:
    page = at.go("/customers")
    page.get_by_label("Segment, as type:value").fill("membership:GOLD")
    page.get_by_role("button", name="Add filter").click()
    expect(page).to_have_url(re.compile("segment=membership:GOLD|segment=membership%3AGOLD"))
    page = at.go("/segments")
    page.get_by_role("link", name="GOLD", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("GOLD")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    assert download.value.suggested_filename == "customers.csv"


def test_undo_what_the_nightly_job_did(at: BrowserSession) -> None:
    page = at.go("/changes?actor=token+crm-nightly")
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    page.get_by_role("link", name="Undo this change").click()
    expect(page.get_by_role("heading", name="For example")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Put back")).click()
    expect(page.get_by_text(re.compile("as before"))).to_be_visible()
    page.get_by_role("link", name="Undo this change").click()
    page.get_by_role("button", name=re.compile("^Put back")).click()
    expect(page.get_by_text(re.compile("as before"))).to_be_visible()


def test_light_or_dark(at: BrowserSession) -> None:
    page = at.go("/segments")
    shades = {}
    for theme in ("dark", "light"):
        page.get_by_role("button", name=theme).click()
        expect(page.get_by_role("button", name=theme)).to_have_attribute("aria-pressed", "true")
        shades[theme] = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert shades["dark"] != shades["light"]
    assert page.url.endswith("/segments")
