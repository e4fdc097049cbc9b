"""Signing in with a second factor, with a passkey and with single sign-on, in a real Chromium."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from app.core.database import now
from bench.servers.gunicorn import Server
from tests.support.browser import (
    PASSWORD,
    VIEWER,
    BrowserSession,
    add_authenticator,
    browser_session,
    shop,
    sign_in,
    sign_out,
)
from tests.support.oidc_provider import Provider, running_provider
from tests.support.page_tour.shop_database import end_last_session


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def shop_with_provider(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"OIDC_ISSUER": provider.issuer, "OIDC_CLIENT_ID": "shop", "OIDC_CLIENT_SECRET": "secret"}
    with shop(tmp_path_factory.mktemp("identity"), 0, **settings, OIDC_ROLE_CLAIM="segments_role") as server:
        yield server


@pytest.fixture
def visitor(browser: Browser, shop_with_provider: Server) -> Iterator[BrowserSession]:
    """A browser at `localhost`: an IP address is no relying party of WebAuthn."""
    with browser_session(browser, shop_with_provider.address.replace("127.0.0.1", "localhost")) as visitor:
        yield visitor


def expect_overview(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_password_and_code(visitor: BrowserSession) -> None:
    page = visitor.go("/sign-in")
    sign_in(page, VIEWER)
    visitor.go("/account")
    page.get_by_role("link", name="Manage second factor").click()
    page.get_by_role("button", name="Set up authenticator app").click()
    qr = page.get_by_role("img", name="QR code")
    assert qr.evaluate("image => image.naturalWidth") > 100
    totp = pyotp.TOTP(page.locator(".secret code").inner_text())
    page.get_by_label("Code").fill(totp.at(now() - timedelta(seconds=30)))
    page.get_by_role("button", name="Turn on").click()
    recovery_code = page.locator(".secret code").inner_text().split()[0]
    page.get_by_role("link", name="Done").click()
    sign_out(page)
    for code in (totp.at(now()), recovery_code):
        page.get_by_label("Email").fill(VIEWER)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("Code").fill(code)
        page.get_by_role("button", name="Continue").click()
        expect_overview(page)
        sign_out(page)


def test_passkey(visitor: BrowserSession) -> None:
    page = visitor.page
    add_authenticator(visitor)
    sign_in(visitor.go("/sign-in"), "ana.editor@example.com")
    visitor.go("/account/second-factor")
    page.get_by_label("Name").fill("Work laptop")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_text("Passkey added.")).to_be_visible()
    expect(page.get_by_text("Work laptop", exact=True)).to_be_visible()
    sign_out(page)
    visitor.go("/customers")
    page.get_by_role("button", name="Use a passkey").click()
    page.locator(".site-header").wait_for()
    expect(page).to_have_url(re.compile("[0-9]/customers$"))
    visitor.go("/account/second-factor")
    expect(page.get_by_text("last used just now")).to_be_visible()
    page.get_by_role("button", name="Remove Work laptop").click()
    expect(page.get_by_text("Passkey removed.")).to_be_visible()
    sign_out(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_have_text("This passkey is not known here.")


def use_single_sign_on(page: Page, subject: str) -> None:
    page.get_by_role("link", name="Use single sign-on").click()
    page.get_by_placeholder("sub").fill(subject)
    page.get_by_role("button", name="Authorize").click()


def test_single_sign_on(visitor: BrowserSession, provider: Provider) -> None:
    provider.add_user("browser", "maria@example.com", segments_role="editor")
    page = visitor.go("/sign-in")
    use_single_sign_on(page, "browser")
    expect_overview(page)
    expect(page.locator("footer")).to_contain_text("maria@example.com (Editor)")
    visitor.errors.clear()  # the provider's own page


def test_edits_are_there_after_single_sign_on(
    visitor: BrowserSession, provider: Provider, shop_with_provider: Server
) -> None:
    provider.add_user("browser", "maria@example.com", segments_role="editor")
    page = visitor.go("/sign-in")
    use_single_sign_on(page, "browser")
    expect_overview(page)
    visitor.go("/customer-new")
    page.get_by_label("ID", exact=True).fill("N-1")
    page.get_by_label("Name").fill("Ana Díaz")
    end_last_session(shop_with_provider)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Your edits are kept")).to_be_visible()
    expect(page.get_by_text("Opens in a new tab.")).to_be_hidden()
    use_single_sign_on(page, "browser")
    expect(page.get_by_text("Your edits are here, but not saved yet.")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("Ana Díaz")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Ana Díaz")
    visitor.errors.clear()  # the provider's own page
