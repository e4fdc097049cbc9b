"""Signing in, a session that ends, and what a viewer may not do."""

from collections.abc import Iterator

from bench.servers.gunicorn import Server
from tests.support.browser import EDITOR, PASSWORD, BrowserSession, sign_in
from tests.support.page_tour.controls import button, press, submit
from tests.support.page_tour.customer import add_row
from tests.support.page_tour.pages import LUCIA, PageState
from tests.support.page_tour.shop_database import end_last_session


def refused_sign_in(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/sign-in")
    yield "sign_in", session
    page.locator("#email").fill("nobody@example.com")
    page.locator("#password").fill("wrong")
    submit(page, "main form:has(#password)")
    yield "sign_in refused", session


def ended_session(session: BrowserSession, server: Server) -> Iterator[PageState]:
    """Save a customer after the session has ended, and sign in again."""
    body = "export function continueEditing() {}"  # the page that this script leaves at once is to be seen
    session.page.route("**/kept-form.js*", lambda route: route.fulfill(body=body, content_type="text/javascript"))
    sign_in(session.go("/sign-in"), EDITOR)
    page = session.go(LUCIA)
    add_row(page, "interest", "WINE")
    end_last_session(server)
    press(page, button(page, "save"))
    yield "sign_in that keeps edits", session
    page.locator("#email").fill(EDITOR)
    page.locator("#password").fill(PASSWORD)
    submit(page, "main form:has(#password)")
    yield "continue_editing", session
    submit(page, "main form:has([name=kept_form])")
    yield "customer with edits that were kept", session


def viewer(session: BrowserSession, full: bool) -> Iterator[PageState]:
    session.go("/tokens")
    yield "error 403", session
    pages = {"imports": "/imports", **({"customer": LUCIA, "customers": "/customers"} if full else {})}
    for name, path in pages.items():
        session.go(path)
        yield f"{name} for a viewer", session
