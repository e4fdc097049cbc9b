"""Take screenshots of every page: `python -m tests.support.screenshots FOLDER`; with `--docs`, those of docs/."""

import argparse
import json
import re
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from bench.servers.chromium import chromium
from bench.servers.gunicorn import Server
from tests.support.browser import ADMIN, EDITOR, BrowserSession, open_session, shop
from tests.support.page_tour import page_tour
from tests.support.page_tour.pages import LUCIA

DOCS_SCREENSHOTS = (
    ("overview", "/", 1280, "light"),
    ("customers", "/customers", 1280, "dark"),
    ("customer", LUCIA, 1280, "light"),
    ("customer", LUCIA, 390, "dark"),
)
RECORD = "screenshots.json"
"""What the pictures of docs/ show, see `describe_page`."""

PARTS = ("body", ".site-header", ".site-header a", "h1", "h2", ".card-plain", "th", "td", ".btn", ".form-control")
STYLES = """parts => Object.fromEntries(parts.map(part => [part, document.querySelector(part)])
    .filter(([, element]) => element)
    .map(([part, element]) => {
        const style = getComputedStyle(element);
        const names = ["color", "background-color", "border-top-color", "border-radius", "font-size", "font-weight"];
        return [part, names.map(name => style.getPropertyValue(name)).join(" ")];
    }))"""

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
            record = take_docs_screenshots(browser, server, options.folder)
            text = json.dumps(record, indent=1, ensure_ascii=False, sort_keys=True)
            (options.folder / RECORD).write_text(text + "\n")
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


def take_docs_screenshots(browser: Browser, server: Server, folder: Path | None) -> dict[str, Any]:
    """Save the pictures of docs/, unless there is no folder; return what each shows."""
    record: dict[str, Any] = {}
    save_a_change(browser, server)
    for name, path, width, scheme in DOCS_SCREENSHOTS:
        size = {"width": width, "height": 900}
        session = open_session(browser, server.address, ADMIN, viewport=size, color_scheme=scheme)
        session.go(path).wait_for_load_state("networkidle")
        picture = f"{name}-{width}-{scheme}"
        record[picture] = describe_page(session.page)
        if folder:
            session.page.screenshot(path=folder / f"{picture}.png")
        session.context.close()
    return record


def describe_page(page: Page) -> dict[str, Any]:
    """Return what a picture of the page shows, wherever and whenever it is taken: its labels, and how its parts look.

    No data, because the demo's depends on the day, and no sizes, because fonts differ.
    """
    texts = page.locator("h1, h2, th, label, legend, dt, button, summary, nav a").all_text_contents()
    labels = {re.sub("[0-9]+", "0", " ".join(text.split())) for text in texts}
    return {"labels": sorted(filter(None, labels)), "styles": page.evaluate(STYLES, PARTS)}


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
