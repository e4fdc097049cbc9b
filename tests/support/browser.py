"""Chromium and the running service, for tests that do what an operator does in a browser."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import flask_migrate
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, StorageState

from app import create_app, demo_data
from app.access.operators import create_operator
from app.core.database import db
from bench.servers.gunicorn import Server, serving
from tests.support.html_client import PASSWORD
from tests.support.long_content import add_long_content

ADMIN, EDITOR, OTHER = "admin@example.com", "ana.editor@example.com", "luis.editor@example.com"
VIEWER = "viewer@example.com"
OPERATORS = {ADMIN: "admin", EDITOR: "editor", OTHER: "editor", VIEWER: "viewer"}

DESKTOP = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
PHONE = {"width": 390, "height": 844}
BROWSER_MODES = {"mouse": {}, "without JavaScript": {"java_script_enabled": False}, "phone": {"viewport": PHONE}}


@contextmanager
def shop(folder: Path, customers: int, *, long_content: bool = False, **settings: str) -> Iterator[Server]:
    """Run the service with that many demo customers and an operator of every role."""
    environ = {
        "DATABASE_URL": f"sqlite:///{folder / 'shop.db'}",
        "SECRET_KEY": "only-for-tests-0123456789",
        "WEB_CONCURRENCY": "1",
        "WEBHOOK_ALLOWED_HOSTS": "127.0.0.1:9",  # no server listens there
        **settings,
    }
    app = create_app({**environ, "LOG_FORMAT": "json"})
    with app.app_context():
        flask_migrate.upgrade()
        if customers:
            demo_data.fill_demo(customers, lambda filled: None)
        if long_content:
            add_long_content()
        for email, role in OPERATORS.items():
            create_operator(email, role, PASSWORD)
        db.session.remove()
        db.engine.dispose()
    with serving(environ, folder / "log") as server:
        yield server


@dataclass
class BrowserSession:
    """A browser window on the service. `errors` collects console errors and requests to other hosts."""

    context: BrowserContext
    page: Page
    address: str
    errors: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def __post_init__(self) -> None:
        self.page.on("console", self._collect_message)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._collect_foreign_request)

    def _collect_message(self, message: ConsoleMessage) -> None:
        is_error_status = "Failed to load resource" in message.text  # tests open pages that answer 404 or 422
        if message.type in ("error", "warning") and not is_error_status:
            self.errors.append(message.text)

    def _collect_foreign_request(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:")):
            self.errors.append(f"request to another host: {request.url}")


_storage_states: dict[tuple[str, str], StorageState] = {}
"""The cookies of operators who have signed in, by address and e-mail, so that each signs in once."""


def open_session(browser: Browser, address: str, email: str = "", **options: object) -> BrowserSession:
    """Open a window with cookies of its own, signed in if `email` is not empty."""
    if email and (address, email) not in _storage_states:
        session = open_session(browser, address)
        sign_in(session.go("/sign-in"), email)
        _storage_states[address, email] = session.context.storage_state()
        session.context.close()
    options = {**DESKTOP, "storage_state": _storage_states.get((address, email)), **options}
    context = browser.new_context(**options)  # type: ignore[arg-type]
    context.set_default_timeout(60_000)  # on a busy machine; nothing waits longer than it must
    return BrowserSession(context, context.new_page(), address)


@contextmanager
def browser_session(browser: Browser, address: str, email: str = "", **options: object) -> Iterator[BrowserSession]:
    """Open a window, and check at the end that the browser reported no error."""
    session = open_session(browser, address, email, **options)
    yield session
    assert session.errors == []
    session.context.close()


def sign_in(page: Page, email: str) -> None:
    """Sign in by password, in whatever language the page has."""
    page.locator("#email").fill(email)
    page.locator("#password").fill(PASSWORD)
    page.locator("main form:has(#password) button[type=submit]").locator("visible=true").last.click()
    page.locator(".site-header").wait_for()


def add_authenticator(session: BrowserSession) -> None:
    """Give the browser a virtual device that holds passkeys and is always unlocked."""
    devtools = session.context.new_cdp_session(session.page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def sign_out(page: Page) -> None:
    open_menu(page, "Account")
    page.get_by_role("button", name="Sign out").locator("visible=true").click()


def open_menu(page: Page, name: str) -> None:
    """Open a menu of the header. On a narrow screen, all menus are one."""
    header = page.locator(".site-header")
    menu = header.get_by_text(name, exact=True).and_(header.locator("summary"))
    (menu if menu.is_visible() else header.get_by_text("Menu", exact=True)).click()


def await_true(page: Page, expression: str) -> None:
    """Wait up to a minute until the JavaScript expression is true on the page.

    Playwright's `wait_for_function` cannot: it evaluates a string again and again, which the pages' policy forbids.
    """
    deadline = time.monotonic() + 60
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"not true within a minute: {expression}"
        page.wait_for_timeout(20)
