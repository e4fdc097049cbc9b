"""What admins do, and those to whom they give access, in a real Chromium."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import ADMIN, BROWSER_MODES, BrowserSession, visiting
from tests.support.gunicorn import Server


@pytest.fixture(params=BROWSER_MODES)
def boss(browser: Browser, service: Server, request: pytest.FixtureRequest) -> Iterator[BrowserSession]:
    """An admin at work, in one of three ways."""
    with visiting(browser, service.address, ADMIN, **BROWSER_MODES[request.param]) as boss:
        yield boss


def test_give_a_partner_a_token(boss: BrowserSession) -> None:
    page, name = boss.go("/tokens"), f"crm-{uuid4().hex}"
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create token").click()
    secret = page.locator(".secret code").first.inner_text()
    expect(page.locator(".secret pre")).to_contain_text(f"Bearer {secret}")
    page.get_by_role("link", name="Done").click()
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_text("No requests yet")).to_be_visible()
    page.get_by_role("link", name="Revoke token").click()
    page.get_by_role("button", name=f"Revoke {name}").click()
    expect(page.get_by_text(" revoked.").first).to_be_visible()
    assert boss.context.request.get(boss.address + "/api/v3/segments", headers=bearer(secret)).status == 401


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_a_token_is_copied(browser: Browser, service: Server) -> None:
    clipboard = ["clipboard-read", "clipboard-write"]
    with visiting(browser, service.address, ADMIN, permissions=clipboard) as boss:
        page = boss.go("/tokens")
        page.get_by_label("Name").fill("to-be-copied")
        page.get_by_role("button", name="Create token").click()
        secret = page.locator(".secret code").first.inner_text()
        page.get_by_role("button", name="Copy token").click()
        expect(page.get_by_text("Token copied")).to_be_attached()
        assert page.evaluate("navigator.clipboard.readText()") == secret
        page.get_by_role("button", name="Copy command").click()
        expect(page.get_by_text("Command copied")).to_be_attached()
        assert secret in page.evaluate("navigator.clipboard.readText()")


def test_invite_an_operator(boss: BrowserSession, browser: Browser, service: Server) -> None:
    page, email = boss.go("/operators"), f"{uuid4().hex}@example.com"
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Invite").click()
    link = page.locator(".secret code").inner_text()
    with visiting(browser, service.address) as new:
        opened = new.go(link.removeprefix(service.address))
        opened.get_by_label("New password").fill("my own password")
        opened.get_by_role("button", name="Set password and sign in").click()
        expect(opened.get_by_role("heading", level=1)).to_have_text("Overview")
        page = boss.go("/operators")
        page.get_by_role("button", name=f"Deactivate: {email}").click()
        expect(page.get_by_text("deactivated and signed out")).to_be_visible()
        expect(new.go("/").get_by_role("heading", level=1)).to_have_text("Sign in to Customer Segments")


def test_a_partner_tries_a_call_in_the_documentation(browser: Browser, service: Server) -> None:
    with visiting(browser, service.address, ADMIN) as boss:
        page = boss.go("/tokens")
        page.get_by_label("Name").fill("tries-it-out")
        page.get_by_role("checkbox", name="Read segments").check()
        page.get_by_role("button", name="Create token").click()
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
        page.emulate_media(color_scheme="dark")
        expect(page.locator("html")).to_have_class("dark-mode")
        page.set_viewport_size({"width": 390, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == 390
