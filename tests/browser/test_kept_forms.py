"""A session that ends while somebody edits, in a real Chromium."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from bench.servers.gunicorn import Server
from tests.support.browser import EDITOR, PASSWORD, add_authenticator, browser_session, shop, sign_in
from tests.support.editor_page import LUCIA, add, save
from tests.support.page_tour.shop_database import end_last_session


def test_edits_are_there_after_the_next_sign_in(browser: Browser, service: Server) -> None:
    with browser_session(browser, service.address) as session:
        sign_in(session.go("/sign-in"), EDITOR)
        page = session.go(f"/customers/{LUCIA}")
        add(page, "note", "CALL BACK")
        end_last_session(service)
        save(page)
        expect(page.get_by_text("Your edits are kept")).to_be_visible()
        page.get_by_label("Email").fill(EDITOR)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page).to_have_url(f"{service.address}/customers/{LUCIA}")
        expect(page.get_by_text("Unsaved changes: 1 added")).to_be_visible()
        expect(page.get_by_label("value").last).to_have_value("CALL BACK")
        page.get_by_role("link", name="Discard").click()


def test_edits_are_there_after_a_sign_in_with_a_passkey(browser: Browser, tmp_path: Path) -> None:
    with (
        shop(tmp_path, customers=2) as server,
        browser_session(browser, server.address.replace("127.0.0.1", "localhost")) as session,
    ):
        add_authenticator(session)
        sign_in(session.go("/sign-in"), EDITOR)
        page = session.go("/account/second-factor")
        page.get_by_label("Name").fill("Work laptop")
        page.get_by_role("button", name="Add passkey").click()
        page.get_by_text("Passkey added.").wait_for()
        session.go(f"/customers/{LUCIA}")
        add(page, "note", "CALL BACK")
        end_last_session(server)
        save(page)
        expect(page.get_by_text("Your edits are kept")).to_be_visible()
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_text("Unsaved changes: 1 added")).to_be_visible()
        expect(page.get_by_label("value").last).to_have_value("CALL BACK")
        page.get_by_role("link", name="Discard").click()
