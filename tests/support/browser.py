"""A real Chromium, and the service as it is run, for tests that do what an operator does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import flask_migrate
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, StorageState, sync_playwright

from app import create_app, demo_data
from app.access.operators import create_operator
from app.core.database import db
from tests.support.gunicorn import Server, serving
from tests.support.html_client import PASSWORD

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

ADMIN, EDITOR, OTHER = "admin@example.com", "ana.editor@example.com", "luis.editor@example.com"
VIEWER = "viewer@example.com"
OPERATORS = {ADMIN: "admin", EDITOR: "editor", OTHER: "editor", VIEWER: "viewer"}


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def shop(folder: Path, customers: int) -> Iterator[Server]:
    """The service with that many invented customers (or none), and operators of every role."""
    environ = {
        "DATABASE_URL": f"sqlite:///{folder / 'shop.db'}",
        "SECRET_KEY": "only-for-tests-0123456789",
        "WEB_CONCURRENCY": "1",
    }
    environ["WEBHOOK_ALLOWED_HOSTS"] = "127.0.0.1:9"  # where nobody is
    app = create_app({**environ, "LOG_FORMAT": "json"})
    with app.app_context():
        flask_migrate.upgrade()
        if customers:
            demo_data.fill_demo(customers, lambda filled: None)
        for email, role in OPERATORS.items():
            create_operator(email, role, PASSWORD)
        db.session.remove()
        db.engine.dispose()
    with serving(environ, folder / "log") as server:
        yield server


@dataclass
class BrowserSession:
    """An operator at her browser. What goes wrong in it is kept, to be asked for."""

    context: BrowserContext
    page: Page
    address: str
    wrong: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        self.page.goto(self.address + path)
        return self.page

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        refused = "Failed to load resource" in message.text  # the status of a page that is refused on purpose
        if message.type in ("error", "warning") and not refused:
            self.wrong.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:")):
            self.wrong.append(f"loaded from elsewhere: {request.url}")


DESK = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
PHONE = {"width": 390, "height": 844}
BROWSER_MODES = {"mouse": {}, "without JavaScript": {"java_script_enabled": False}, "phone": {"viewport": PHONE}}

_signed_in: dict[tuple[str, str], StorageState] = {}
"""The cookies of those who have signed in, by address and e-mail: once is enough."""


def visit(browser: Browser, address: str, email: str = "", **options: object) -> BrowserSession:
    """A browser window of its own; signed in, if there is an e-mail."""
    if email and (address, email) not in _signed_in:
        at = visit(browser, address)
        sign_in(at.go("/sign-in"), email)
        _signed_in[address, email] = at.context.storage_state()
        at.context.close()
    options = {**DESK, "storage_state": _signed_in.get((address, email)), **options}
    context = browser.new_context(**options)  # type: ignore[arg-type]
    context.set_default_timeout(15_000)
    return BrowserSession(context, context.new_page(), address)


@contextmanager
def visiting(browser: Browser, address: str, email: str = "", **options: object) -> Iterator[BrowserSession]:
    """A visit in which nothing may go wrong."""
    at = visit(browser, address, email, **options)
    yield at
    assert at.wrong == []
    at.context.close()


def sign_in(page: Page, email: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.locator(".site-header").wait_for()


def sign_out(page: Page) -> None:
    open_menu(page, "Account")
    page.get_by_role("button", name="Sign out").locator("visible=true").click()


def open_menu(page: Page, name: str) -> None:
    """Open a menu of the header. On a narrow screen, all menus are one."""
    header = page.locator(".site-header")
    menu = header.get_by_text(name, exact=True).and_(header.locator("summary"))
    (menu if menu.is_visible() else header.get_by_text("Menu", exact=True)).click()
