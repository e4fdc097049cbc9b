"""Take screenshots of every page: `python -m tests.support.screenshots FOLDER`; with `--docs`, those of docs/."""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from bench.servers.chromium import chromium
from bench.servers.gunicorn import Server
from tests.support.browser import ADMIN, EDITOR, BrowserSession, open_session, shop
from tests.support.page_tour import LUCIA, page_tour

DOCS_SCREENSHOTS = (
    ("overview", "/", 1280, "light"),
    ("customers", "/customers", 1280, "dark"),
    ("customer", LUCIA, 1280, "light"),
    ("customer", LUCIA, 390, "dark"),
)
MAX_HEIGHT = 2_400
CUSTOMERS = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.screenshots")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--docs", action="store_true", help="only those of docs/, as large as a screen")
    parser.add_argument("--empty", action="store_true", help="of a shop without customers")
    parser.add_argument("--long", action="store_true", help="of a shop with very long content")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    customers = 0 if options.empty else CUSTOMERS
    with (
        tempfile.TemporaryDirectory() as folder,
        shop(Path(folder), customers, long_content=options.long) as server,
        chromium() as browser,
    ):
        if options.docs:
            take_docs_screenshots(browser, server, options.folder)
        else:
            for number, (name, session) in enumerate(page_tour(browser, server, full=not options.empty), 1):
                take_screenshots(session, options.folder / f"{number:02}-{name.replace(' ', '-')}")


def take_screenshots(session: BrowserSession, target: Path) -> None:
    """Save the page in two widths and two themes."""
    for width in (1280, 390):
        session.page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            session.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            height = min(MAX_HEIGHT, session.page.evaluate("document.documentElement.scrollHeight"))
            clip = {"x": 0, "y": 0, "width": width, "height": height}
            path = f"{target}-{width}-{scheme}.png"
            session.page.screenshot(path=path, full_page=True, clip=clip)  # type: ignore[arg-type]
    session.page.set_viewport_size({"width": 1280, "height": 900})


def take_docs_screenshots(browser: Browser, server: Server, folder: Path) -> None:
    save_a_change(browser, server)
    for name, path, width, scheme in DOCS_SCREENSHOTS:
        size = {"width": width, "height": 900}
        session = open_session(browser, server.address, ADMIN, viewport=size, color_scheme=scheme)
        session.go(path).wait_for_load_state("networkidle")
        session.page.screenshot(path=folder / f"{name}-{width}-{scheme}.png")
        session.context.close()


def save_a_change(browser: Browser, server: Server) -> None:
    """Add a segment as an operator, so that the history shows a recent change."""
    session = open_session(browser, server.address, EDITOR)
    page = session.go(LUCIA)
    page.locator("[data-add]").click()
    page.locator("main .editor-row [name=type]").last.fill("interest")
    page.locator("main .editor-row [name=value]").last.fill("WINE")
    with page.expect_navigation():
        page.locator("main button[value=save]").locator("visible=true").last.click()
    session.context.close()


if __name__ == "__main__":
    main()
