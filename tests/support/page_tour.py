"""Every page there is, as operators come to it: for what must be true of each of them, and for pictures."""

import re
import sqlite3
from collections.abc import Iterator

from playwright.sync_api import Browser, Page

from tests.support.browser import ADMIN, EDITOR, VIEWER, BrowserSession, visiting
from tests.support.gunicorn import Server

Stop = tuple[str, BrowserSession]
"""What the page is called: the name of its template, and what is special. And who is looking at it."""

LUCIA = "/customers/1232-2323"
GOLD = "/segments/membership/GOLD"
LONG = "a-very-long-name-without-any-blank-in-it-" * 4

LISTS = {
    "overview": "/",
    "customers": "/customers",
    "customers nothing found": "/customers?q=nobody+at+all",
    "customers filtered": "/customers?segment=membership:GOLD&without=interest:WINE&has=any&q=go&sort=-name",
    "segments": "/segments",
    "look_alikes": "/look-alikes",
    "changes": "/changes",
    "changes filtered": "/changes?actor=nobody&segment=membership:GOLD&since=2026-01-01",
    "imports": "/imports",
    "tokens": "/tokens",
    "webhooks": "/webhooks",
    "operators": "/operators",
    "account": "/account",
    "error 404": "/nowhere",
    "error 400": "/customers?has=nonsense",
}
OF_A_FULL_SHOP = {
    "customer": LUCIA,
    "customer_undo": f"{LUCIA}?undo=1",
    "customer_id": f"{LUCIA}?new-id=yes",
    "segment": GOLD,
    "segment a part of": "/segments/affiliation/NEW_CUSTOMER",
    "rename": f"{GOLD}/rename",
    "change_set": "/changes/1",
    "change_set of a night": "/changes/2",
    "undo": "/changes/2/undo",
}


def page_tour(browser: Browser, server: Server, *, full: bool) -> Iterator[Stop]:
    """One stop after the other. Whoever stops there may look, resize and recolour, but leads nowhere else."""
    with visiting(browser, server.address) as stranger, visiting(browser, server.address, ADMIN) as admin:
        yield from _signing_in(stranger)
        for name, path in {**LISTS, **(OF_A_FULL_SHOP if full else {})}.items():
            admin.go(path)
            yield name, admin
        yield from _operators(admin, stranger)
        yield from _tokens(admin)
        yield from _webhooks(admin)
        yield from _file(admin)
        yield from _going_on(admin, server)
        yield from _bulk_edit(admin)
        if full:
            yield from _look_alikes(admin)
            yield from _editor(admin)
            with visiting(browser, server.address, EDITOR) as other:
                yield from _conflict(admin, other)
    with visiting(browser, server.address, VIEWER) as viewer:
        yield from _may_only_look(viewer, full)


def _press(page: Page, button: str) -> None:
    with page.expect_navigation():
        page.get_by_role("button", name=re.compile(f"^{button}")).locator("visible=true").last.click()


def _signing_in(at: BrowserSession) -> Iterator[Stop]:
    page = at.go("/sign-in")
    yield "sign_in", at
    page.get_by_label("Email").fill("nobody@example.com")
    page.get_by_label("Password").fill("wrong")
    _press(page, "Sign in")
    yield "sign_in refused", at


def _operators(admin: BrowserSession, stranger: BrowserSession) -> Iterator[Stop]:
    page = admin.go("/operators")
    _press(page, "Invite")
    yield "operators with a problem", admin
    page.get_by_label("Email").fill("new@example.com")
    _press(page, "Invite")
    yield "invited", admin
    stranger.go(page.locator(".secret code").inner_text().removeprefix(admin.address))
    yield "invitation", stranger
    page = admin.go("/operators")
    page.get_by_role("button", name="Deactivate: new@example.com").click()
    page.get_by_text("deactivated and signed out").wait_for()
    yield "operators one deactivated", admin


def _tokens(at: BrowserSession) -> Iterator[Stop]:
    page = at.go("/tokens")
    _press(page, "Create token")
    yield "tokens with a problem", at
    name = f"crm-{LONG}"[:100]
    page.get_by_role("textbox", name="Name").fill(name)
    _press(page, "Create token")
    yield "token_created", at
    token = page.locator(".secret code").first.inner_text()
    for body in ({"customers": [{"document_id": 1}]}, {"customers": [{"document_id": "nobody", "segments": []}]}):
        headers = {"Authorization": f"Bearer {token}"}
        at.context.request.post(at.address + "/api/v3/customers/segments", data=body, headers=headers)
    at.go("/tokens")
    yield "tokens one of them", at
    page.get_by_role("link", name=name, exact=True).first.click()
    page.get_by_role("heading", name="Recent requests").wait_for()
    for _ in range(40):  # requests are written down a moment later
        if page.get_by_text("VALIDATION_ERROR").is_visible():
            break
        page.wait_for_timeout(250)
        page.reload()
    yield "token", at
    path = page.url.removeprefix(at.address)
    for wish in ("rotate", "revoke"):
        at.go(f"{path}/{wish}")
        yield f"token_{wish}", at
    _press(page, "Revoke")
    yield "tokens one revoked", at


def _webhooks(at: BrowserSession) -> Iterator[Stop]:
    page = at.go("/webhooks")
    _press(page, "Add webhook")
    yield "webhooks with a problem", at
    page.get_by_role("textbox", name="URL").fill(f"http://127.0.0.1:9/{LONG}")
    _press(page, "Add webhook")
    yield "webhook_secret", at
    page.get_by_role("link", name="To the webhook").click()
    page.get_by_role("heading", name="Deliveries").wait_for()
    yield "webhook", at
    path = page.url.removeprefix(at.address)
    for wish in ("rotate", "delete"):
        at.go(f"{path}/{wish}")
        yield f"webhook_{wish}", at
    at.go("/webhooks")
    yield "webhooks one of them", at


def _send(at: BrowserSession, name: str, content: str) -> Page:
    page = at.go("/imports")
    file = {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    page.get_by_label("CSV or JSON Lines").set_input_files([file])  # type: ignore[list-item]
    _press(page, "Upload and preview")
    return page


def _file(at: BrowserSession) -> Iterator[Stop]:
    """A file with good lines and bad ones, step by step, until it is undone."""
    page = at.go("/imports")
    page.locator("#file").evaluate("field => field.required = false")
    _press(page, "Upload and preview")
    yield "imports with a problem", at
    lines = "".join(f"N-{n};Ana Gómez {n};GOLD\n" for n in range(12))
    _send(at, f"{LONG[:80]}.csv", f"document_id;{LONG};membership\nA;{LONG};GOLD\n;{LONG};GOLD\n{lines}")
    yield "import its columns", at
    page.get_by_role("combobox", name="membership").select_option("segment:membership")
    page.get_by_role("combobox", name=LONG).select_option("name")
    page.get_by_role("button", name="Preview changes").click()
    page.get_by_text("nothing has changed yet").wait_for()
    yield "import previewed", at
    page.get_by_role("button", name="Apply to").click()
    page.get_by_text("Applied by").wait_for()
    yield "import done", at
    page.get_by_role("link", name=re.compile("^Change #[0-9]+$")).click()
    page.get_by_role("link", name="Undo this change").wait_for()
    yield "change_set with new customers", at
    page.get_by_role("link", name="Undo this change").click()
    page.get_by_role("button", name="Put back").wait_for()
    yield "undo new customers", at
    _press(page, "Put back")
    yield "change_set of an undo", at
    at.go("/imports")
    yield "imports some of them", at


def _going_on(at: BrowserSession, server: Server) -> Iterator[Stop]:
    """An import that another process works on, and does not get on with."""
    page = _send(at, "night.csv", "document_id;name\nM-1;Eva\n")
    page.get_by_role("button", name="Preview changes").click()
    page.get_by_text("nothing has changed yet").wait_for()
    busy = "state = 'checking', phase = 'comparing', done = 12000, total = 50000, not_before = '2099-01-01'"
    _set(server, busy)
    page.reload()
    page.get_by_role("progressbar").wait_for()
    yield "import going on", at
    _set(server, "state = 'ready'")
    page.get_by_role("button", name="Discard import").click()
    page.get_by_text("Import discarded").wait_for()
    yield "import thrown away", at


def _set(server: Server, values: str) -> None:
    with sqlite3.connect(server.log.parent / "shop.db") as database:
        database.execute(f"UPDATE jobs SET {values} WHERE id = (SELECT max(id) FROM jobs)")
    database.close()


def _bulk_edit(at: BrowserSession) -> Iterator[Stop]:
    page = at.go("/edits/new?everybody=yes&segment=membership:GOLD&without=interest:WINE&q=go&has=any")
    yield "edit_new narrowed", at
    page = at.go("/edits/new?everybody=yes")
    page.get_by_label("Type of segment 1").fill("interest")
    _press(page, "See what it would do")
    yield "edit_new with a problem", at
    page.get_by_label("Value of segment 1").fill(LONG)
    page.get_by_role("button", name="See what it would do").locator("visible=true").last.click()
    page.get_by_text("Nothing is changed yet").wait_for()
    yield "edit previewed", at
    if page.get_by_role("button", name="Add to").is_visible():
        page.get_by_role("button", name="Add to").click()
        page.get_by_text("This is change").wait_for()
        yield "edit done", at
        page.get_by_role("link", name="Undo it").click()
        _press(page, "Put back")
    at.go("/edits/new?everybody=yes")
    page.get_by_label("Remove all segments").check()
    page.get_by_role("button", name="See what it would do").locator("visible=true").last.click()
    page.get_by_text("Nothing is changed yet").wait_for()
    yield "edit dangerous", at
    page.get_by_role("button", name="Leave it").click()
    page.get_by_text("Left as it was").wait_for()
    yield "edit left", at


def _look_alikes(at: BrowserSession) -> Iterator[Stop]:
    page = at.go(f"{GOLD}/rename")
    page.get_by_label("Value").fill("GOLDD")
    _press(page, "See what it would do")
    yield "rename with a question", at
    page = at.go(LUCIA)
    _add(page, "membership", "Gold")
    _add(page, "Membership", "GOLD")
    for _ in range(2):  # the second time, for sure
        _press(page, "Save")
    at.go("/look-alikes")
    yield "look_alikes some of them", at


def _add(page: Page, type_: str, value: str) -> None:
    page.get_by_role("button", name="Add a segment").click()
    page.get_by_label("Type of segment").last.fill(type_)
    page.get_by_label("Value of segment").last.fill(value)


def _editor(at: BrowserSession) -> Iterator[Stop]:
    page = at.go(LUCIA)
    yield "customer just saved", at
    for type_, value in (("membership", "GOLDD"), ("", LONG), ("interest", LONG)):
        _add(page, type_, value)
    page.get_by_text("GOLD exists").first.wait_for()
    yield "customer not saved yet", at
    _press(page, "Save")
    page.get_by_text("Nothing was saved").wait_for()
    yield "customer with problems", at


def _conflict(at: BrowserSession, other: BrowserSession) -> Iterator[Stop]:
    mine, theirs = at.go(LUCIA), other.go(LUCIA)
    _add(theirs, "store", "STORE_007")
    _press(theirs, "Save")
    mine.get_by_role("button", name="Remove: segment 1").click()
    _add(mine, "interest", "WINE")
    _press(mine, "Save")
    yield "conflict", at


def _may_only_look(at: BrowserSession, full: bool) -> Iterator[Stop]:
    at.go("/tokens")
    yield "error 403", at
    for name, path in (("imports", "/imports"), *((("customer", LUCIA), ("customers", "/customers")) if full else ())):
        at.go(path)
        yield f"{name} to look at", at
