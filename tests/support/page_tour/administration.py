"""Operators with a second factor, API tokens and webhooks."""

from collections.abc import Iterator
from datetime import timedelta

import pyotp
from playwright.sync_api import Page

from app.core.database import now
from tests.support.browser import PASSWORD, BrowserSession
from tests.support.long_content import UNBREAKABLE
from tests.support.page_tour.controls import follow, press, submit
from tests.support.page_tour.pages import PageState


def operators(admin: BrowserSession, visitor: BrowserSession) -> Iterator[PageState]:
    page = admin.go("/operators")
    submit(page, "main form:has(#email)")
    yield "operators with an error", admin
    page.locator("#email").fill("new@example.com")
    submit(page, "main form:has(#email)")
    yield "invitation_link", admin
    visitor.go(page.locator(".secret code").inner_text().removeprefix(admin.address))
    yield "accept_invitation", visitor
    yield from _second_factor(visitor)
    page = admin.go("/operators")
    row = page.locator(".operator", has_text="new@example.com")
    press(page, row.locator("form[action$=deactivate] button"))
    yield "operators with a deactivated one", admin


def _second_factor(visitor: BrowserSession) -> Iterator[PageState]:
    """Set up an authenticator app for the invited operator, and sign in with it."""
    page = visitor.page
    page.locator("#password").fill(PASSWORD)
    submit(page)
    visitor.go("/account/second-factor")
    submit(page, "main form[action$='/app']")
    yield "authenticator_app", visitor
    totp = pyotp.TOTP(page.locator(".secret code").inner_text())
    page.locator("#code").fill(totp.at(now() - timedelta(seconds=30)))
    submit(page)
    yield "recovery_codes", visitor
    visitor.go("/account/second-factor")
    yield "second_factor with an app", visitor
    visitor.context.clear_cookies()
    visitor.go("/sign-in")
    page.locator("#email").fill("new@example.com")
    page.locator("#password").fill(PASSWORD)
    submit(page, "main form:has(#password)")
    yield "sign_in_code", visitor


def tokens(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/tokens")
    submit(page, "main form:has(#name)")
    yield "tokens with an error", session
    name = f"crm-{UNBREAKABLE}"[:100]
    page.locator("#name").fill(name)
    submit(page, "main form:has(#name)")
    yield "token_created", session
    _send_requests(session, page.locator(".secret code").first.inner_text())
    session.go("/tokens")
    yield "tokens with one", session
    press(page, page.get_by_role("link", name=name, exact=True).first)
    _await_text(page, "VALIDATION_ERROR")
    yield "token", session
    path = page.url.removeprefix(session.address)
    for action in ("rotate", "revoke"):
        session.go(f"{path}/{action}")
        yield "secret_rotate of a token" if action == "rotate" else "token_revoke", session
    submit(page)
    yield "tokens with a revoked one", session


def _send_requests(session: BrowserSession, token: str) -> None:
    for body in ({"customers": [{"document_id": 1}]}, {"customers": [{"document_id": "nobody", "segments": []}]}):
        headers = {"Authorization": f"Bearer {token}"}
        session.context.request.post(session.address + "/api/v3/customers/segments", data=body, headers=headers)


def _await_text(page: Page, text: str) -> None:
    """Reload until the page shows `text`: the log of requests is written in the background."""
    for _ in range(60):
        if page.get_by_text(text).first.is_visible():
            return
        page.wait_for_timeout(250)
        page.reload()
    raise AssertionError(f"{text!r} does not appear on {page.url}")


def webhooks(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/webhooks")
    submit(page, "main form:has(#url)")
    yield "webhooks with an error", session
    page.locator("#url").fill(f"http://127.0.0.1:9/{UNBREAKABLE}")
    submit(page, "main form:has(#url)")
    yield "webhook_secret", session
    follow(page, "/webhooks/")
    yield "webhook", session
    path = page.url.removeprefix(session.address)
    submit(page, f"form[action='{path}/test']")
    yield "webhook with a test event", session
    session.go(f"{path}/edit")
    yield "webhook_edit", session
    for action in ("rotate", "delete"):
        session.go(f"{path}/{action}")
        yield "secret_rotate of a webhook" if action == "rotate" else "webhook_delete", session
    session.go("/webhooks")
    yield "webhooks with one", session
