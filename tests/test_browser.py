"""What operators do, in a real Chromium: by mouse, by keyboard alone, without JavaScript, on a phone, two at a time."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import ADMIN, EDITOR, OTHER, Visit, shop, visit
from tests.gunicorn import Server

LUCIA, ANOTHER = "1232-2323", "1969-1110"


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with shop(tmp_path_factory.mktemp("shop"), customers=400) as server:
        yield server


@pytest.fixture(params=["mouse", "without JavaScript", "phone"])
def at(browser: Browser, service: Server, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """An editor at work, in one of three ways."""
    ways = {"without JavaScript": {"java_script_enabled": False}, "phone": {"viewport": {"width": 390, "height": 800}}}
    yield from editor_at_work(browser, service, **ways.get(request.param, {}))


@pytest.fixture
def desk(browser: Browser, service: Server) -> Iterator[Visit]:
    """An editor at her desk."""
    yield from editor_at_work(browser, service)


def editor_at_work(browser: Browser, service: Server, **options: object) -> Iterator[Visit]:
    at = visit(browser, service.address, EDITOR, **options)
    yield at
    assert at.wrong == []
    at.context.close()


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


def add(page: Page, type_: str, value: str) -> None:
    page.get_by_role("button", name="Add a segment").click()
    page.get_by_label(re.compile("^Type of segment")).last.fill(type_)
    page.get_by_label(re.compile("^Value of segment")).last.fill(value)


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
    other = visit(browser, service.address, OTHER)
    theirs = other.go(f"/customers/{ANOTHER}")
    add(theirs, "membership", "GOLD")
    save(theirs)
    expect(theirs.get_by_text("Saved.")).to_be_visible()
    other.context.close()
    save(mine)
    expect(mine.get_by_role("heading", level=1)).to_have_text("Somebody was faster")
    expect(mine.get_by_text(f"operator {OTHER}")).to_be_visible()
    mine.get_by_role("button", name="Edit mine first").click()
    expect_values(mine, "WINE")
    add(mine, "membership", "GOLD")
    save(mine)
    expect_values(mine, "WINE", "GOLD")


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


def tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Press Tab until the control with this name has the focus, which must be visible wherever it is."""
    for _ in range(60):
        page.keyboard.press(key)
        focused = page.evaluate(
            """() => {
                const at = document.activeElement, style = getComputedStyle(at);
                const ring = style.outlineStyle !== "none" || style.boxShadow !== "none";
                const label = at.labels?.[0]?.textContent || at.textContent;
                return [at.getAttribute("aria-label") || label.trim(), ring || at === document.body];
            }"""
        )
        assert focused[1], f"the focus cannot be seen on {focused[0]!r}"
        if focused[0] == name:
            return
    raise AssertionError(f"Tab never came to {name!r}")


def test_give_a_partner_a_token(browser: Browser, service: Server) -> None:
    at = visit(browser, service.address, ADMIN, permissions=["clipboard-read", "clipboard-write"])
    page = at.go("/tokens")
    page.get_by_label("Name").fill("crm-partner")
    page.get_by_role("button", name="Make the token").click()
    secret = page.locator(".secret code").first.inner_text()
    page.get_by_role("button", name="Copy the token").click()
    expect(page.get_by_text("Copied the token")).to_be_attached()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    page.get_by_role("link", name="Back to the tokens").click()
    page.get_by_role("link", name="Revoke crm-partner").click()
    page.get_by_role("button", name="Revoke crm-partner").click()
    expect(page.get_by_text("opens nothing any more")).to_be_visible()
    assert at.wrong == []
    at.context.close()


def test_invite_an_operator(browser: Browser, service: Server) -> None:
    at = visit(browser, service.address, ADMIN)
    page = at.go("/operators")
    page.get_by_label("E-mail").fill("new@example.com")
    page.get_by_role("button", name="Invite").click()
    link = page.locator(".secret code").inner_text()
    new = visit(browser, service.address)
    opened = new.go(link.removeprefix(service.address))
    opened.get_by_label("New password").fill("my own password")
    opened.get_by_role("button", name="Set the password and sign in").click()
    expect(opened.get_by_role("heading", level=1)).to_have_text("Overview")
    assert at.wrong == new.wrong == []
    at.context.close()
    new.context.close()


def test_a_partner_tries_a_call_in_the_documentation(browser: Browser, service: Server) -> None:
    at = visit(browser, service.address, ADMIN)
    page = at.go("/tokens")
    page.get_by_label("Name").fill("tries-it-out")
    page.get_by_role("checkbox", name="read segments").check()
    page.get_by_role("button", name="Make the token").click()
    secret = page.locator(".secret code").first.inner_text()
    page = at.go("/api/docs")
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
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_class("dark-mode")
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert at.wrong == []
    at.context.close()
