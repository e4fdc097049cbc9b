"""Pictures of every page, to look at: `python -m tests.screenshots FOLDER`; those in docs/ with `--docs`."""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser import ADMIN, EDITOR, OTHER, Visit, chromium, shop, visit
from tests.gunicorn import Server

LUCIA = "/customers/1232-2323"
PAGES = {
    "overview": "/",
    "customers": "/customers",
    "search": "/customers?q=gomez&segment=membership:GOLD",
    "nothing-found": "/customers?q=nobody+at+all",
    "customer": LUCIA,
    "segments": "/segments",
    "segment": "/segments/membership/GOLD",
    "changes": "/changes",
    "change": "/changes/24",
    "undo": "/changes/24/undo",
    "imports": "/imports",
    "edit": "/edits/new?everybody=yes&segment=membership:GOLD",
    "look-alikes": "/look-alikes",
    "tokens": "/tokens",
    "webhooks": "/webhooks",
    "operators": "/operators",
    "account": "/account",
    "not-found": "/nowhere",
}
IN_DOCS = (
    ("overview", 1280, "light"),
    ("customers", 1280, "dark"),
    ("customer", 1280, "light"),
    ("customer", 390, "dark"),
)
LONG = ("change", "segment", "search", "changes")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--docs", action="store_true", help="only the handful in docs/, as large as a screen")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, shop(Path(folder), customers=5_000) as server, chromium() as browser:
        prepare(browser, server)
        for width in (1280, 390):
            for scheme in ("light", "dark"):
                at = window(browser, server, width, scheme)
                for name, path in PAGES.items():
                    if not options.docs or (name, width, scheme) in IN_DOCS:
                        page = at.go(path)
                        page.wait_for_load_state("networkidle")
                        target = options.folder / f"{name}-{width}-{scheme}.png"
                        page.screenshot(path=target, full_page=not (options.docs or name in LONG))
                if not options.docs:
                    conflict(browser, server, options.folder / f"conflict-{width}-{scheme}.png", width, scheme)
                at.context.close()


def window(browser: Browser, server: Server, width: int, scheme: str, email: str = ADMIN) -> Visit:
    return visit(browser, server.address, email, viewport={"width": width, "height": 900}, color_scheme=scheme)


def prepare(browser: Browser, server: Server) -> None:
    """Something that happened just now, by an operator."""
    at = window(browser, server, 1280, "light", EDITOR)
    edit(at, "interest", "WINE")
    at.context.close()


def edit(at: Visit, type_: str, value: str, *, open_page: bool = True) -> None:
    page = at.go(LUCIA) if open_page else at.page
    page.get_by_role("button", name="Add a segment").click()
    page.get_by_label("Type of segment").last.fill(type_)
    page.get_by_label("Value of segment").last.fill(value)
    page.get_by_role("button", name="Save").locator("visible=true").last.click()
    page.wait_for_load_state()


def conflict(browser: Browser, server: Server, target: Path, width: int, scheme: str) -> None:
    mine, theirs = (window(browser, server, width, scheme, email) for email in (EDITOR, OTHER))
    mine.go(LUCIA)
    edit(theirs, "store", f"{width}-{scheme}")
    edit(mine, "interest", "TOYS", open_page=False)
    mine.page.screenshot(path=target, full_page=True)
    for at in (mine, theirs):
        at.context.close()


if __name__ == "__main__":
    main()
