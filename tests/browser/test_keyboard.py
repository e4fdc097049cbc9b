"""The jobs of an operator by keyboard alone, with a visible focus at every step."""

import re

from playwright.sync_api import Browser, Page, expect

from bench.servers.gunicorn import Server
from tests.support.browser import ADMIN, BrowserSession, browser_session
from tests.support.editor_page import LUCIA, clear, expect_values


def test_find_and_edit_a_customer_by_keyboard(desktop: BrowserSession) -> None:
    page = clear(desktop, LUCIA)
    keys = page.keyboard
    keys.press("Control+k")
    keys.type(LUCIA)
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lucía Díaz")
    tab_to(page, "Add segment")
    for type_, value in (("membership", "SILVER"), ("interest", "TOYS")):
        keys.press("Enter")
        keys.type(type_)
        keys.press("Tab")
        keys.type(value)
        tab_to(page, "Add segment")
    tab_to(page, "Segment 2 value", "Shift+Tab")
    keys.press("Alt+ArrowUp")
    keys.press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect_values(page, "TOYS", "SILVER")
    tab_to(page, "Remove interest TOYS")
    keys.press("Enter")
    expect(page.get_by_role("button", name="Keep interest TOYS")).to_be_focused()
    tab_to(page, "Save")
    keys.press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect_values(page, "SILVER")


def test_filter_browse_and_undo_by_keyboard(desktop: BrowserSession) -> None:
    page = desktop.go("/")
    keys = page.keyboard
    tab_to(page, "Customers")
    follow(page)
    tab_to(page, "Segment")
    keys.type("membership:SILVER")
    follow(page)
    expect(page.get_by_role("link", name="Remove filter: Has segment membership:SILVER")).to_be_visible()
    tab_to(page, "Remove filter: Has segment membership:SILVER")
    follow(page)
    tab_to(page, "Segments")
    follow(page)
    tab_to(page, "SILVER")
    follow(page)
    tab_to(page, "Search in this segment")
    keys.type("gomez")
    follow(page)
    expect(page.get_by_role("cell", name=re.compile("Gómez")).first).to_be_visible()
    tab_to(page, "Changes")
    follow(page)
    tab_to(page, "User or token")
    keys.type("token crm-nightly")
    follow(page)
    tab_to(page, "#24")
    follow(page)
    tab_to(page, "Undo…")
    follow(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Undo change #24?")
    tab_to(page, "Dark")
    follow(page)
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    keys.press("Tab")
    tab_to(page, "System", "Shift+Tab")
    follow(page)


def test_create_and_revoke_a_token_by_keyboard(browser: Browser, service: Server) -> None:
    with browser_session(browser, service.address, ADMIN) as admin_session:
        page = admin_session.go("/")
        keys = page.keyboard
        tab_to(page, "Settings")
        keys.press("Enter")
        tab_to(page, "API tokens")
        follow(page)
        tab_to(page, "Name")
        keys.type("by-keyboard")
        tab_to(page, "Read segments segments:read")
        keys.press("Space")
        tab_to(page, "Create token")
        follow(page)
        secret = page.locator(".secret code").first.inner_text()
        headers = {"Authorization": f"Bearer {secret}"}
        assert (
            admin_session.context.request.get(admin_session.address + "/api/v3/segments", headers=headers).status == 200
        )
        tab_to(page, "Done")
        follow(page)
        tab_to(page, "Revoke by-keyboard")
        follow(page)
        tab_to(page, "Revoke token")
        follow(page)
        expect(page.get_by_text(" revoked.").first).to_be_visible()


def follow(page: Page) -> None:
    """Press Enter, and wait for the page to which it leads."""
    with page.expect_navigation():
        page.keyboard.press("Enter")


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
