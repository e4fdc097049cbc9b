"""An import: with errors, previewed, applied and undone, running, and held for approval."""

from collections.abc import Iterator

from playwright.sync_api import Page

from bench.servers.gunicorn import Server
from tests.support.browser import BrowserSession
from tests.support.long_content import UNBREAKABLE
from tests.support.page_tour.controls import button, follow, press, submit
from tests.support.page_tour.pages import PageState
from tests.support.page_tour.shop_database import update_last_job


def _upload(session: BrowserSession, name: str, content: str) -> Page:
    page = session.go("/imports")
    file = {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    page.locator("#file").set_input_files([file])  # type: ignore[list-item]
    submit(page, "main form:has(#file)")
    return page


def applied_import(session: BrowserSession) -> Iterator[PageState]:
    """Upload a file with valid and invalid lines, apply it, and undo it."""
    page = session.go("/imports")
    page.locator("#file").evaluate("field => field.required = false")
    page.locator("main form:has(#file) button[type=submit]").click()  # sent in the background
    page.locator(".notice-problem").wait_for()
    yield "imports with an error", session
    rows = "".join(f"N-{n};Ana Gómez {n};GOLD\n" for n in range(12))
    header = f"document_id;{UNBREAKABLE};membership\n"
    _upload(session, f"{UNBREAKABLE[:80]}.csv", f"{header}A;{UNBREAKABLE};GOLD\n;{UNBREAKABLE};GOLD\n{rows}")
    yield "import with its columns", session
    page.get_by_role("combobox", name="membership").select_option("segment:membership")
    page.get_by_role("combobox", name=UNBREAKABLE).select_option("name")
    button(page, "check").click()
    button(page, "apply").wait_for()
    yield "import previewed", session
    button(page, "apply").click()
    page.locator("main a[href$='/undo']").wait_for()
    yield "import done", session
    press(page, page.locator("main a[href*='/changes/']:not([href$='/undo'])").first)
    yield "change_set with new customers", session
    follow(page, "/undo")
    yield "change_set_undo of new customers", session
    submit(page)
    yield "change_set of an undo", session
    session.go("/imports")
    yield "imports with one", session


def running_import(session: BrowserSession, server: Server) -> Iterator[PageState]:
    """Show an import that another process seems to work on."""
    page = _upload(session, "night.csv", "document_id;name\nM-1;Eva\n")
    button(page, "check").click()
    button(page, "apply").wait_for()
    yield from _held_import(session, server)
    page = session.page
    update_last_job(  # no worker takes it up
        server, "state = 'checking', phase = 'comparing', done = 12000, total = 50000, not_before = '2099-01-01'"
    )
    page.reload()
    page.get_by_role("progressbar").wait_for()
    yield "import running", session
    update_last_job(server, "state = 'ready', not_before = NULL")
    button(page, "discard").wait_for()
    press(page, button(page, "discard"))
    yield "import discarded", session


def _held_import(session: BrowserSession, server: Server) -> Iterator[PageState]:
    """Show the import of this page as one that waits for approval."""
    import_path = "/imports/" + session.page.url.rpartition("/")[2]
    update_last_job(server, "state = 'held'")
    session.go("/approvals")
    yield "approvals with one", session
    session.go(import_path.replace("imports", "approvals"))
    yield "approval", session
    update_last_job(server, "state = 'ready'")
    session.go(import_path)
