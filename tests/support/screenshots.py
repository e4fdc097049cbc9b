"""Pictures of every page, to look at: `python -m tests.support.screenshots FOLDER`; those in docs/ with `--docs`."""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.support.browser import ADMIN, EDITOR, BrowserSession, chromium, shop, visit
from tests.support.gunicorn import Server
from tests.support.page_tour import LUCIA, page_tour

IN_DOCS = (
    ("overview", "/", 1280, "light"),
    ("customers", "/customers", 1280, "dark"),
    ("customer", LUCIA, 1280, "light"),
    ("customer", LUCIA, 390, "dark"),
)
TALLEST = 2_400
CUSTOMERS = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.screenshots")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--docs", action="store_true", help="only the handful in docs/, as large as a screen")
    parser.add_argument("--empty", action="store_true", help="of a shop without customers")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    customers = 0 if options.empty else CUSTOMERS
    with tempfile.TemporaryDirectory() as folder, shop(Path(folder), customers) as server, chromium() as browser:
        if options.docs:
            for_docs(browser, server, options.folder)
        else:
            for n, (name, at) in enumerate(page_tour(browser, server, full=not options.empty), 1):
                shoot(at, options.folder / f"{n:02}-{name.replace(' ', '-')}")


def shoot(at: BrowserSession, target: Path) -> None:
    """Wide and narrow, light and dark."""
    for width in (1280, 390):
        at.page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            at.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            height = min(TALLEST, at.page.evaluate("document.documentElement.scrollHeight"))
            clip = {"x": 0, "y": 0, "width": width, "height": height}
            at.page.screenshot(path=f"{target}-{width}-{scheme}.png", full_page=True, clip=clip)  # type: ignore[arg-type]
    at.page.set_viewport_size({"width": 1280, "height": 900})


def for_docs(browser: Browser, server: Server, folder: Path) -> None:
    something_just_now(browser, server)
    for name, path, width, scheme in IN_DOCS:
        size = {"width": width, "height": 900}
        at = visit(browser, server.address, ADMIN, viewport=size, color_scheme=scheme)
        at.go(path).wait_for_load_state("networkidle")
        at.page.screenshot(path=folder / f"{name}-{width}-{scheme}.png")
        at.context.close()


def something_just_now(browser: Browser, server: Server) -> None:
    """An operator gives a segment."""
    at = visit(browser, server.address, EDITOR)
    page = at.go(LUCIA)
    page.get_by_role("button", name="Add a segment").click()
    page.get_by_label("Type of segment").last.fill("interest")
    page.get_by_label("Value of segment").last.fill("WINE")
    page.get_by_role("button", name="Save").locator("visible=true").last.click()
    page.get_by_text("Saved.").wait_for()
    at.context.close()


if __name__ == "__main__":
    main()
