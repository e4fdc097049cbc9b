"""An admin creates tokens and invites operators, in Chromium."""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from bench.servers.gunicorn import Server
from tests.support.browser import ADMIN, BROWSER_MODES, BrowserSession, browser_session


@pytest.fixture(params=BROWSER_MODES)
def admin_session(browser: Browser, service: Server, request: pytest.FixtureRequest) -> Iterator[BrowserSession]:
    """An admin by mouse, without JavaScript, and on a phone."""
    with browser_session(browser, service.address, ADMIN, **BROWSER_MODES[request.param]) as admin_session:
        yield admin_session


def test_created_token_opens_the_api_until_it_is_revoked(admin_session: BrowserSession) -> None:
    page, name = admin_session.go("/tokens"), f"crm-{uuid4().hex}"
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create token").click()
    secret = page.locator(".secret code").first.inner_text()
    expect(page.locator(".secret pre")).to_contain_text(f"Bearer {secret}")
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_text("No requests yet")).to_be_visible()
    page.get_by_role("link", name="Revoke token").click()
    page.get_by_role("button", name="Revoke token").click()
    expect(page.get_by_text(" revoked.").first).to_be_visible()
    assert (
        admin_session.context.request.get(admin_session.address + "/api/v3/segments", headers=bearer(secret)).status
        == 401
    )


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_copy_buttons_copy_token_and_command(browser: Browser, service: Server) -> None:
    clipboard = ["clipboard-read", "clipboard-write"]
    with browser_session(browser, service.address, ADMIN, permissions=clipboard) as admin_session:
        page = admin_session.go("/tokens")
        page.get_by_label("Name").fill("to-be-copied")
        page.get_by_role("button", name="Create token").click()
        secret = page.locator(".secret code").first.inner_text()
        page.get_by_role("button", name="Copy token").click()
        expect(page.get_by_text("Copied to the clipboard")).to_be_attached()
        assert page.evaluate("navigator.clipboard.readText()") == secret
        page.get_by_role("button", name="Copy command").click()
        expect(page.get_by_text("Copied to the clipboard")).to_be_attached()
        assert secret in page.evaluate("navigator.clipboard.readText()")


def test_invited_operator_signs_in_until_deactivated(
    admin_session: BrowserSession, browser: Browser, service: Server
) -> None:
    page, email = admin_session.go("/operators"), f"{uuid4().hex}@example.com"
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Invite").click()
    link = page.locator(".secret code").inner_text()
    with browser_session(browser, service.address) as new:
        opened = new.go(link.removeprefix(service.address))
        opened.get_by_label("New password").fill("my own password")
        opened.get_by_role("button", name="Set password and sign in").click()
        expect(opened.get_by_role("heading", level=1)).to_have_text("Overview")
        page = admin_session.go("/operators")
        page.get_by_role("button", name=f"Deactivate: {email}").click()
        expect(page.get_by_text("deactivated and signed out")).to_be_visible()
        expect(new.go("/").get_by_role("heading", level=1)).to_have_text("Sign in to Customer Segments")


def test_api_documentation_sends_a_request_with_the_token(browser: Browser, service: Server) -> None:
    with browser_session(browser, service.address, ADMIN) as admin_session:
        page = admin_session.go("/tokens")
        page.get_by_label("Name").fill("tries-it-out")
        page.get_by_role("checkbox", name="Read segments").check()
        page.get_by_role("button", name="Create token").click()
        secret = page.locator(".secret code").first.inner_text()
        page = admin_session.go("/api/docs")
        page.get_by_role("button", name="Authorize", exact=True).first.click()
        page.locator(".auth-container input").fill(secret)
        page.locator(".auth-container").get_by_role("button", name="Apply credentials").click()
        page.get_by_role("button", name="Close").last.click()
        page.locator("#operations-Segments-listSegments .opblock-summary-control").click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        response = page.locator(".live-responses-table .response").first
        expect(response).to_contain_text("200")
        expect(response).to_contain_text("membership")
        page.emulate_media(color_scheme="dark")
        expect(page.locator("html")).to_have_class("dark-mode")
        page.set_viewport_size({"width": 390, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_error_summary_has_the_focus_and_links_to_the_field(browser: Browser, service: Server) -> None:
    with browser_session(browser, service.address, ADMIN) as session:
        page = session.go("/tokens")
        page.get_by_role("button", name="Create token").click()
        summary = page.get_by_role("alert")
        expect(summary).to_be_focused()
        expect(page).to_have_title(re.compile("^Error: "))
        summary.get_by_role("link").first.click()
        expect(page.get_by_label("Name", exact=True)).to_be_focused()
