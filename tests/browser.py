"""A real Chromium, and the service as it is run, for tests that do what an operator does."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.gunicorn import ROOT, Server, clean, serving
from tests.pages import PASSWORD

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
OPERATORS = {ADMIN: "admin", EDITOR: "editor", OTHER: "editor", "viewer@example.com": "viewer"}


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def shop(folder: Path, customers: int) -> Iterator[Server]:
    """The service with that many invented customers (or none), and operators of every role."""
    environ = {"DATABASE_URL": f"sqlite:///{folder / 'shop.db'}", "SECRET_KEY": "test", "WEB_CONCURRENCY": "1"}
    environ["WEBHOOK_ALLOWED_HOSTS"] = "127.0.0.1:9"  # where nobody is

    def flask(*args: str, stdin: str = "") -> None:
        command = [sys.executable, "-m", "flask", *args]
        subprocess.run(command, cwd=ROOT, env={**clean(), **environ}, input=stdin, text=True, check=True)

    flask("db", "upgrade")
    if customers:
        flask("demo", "--customers", str(customers))
    for email, role in OPERATORS.items():
        flask("operators", "create", email, "--role", role, "--password-stdin", stdin=PASSWORD)
    with serving(environ, folder / "log") as server:
        yield server


@dataclass
class Visit:
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


def visit(browser: Browser, address: str, email: str = "", **options: object) -> Visit:
    """A browser window of its own; signed in, if there is an e-mail."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})  # type: ignore[arg-type]
    context.set_default_timeout(15_000)
    at = Visit(context, context.new_page(), address)
    if email:
        page = at.go("/sign-in")
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(address + "/")
    return at
