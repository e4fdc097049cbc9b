"""What operators do, in a real Chromium: by mouse, by keyboard alone, without JavaScript, on a phone, two at a time."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import ADMIN, OTHER, PHONE, WAYS, Visit, sign_in, visiting
from tests.gunicorn import Server

LUCIA, ANOTHER = "1232-2323", "1969-1110"


def expect_values(page: Page, *values: str) -> None:
    """The editor has these values, now or in a moment: a click may lead to another page first."""
    fields = page.get_by_label(re.compile("^Value of segment"))
    expect(fields).to_have_count(len(values))
    for n, value in enumerate(values):
        expect(fields.nth(n)).to_have_value(value)


def clear(at: Visit, document_id: str) -> Page:
    """The customer's page, once she has no segments."""
    page = at.go(f"/customers/{document_id}")
    remove = page.get_by_role("button", name=re.compile("^Remove: segment"))
    for left in reversed(range(remove.count())):
        remove.first.click()
        expect(remove).to_have_count(left)
    save(page)
    return page


def save(page: Page) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name=re.compile("^Save"), exact=False).locator("visible=true").last.click()


@pytest.fixture(params=WAYS)
def boss(browser: Browser, service: Server, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """An admin at work, in one of three ways."""
    with visiting(browser, service.address, ADMIN, **WAYS[request.param]) as boss:
        yield boss


def add(page: Page, type_: str, value: str) -> None:
    page.get_by_role("button", name="Add a segment").click()
    page.get_by_label(re.compile("^Type of segment")).last.fill(type_)
    page.get_by_label(re.compile("^Value of segment")).last.fill(value)


@pytest.mark.parametrize("way", WAYS)
def test_sign_in_and_out(browser: Browser, service: Server, way: str) -> None:
    with visiting(browser, service.address, **WAYS[way]) as at:
        page = at.go(f"/customers/{LUCIA}")
        expect(page.get_by_label("E-mail")).to_be_focused()
        sign_in(page, OTHER)
        expect(page.get_by_role("heading", level=1)).to_have_text("Lucía Díaz")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_text("You are signed out.")).to_be_visible()
        expect(at.go("/").get_by_role("heading", level=1)).to_have_text("Sign in to Customer Segments")


def test_see_that_last_night_went_well(at: Visit) -> None:
    page = at.go("/")
    for figure in ("customers", "carry segments", "changed in the last 24 hours", "requests refused since yesterday"):
        expect(page.locator(".figures dt").filter(has_text=figure).first).to_be_visible()
    page.get_by_text("The numbers", exact=True).click()
    expect(page.get_by_role("cell", name=re.compile("^[0-9]+ [A-Z][a-z]{2} 20[0-9]{2}$"))).to_have_count(14)
    page.get_by_role("link", name="All changes").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Changes")


def test_why_does_she_have_it(at: Visit) -> None:
    page = at.go(f"/customers/{LUCIA}")
    page.locator(".timeline").get_by_role("link", name=re.compile("^Change [0-9]+$")).last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Change 1")
    expect(page.locator(".page-head")).to_contain_text("demo changed")


def test_find_a_customer(at: Visit) -> None:
    page = at.go("/")
    page.get_by_label("Find a customer").fill("lucia diaz")
    page.get_by_label("Find a customer").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Customers")
    expect(page.get_by_role("cell", name="Lucía Díaz").first).to_be_visible()
    page.get_by_role("link", name=LUCIA).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lucía Díaz")
    page = at.go("/")
    page.get_by_label("Find a customer").fill(LUCIA)
    page.get_by_label("Find a customer").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lucía Díaz")


def test_fix_her_segments_and_undo_it(at: Visit) -> None:
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


def test_a_close_spelling_is_pointed_out(at: Visit) -> None:
    page = clear(at, LUCIA)
    add(page, "membership", "Gold")
    save(page)
    expect(page.get_by_text(re.compile("GOLD exists, [0-9]+ customers")).first).to_be_visible()
    page.get_by_role("button", name="Use it").first.click()
    save(page)
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect_values(page, "GOLD")


def test_two_operators_edit_the_same_customer(at: Visit, browser: Browser, service: Server) -> None:
    mine = clear(at, ANOTHER)
    add(mine, "interest", "WINE")
    with visiting(browser, service.address, OTHER) as other:
        theirs = other.go(f"/customers/{ANOTHER}")
        add(theirs, "membership", "GOLD")
        save(theirs)
        expect(theirs.get_by_text("Saved.")).to_be_visible()
        save(mine)
        expect(mine.get_by_role("heading", level=1)).to_have_text("Somebody was faster")
        expect(mine.get_by_text(f"operator {OTHER}")).to_be_visible()
    mine.get_by_role("button", name="Edit mine first").click()
    expect_values(mine, "WINE")
    add(mine, "store", "STORE_1")
    save(mine)
    expect_values(mine, "WINE", "STORE_1")


def test_two_operators_change_different_segments(at: Visit, browser: Browser, service: Server) -> None:
    mine = clear(at, ANOTHER)
    add(mine, "interest", "WINE")
    with visiting(browser, service.address, OTHER) as other:
        theirs = other.go(f"/customers/{ANOTHER}")
        add(theirs, "membership", "GOLD")
        save(theirs)
        expect(theirs.get_by_text("Saved.")).to_be_visible()
    save(mine)
    mine.get_by_role("button", name="Save both changes").click()
    expect_values(mine, "GOLD", "WINE")


def test_filter_look_into_a_segment_and_export_it(at: Visit) -> None:
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


def test_undo_what_the_nightly_job_did(at: Visit) -> None:
    page = at.go("/changes?actor=token+crm-nightly")
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    page.get_by_role("link", name="Undo this change").click()
    expect(page.get_by_role("heading", name="For example")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Put back")).click()
    expect(page.get_by_text(re.compile("as before"))).to_be_visible()
    page.get_by_role("link", name="Undo this change").click()
    page.get_by_role("button", name=re.compile("^Put back")).click()
    expect(page.get_by_text(re.compile("as before"))).to_be_visible()


def test_light_or_dark(at: Visit) -> None:
    page = at.go("/segments")
    shades = {}
    for theme in ("dark", "light"):
        page.get_by_role("button", name=theme).click()
        expect(page.get_by_role("button", name=theme)).to_have_attribute("aria-pressed", "true")
        shades[theme] = page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert shades["dark"] != shades["light"]
    assert page.url.endswith("/segments")


# With a script


def test_search_as_you_type(desk: Visit) -> None:
    page = desk.go("/customers")
    page.get_by_label("Search by id").press_sequentially("gomez", delay=20)
    expect(page.locator(".count")).to_have_text(re.compile("^\\s*[0-9]{2} customers"))
    expect(page).to_have_url(re.compile("q=gomez"))
    expect(page.get_by_role("cell", name=re.compile("Gómez")).first).to_be_visible()
    assert page.get_by_label("Search by id").input_value() == "gomez"
    page.reload()
    expect(page.get_by_role("cell", name=re.compile("Gómez")).first).to_be_visible()
    page.locator(".customers .id").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Gómez"))
    page.go_back()
    expect(page.get_by_label("Search by id")).to_have_value("gomez")
    expect(page.locator(".count")).to_have_text(re.compile("^\\s*[0-9]{2} customers"))


def test_a_count_comes_after_the_page(desk: Visit) -> None:
    page = desk.go("/customers?without=membership:GOLD")
    expect(page.locator(".count")).to_have_text(re.compile("^\\s*[0-9]{3} customers"))
    expect(page.get_by_role("link", name="Count them")).to_have_count(0)


def test_unsaved_changes_are_marked_and_guarded(desk: Visit) -> None:
    page = clear(desk, LUCIA)
    add(page, "membership", "GOLD")
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.get_by_role("link", name="Segments", exact=True).click()
    page.wait_for_timeout(300)
    assert asked == ["beforeunload"]
    page.get_by_role("link", name="Discard").click()
    page.wait_for_load_state()
    assert asked == ["beforeunload"]
    expect_values(page)


def test_a_spelling_is_checked_while_it_is_typed(desk: Visit) -> None:
    page = clear(desk, LUCIA)
    add(page, "membership", "GOLDD")
    expect(page.get_by_text(re.compile("GOLD exists"))).to_be_visible()
    page.get_by_role("button", name="Use it").click()
    expect_values(page, "GOLD")
    page.get_by_role("link", name="Discard").click()


def test_the_search_is_one_key_away(desk: Visit) -> None:
    page = desk.go("/segments/membership/GOLD")
    for key in ("/", "Control+k"):
        page.keyboard.press(key)
        expect(page.get_by_label("Find a customer")).to_be_focused()
        expect(page.get_by_label("Find a customer")).to_have_value("")
        page.locator("h1").click()
    page.get_by_label("Search inside").press_sequentially("a/b")
    expect(page.get_by_label("Search inside")).to_have_value("a/b")
    desk.go("/account").get_by_role("button", name="Turn the key / off").click()
    expect(page.get_by_text("The key / is turned off.")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("Find a customer")).not_to_be_focused()
    page.keyboard.press("Control+k")
    expect(page.get_by_label("Find a customer")).to_be_focused()


def test_what_tables_promise(desk: Visit) -> None:
    page = desk.go("/customers")
    page.mouse.wheel(0, 3_000)
    page.wait_for_function("scrollY > 500")
    head = page.locator(".customers th").nth(1)
    assert head.bounding_box()["y"] == pytest.approx(0, abs=1), "it stays when the list is scrolled"
    told = page.locator(".customers time").first
    expect(told).to_have_attribute("title", re.compile("^20.{17} UTC$"))
    expect(told).to_have_attribute("datetime", re.compile("^20.+Z$"))
    assert "monospace" in page.locator(".customers .id").first.evaluate("e => getComputedStyle(e).fontFamily")
    expect(page.get_by_role("button", name="Copy the id 1232-2323")).to_be_visible()
    page = desk.go("/segments")
    numbers = page.locator("td.number")
    assert numbers.evaluate_all("all => new Set(all.map(e => getComputedStyle(e).textAlign)).size") == 1
    assert numbers.first.evaluate("e => getComputedStyle(e).textAlign") == "right"


def test_a_page_is_printed_without_its_buttons(desk: Visit) -> None:
    page = desk.go("/customers")
    page.emulate_media(media="print", color_scheme="dark")
    for what in (page.get_by_role("navigation").first, page.locator(".bulk"), page.locator(".filters").first):
        expect(what).to_be_hidden()
    expect(page.get_by_role("cell", name="Lucía Díaz").first).to_be_visible()
    red = page.locator("body").evaluate("body => Number(/[0-9]+/.exec(getComputedStyle(body).color)[0])")
    assert red < 100, "dark ink, whatever the theme"


def test_the_page_one_is_on_is_in_sight(browser: Browser, service: Server) -> None:
    with visiting(browser, service.address, ADMIN, viewport=PHONE) as at:
        here = at.go("/operators").locator("nav [aria-current]")
        place = here.bounding_box()
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= 390


def test_by_keyboard_alone(desk: Visit) -> None:
    page = clear(desk, LUCIA)
    keys = page.keyboard
    keys.press("Control+k")
    keys.type(LUCIA)
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lucía Díaz")
    tab_to(page, "Add a segment")
    for type_, value in (("membership", "SILVER"), ("interest", "TOYS")):
        keys.press("Enter")
        keys.type(type_)
        keys.press("Tab")
        keys.type(value)
        tab_to(page, "Add a segment")
    tab_to(page, "Value of segment 2", "Shift+Tab")
    keys.press("Alt+ArrowUp")
    keys.press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect_values(page, "TOYS", "SILVER")
    tab_to(page, "Remove: segment 1")
    keys.press("Enter")
    expect_values(page, "SILVER")
    tab_to(page, "Save")
    keys.press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect_values(page, "SILVER")


def test_the_other_jobs_by_keyboard_alone(desk: Visit) -> None:
    page = desk.go("/")
    keys = page.keyboard

    def enter() -> None:
        with page.expect_navigation():
            keys.press("Enter")

    tab_to(page, "Customers")
    enter()
    tab_to(page, "Segment, as type:value")
    keys.type("membership:SILVER")
    enter()
    expect(page.get_by_role("link", name="Remove the filter has membership:SILVER")).to_be_visible()
    tab_to(page, "Remove the filter has membership:SILVER")
    enter()
    tab_to(page, "Segments")
    enter()
    tab_to(page, "SILVER")
    enter()
    tab_to(page, "Search inside")
    keys.type("gomez")
    enter()
    expect(page.get_by_role("cell", name=re.compile("Gómez")).first).to_be_visible()
    tab_to(page, "Changes")
    enter()
    tab_to(page, "Who")
    keys.type("token crm-nightly")
    enter()
    tab_to(page, "24")
    enter()
    tab_to(page, "Undo this change …")
    enter()
    expect(page.get_by_role("heading", level=1)).to_have_text("Undo change 24?")
    tab_to(page, "dark")
    enter()
    expect(page.get_by_role("button", name="dark")).to_have_attribute("aria-pressed", "true")
    keys.press("Tab")
    tab_to(page, "system", "Shift+Tab")
    enter()


def test_the_jobs_of_an_admin_by_keyboard_alone(browser: Browser, service: Server) -> None:
    with visiting(browser, service.address, ADMIN) as boss:
        page = boss.go("/")
        keys = page.keyboard

        def enter() -> None:
            with page.expect_navigation():
                keys.press("Enter")

        tab_to(page, "Tokens")
        enter()
        tab_to(page, "Name")
        keys.type("by-keyboard")
        tab_to(page, "read segments and the catalogue segments:read")
        keys.press("Space")
        tab_to(page, "Make the token")
        enter()
        secret = page.locator(".secret code").first.inner_text()
        assert boss.context.request.get(boss.address + "/api/v3/segments", headers=bearer(secret)).status == 200
        tab_to(page, "Back to the tokens")
        enter()
        tab_to(page, "Revoke by-keyboard")
        enter()
        tab_to(page, "Revoke by-keyboard")
        enter()
        expect(page.get_by_text("opens nothing any more").first).to_be_visible()


def tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Press Tab until the control with this name has the focus, which must be visible wherever it is."""
    for _ in range(60):
        page.keyboard.press(key)
        focused = page.evaluate(
            """() => {
                const at = document.activeElement, style = getComputedStyle(at);
                const ring = style.outlineStyle !== "none" || style.boxShadow !== "none";
                const label = at.labels?.[0]?.textContent || at.textContent;
                const name = at.getAttribute("aria-label") || label.trim().replace(/\\s+/g, " ");
                return [name, ring || at === document.body];
            }"""
        )
        assert focused[1], f"the focus cannot be seen on {focused[0]!r}"
        if focused[0] == name:
            return
    raise AssertionError(f"Tab never came to {name!r}")


def test_give_a_partner_a_token(boss: Visit) -> None:
    page = boss.go("/tokens")
    page.get_by_label("Name").fill("crm-partner")
    page.get_by_role("button", name="Make the token").click()
    secret = page.locator(".secret code").first.inner_text()
    expect(page.locator(".secret pre")).to_contain_text(f"Bearer {secret}")
    page.get_by_role("link", name="Back to the tokens").click()
    page.get_by_role("link", name="crm-partner", exact=True).click()
    expect(page.get_by_text("No requests yet")).to_be_visible()
    page.get_by_role("link", name="Revoke the token").click()
    page.get_by_role("button", name="Revoke crm-partner").click()
    expect(page.get_by_text("opens nothing any more").first).to_be_visible()
    assert boss.context.request.get(boss.address + "/api/v3/segments", headers=bearer(secret)).status == 401


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_a_token_is_copied(browser: Browser, service: Server) -> None:
    clipboard = ["clipboard-read", "clipboard-write"]
    with visiting(browser, service.address, ADMIN, permissions=clipboard) as boss:
        page = boss.go("/tokens")
        page.get_by_label("Name").fill("to-be-copied")
        page.get_by_role("button", name="Make the token").click()
        secret = page.locator(".secret code").first.inner_text()
        page.get_by_role("button", name="Copy the token").click()
        expect(page.get_by_text("Copied the token")).to_be_attached()
        assert page.evaluate("navigator.clipboard.readText()") == secret
        page.get_by_role("button", name="Copy the command").click()
        expect(page.get_by_text("Copied the command")).to_be_attached()
        assert secret in page.evaluate("navigator.clipboard.readText()")


def test_invite_an_operator(boss: Visit, browser: Browser, service: Server) -> None:
    page = boss.go("/operators")
    page.get_by_label("E-mail").fill("new@example.com")
    page.get_by_role("button", name="Invite").click()
    link = page.locator(".secret code").inner_text()
    with visiting(browser, service.address) as new:
        opened = new.go(link.removeprefix(service.address))
        opened.get_by_label("New password").fill("my own password")
        opened.get_by_role("button", name="Set the password and sign in").click()
        expect(opened.get_by_role("heading", level=1)).to_have_text("Overview")
        page = boss.go("/operators")
        page.get_by_role("button", name="Deactivate: new@example.com").click()
        expect(page.get_by_text("can no longer sign in")).to_be_visible()
        expect(new.go("/").get_by_role("heading", level=1)).to_have_text("Sign in to Customer Segments")


def test_a_partner_tries_a_call_in_the_documentation(browser: Browser, service: Server) -> None:
    with visiting(browser, service.address, ADMIN) as boss:
        page = boss.go("/tokens")
        page.get_by_label("Name").fill("tries-it-out")
        page.get_by_role("checkbox", name="read segments").check()
        page.get_by_role("button", name="Make the token").click()
        secret = page.locator(".secret code").first.inner_text()
        page = boss.go("/api/docs")
        page.get_by_role("button", name="Authorize", exact=True).first.click()
        page.locator(".auth-container input").fill(secret)
        page.locator(".auth-container").get_by_role("button", name="Apply credentials").click()
        page.get_by_role("button", name="Close").last.click()
        page.locator("#operations-Segments-listSegments .opblock-summary-control").click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        answer = page.locator(".live-responses-table .response").first
        expect(answer).to_contain_text("200")
        expect(answer).to_contain_text("membership")
