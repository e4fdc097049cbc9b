"""A tour of every page and every state of it, for checks that must hold on each, and for screenshots.

Buttons and links are found by what they do (their name, value or target) and not by their label, so that the tour works
in every language.
"""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pyotp
from playwright.sync_api import Browser, Locator, Page

from app.core.database import now
from bench.servers.gunicorn import Server
from tests.support.browser import ADMIN, EDITOR, PASSWORD, VIEWER, BrowserSession, browser_session, sign_in
from tests.support.long_content import UNBREAKABLE

PageState = tuple[str, BrowserSession]
"""The name of the page's template followed by what is special about its state; and the window that shows it."""

LUCIA = "/customers/1232-2323"
GOLD = "/segments/membership/GOLD"
ALL_MATCHING = "/bulk-edits/new?all_matching=yes"

LISTS = {
    "overview": "/",
    "customers": "/customers",
    "customers without a match": "/customers?q=nobody+at+all",
    "customers filtered": "/customers?segment=membership:GOLD&without=interest:WINE&has=any&q=go&sort=-name",
    "segments": "/segments",
    "similar_segments": "/similar-segments",
    "segment_types": "/segment-types",
    "segment_type": "/segment-types/membership",
    "segment_days": "/segment-days",
    "segment_days with an error": "/segment-days?start=2999-01-01",
    "changes": "/changes",
    "changes filtered": "/changes?actor=nobody&segment=membership:GOLD&since=2026-01-01",
    "imports": "/imports",
    "approvals": "/approvals",
    "tokens": "/tokens",
    "webhooks": "/webhooks",
    "operators": "/operators",
    "operator": "/operators/1",
    "audit_log": "/audit-log",
    "account": "/account",
    "second_factor": "/account/second-factor",
    "confirm_password": "/account/confirm-password",
    "error 404": "/nowhere",
    "error 400": "/customers?after=nonsense",
    "customers with an invalid filter": "/customers?has=nonsense",
    "customers with segments to choose from": "/customers?add_segment=er",
    "customer_profile": "/customer-new",
}
DETAILS = {
    "customer": LUCIA,
    "customer_undo": "/changes/1/undo/1232-2323",
    "customer_rename": "/customer-rename/1232-2323",
    "customer_erase": "/customer-erase/1232-2323",
    "segment": GOLD,
    "segment with a small share": "/segments/affiliation/NEW_CUSTOMER",
    "segment_movements": f"{GOLD}/days",
    "customer_day": "/customer-day/1232-2323",
    "segment_rename": f"{GOLD}/rename",
    "segment_alerts": f"{GOLD}/alerts",
    "change_set": "/changes/1",
    "change_set of a nightly job": "/changes/2",
    "change_set_undo": "/changes/2/undo",
}
"""Pages that exist only in a shop with customers."""


def page_tour(browser: Browser, server: Server, *, full: bool, locale: str = "en-US") -> Iterator[PageState]:
    """Yield each page state. The caller may resize and recolour the page, but must not navigate."""
    session = partial(browser_session, browser, server.address, locale=locale)
    with session() as visitor, session(ADMIN) as admin:
        yield from _sign_in(visitor)
        for name, path in {**LISTS, **(DETAILS if full else {})}.items():
            admin.go(path)
            yield name, admin
        yield from _header(admin)
        yield from _saved_views(admin)
        if full:
            yield from _long_customer(admin)
        yield from _operators(admin, visitor)
        yield from _tokens(admin)
        yield from _webhooks(admin)
        yield from _import(admin)
        yield from _running_import(admin, server)
        if full:
            yield from _large_undo(admin, server)
            yield from _selection(admin)
        yield from _bulk_edit(admin)
        if full:
            yield from _alerts(admin)
            yield from _similar_segments(admin)
            yield from _editor(admin)
            with session(EDITOR) as colleague:
                yield from _conflict(admin, colleague)
    with session(VIEWER) as viewer:
        yield from _viewer(viewer, full)
    if full:
        with session() as former:
            yield from _ended_session(former, server)


def _button(page: Page, action: str) -> Locator:
    """Return the visible button that sends `action`; rows of the editor repeat it as a hidden default button."""
    return page.locator(f"main button[name=action][value={action}]:not([tabindex='-1'])").locator("visible=true").last


def _press(page: Page, button: Locator) -> None:
    with page.expect_navigation():
        button.click()


def _submit(page: Page, form: str = "main form") -> None:
    """Send the form whose selector is `form` with its last visible submit button."""
    _press(page, page.locator(f"{form} button[type=submit]").locator("visible=true").last)


def _follow(page: Page, href: str) -> None:
    """Follow the last link of the page whose URL contains `href`."""
    _press(page, page.locator(f"main a[href*='{href}']").last)


def _sign_in(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/sign-in")
    yield "sign_in", session
    page.locator("#email").fill("nobody@example.com")
    page.locator("#password").fill("wrong")
    _submit(page, "main form:has(#password)")
    yield "sign_in refused", session


def _header(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/segments")
    page.locator("#site-search").press_sequentially("a")
    page.get_by_role("option").first.wait_for()
    yield "segments with search results", session
    page = session.go("/segments")
    page.locator(".site-header summary").locator("visible=true").last.click()
    yield "segments with an open menu", session
    page = session.go("/segments")
    page.keyboard.press("?")
    yield "segments with the shortcuts", session


def _saved_views(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/customers?has=any")
    page.locator("#views summary").click()
    _submit(page, "#views form")
    yield "customers with an error in a view", session
    page.locator("#view-name").fill(UNBREAKABLE[:60])
    _submit(page, "#views form")
    page.locator("#views summary").click()
    yield "customers with a saved view", session
    page.locator("#add_segment").press_sequentially("o")
    page.locator("#segment-options > *").first.wait_for()
    yield "customers with options of a filter", session


def _long_customer(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/customers")
    _press(page, page.locator("main .cell-id a").first)
    yield "customer with long content", session


def _operators(admin: BrowserSession, visitor: BrowserSession) -> Iterator[PageState]:
    page = admin.go("/operators")
    _submit(page, "main form:has(#email)")
    yield "operators with an error", admin
    page.locator("#email").fill("new@example.com")
    _submit(page, "main form:has(#email)")
    yield "invitation_link", admin
    visitor.go(page.locator(".secret code").inner_text().removeprefix(admin.address))
    yield "accept_invitation", visitor
    yield from _second_factor(visitor)
    page = admin.go("/operators")
    row = page.locator(".operator", has_text="new@example.com")
    _press(page, row.locator("form[action$=deactivate] button"))
    yield "operators with a deactivated one", admin


def _second_factor(visitor: BrowserSession) -> Iterator[PageState]:
    """Set up an authenticator app for the invited operator, and sign in with it."""
    page = visitor.page
    page.locator("#password").fill(PASSWORD)
    _submit(page)
    visitor.go("/account/second-factor")
    _submit(page, "main form[action$='/app']")
    yield "authenticator_app", visitor
    totp = pyotp.TOTP(page.locator(".secret code").inner_text())
    page.locator("#code").fill(totp.at(now() - timedelta(seconds=30)))
    _submit(page)
    yield "recovery_codes", visitor
    visitor.go("/account/second-factor")
    yield "second_factor with an app", visitor
    visitor.context.clear_cookies()
    visitor.go("/sign-in")
    page.locator("#email").fill("new@example.com")
    page.locator("#password").fill(PASSWORD)
    _submit(page, "main form:has(#password)")
    yield "sign_in_code", visitor


def _tokens(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/tokens")
    _submit(page, "main form:has(#name)")
    yield "tokens with an error", session
    name = f"crm-{UNBREAKABLE}"[:100]
    page.locator("#name").fill(name)
    _submit(page, "main form:has(#name)")
    yield "token_created", session
    _send_requests(session, page.locator(".secret code").first.inner_text())
    session.go("/tokens")
    yield "tokens with one", session
    _press(page, page.get_by_role("link", name=name, exact=True).first)
    _await_text(page, "VALIDATION_ERROR")
    yield "token", session
    path = page.url.removeprefix(session.address)
    for action in ("rotate", "revoke"):
        session.go(f"{path}/{action}")
        yield "secret_rotate of a token" if action == "rotate" else "token_revoke", session
    _submit(page)
    yield "tokens with a revoked one", session


def _send_requests(session: BrowserSession, token: str) -> None:
    for body in ({"customers": [{"document_id": 1}]}, {"customers": [{"document_id": "nobody", "segments": []}]}):
        headers = {"Authorization": f"Bearer {token}"}
        session.context.request.post(session.address + "/api/v3/customers/segments", data=body, headers=headers)


def _await_text(page: Page, text: str) -> None:
    """Reload until the page shows `text`: the log of requests is written in the background."""
    for _ in range(60):
        if page.get_by_text(text).first.is_visible():
            return
        page.wait_for_timeout(250)
        page.reload()
    raise AssertionError(f"{text!r} does not appear on {page.url}")


def _webhooks(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/webhooks")
    _submit(page, "main form:has(#url)")
    yield "webhooks with an error", session
    page.locator("#url").fill(f"http://127.0.0.1:9/{UNBREAKABLE}")
    _submit(page, "main form:has(#url)")
    yield "webhook_secret", session
    _follow(page, "/webhooks/")
    yield "webhook", session
    path = page.url.removeprefix(session.address)
    _submit(page, f"form[action='{path}/test']")
    yield "webhook with a test event", session
    session.go(f"{path}/types")
    yield "webhook_types", session
    for action in ("rotate", "delete"):
        session.go(f"{path}/{action}")
        yield "secret_rotate of a webhook" if action == "rotate" else "webhook_delete", session
    session.go("/webhooks")
    yield "webhooks with one", session


def _upload(session: BrowserSession, name: str, content: str) -> Page:
    page = session.go("/imports")
    file = {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    page.locator("#file").set_input_files([file])  # type: ignore[list-item]
    _submit(page, "main form:has(#file)")
    return page


def _import(session: BrowserSession) -> Iterator[PageState]:
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
    _button(page, "check").click()
    _button(page, "apply").wait_for()
    yield "import previewed", session
    _button(page, "apply").click()
    page.locator("main a[href$='/undo']").wait_for()
    yield "import done", session
    _press(page, page.locator("main a[href*='/changes/']:not([href$='/undo'])").first)
    yield "change_set with new customers", session
    _follow(page, "/undo")
    yield "change_set_undo of new customers", session
    _submit(page)
    yield "change_set of an undo", session
    session.go("/imports")
    yield "imports with one", session


def _running_import(session: BrowserSession, server: Server) -> Iterator[PageState]:
    """Show an import that another process seems to work on."""
    page = _upload(session, "night.csv", "document_id;name\nM-1;Eva\n")
    _button(page, "check").click()
    _button(page, "apply").wait_for()
    yield from _held_import(session, server)
    page = session.page
    _update_last_job(
        server, "state = 'checking', phase = 'comparing', done = 12000, total = 50000, leased_until = '2099-01-01'"
    )
    page.reload()
    page.get_by_role("progressbar").wait_for()
    yield "import running", session
    _update_last_job(server, "state = 'ready'")
    _button(page, "discard").wait_for()
    _press(page, _button(page, "discard"))
    yield "import discarded", session


def _held_import(session: BrowserSession, server: Server) -> Iterator[PageState]:
    """Show the import of this page as one that waits for approval."""
    import_path = "/imports/" + session.page.url.rpartition("/")[2]
    _update_last_job(server, "state = 'held'")
    session.go("/approvals")
    yield "approvals with one", session
    session.go(import_path.replace("imports", "approvals"))
    yield "approval", session
    _update_last_job(server, "state = 'ready'")
    session.go(import_path)


def _update_last_job(server: Server, assignments: str) -> None:
    with sqlite3.connect(server.log.parent / "shop.db") as database:
        database.execute(f"UPDATE jobs SET {assignments} WHERE id = (SELECT max(id) FROM jobs)")
    database.close()


def _large_undo(session: BrowserSession, server: Server) -> Iterator[PageState]:
    """Undo a change that seems to have more entries than a batch."""
    _add_entries(server, 100_000)
    page = session.go("/changes/2/undo")
    yield "change_set_undo_large", session
    page.locator("main form button[type=submit]").click()
    _button(page, "discard").wait_for()
    yield "undo previewed", session
    _add_entries(server, -100_000)
    _press(page, _button(page, "discard"))
    yield "undo discarded", session


def _add_entries(server: Server, count: int) -> None:
    with sqlite3.connect(server.log.parent / "shop.db") as database:
        database.execute("UPDATE change_set_parts SET entries = entries + ? WHERE change_set_id = 2", [count])
    database.close()


def _selection(session: BrowserSession) -> Iterator[PageState]:
    page = session.go("/customers")
    page.locator("tbody input[name=document_id]").first.check()
    yield "customers with a selection", session


def _bulk_edit(session: BrowserSession) -> Iterator[PageState]:
    page = session.go(f"{ALL_MATCHING}&segment=membership:GOLD&without=interest:WINE&q=go&has=any")
    yield "bulk_edit_new of all who match a filter", session
    session.go(ALL_MATCHING)
    page.locator("[name=type]").first.fill("interest")
    _press(page, _button(page, "preview"))
    yield "bulk_edit_new with an error", session
    page.locator("[name=value]").first.fill(UNBREAKABLE)
    _button(page, "preview").click()
    _button(page, "discard").wait_for()
    yield "bulk_edit previewed", session
    if _button(page, "apply").is_visible():
        _follow(page, "/schedule")
        yield "schedule", session
        page.locator("#apply_at").fill("2020-01-01T08:00")
        _press(page, _button(page, "save"))
        yield "schedule with an error", session
        page.locator("#apply_at").fill("2090-01-01T08:00")
        page.locator("#revert_at").fill("2090-02-01T08:00")
        _press(page, _button(page, "save"))
        yield "bulk_edit scheduled", session
        session.go("/")
        yield "overview with a schedule", session
        page.go_back()
        _press(page, _button(page, "cancel"))
        _button(page, "apply").click()
        page.locator("main a[href$='/undo']").wait_for()
        yield "bulk_edit done", session
        _follow(page, "/undo")
        _submit(page)
    session.go(ALL_MATCHING)
    page.locator("input[type=radio][value=clear]").check()
    _button(page, "preview").click()
    _button(page, "discard").wait_for()
    yield "bulk_edit that removes segments", session
    _press(page, _button(page, "discard"))
    yield "bulk_edit discarded", session


def _alerts(session: BrowserSession) -> Iterator[PageState]:
    """Set alerts that are raised at once, and remove them again."""
    for page_name, path in (("segment", GOLD), ("segment_type", "/segment-types/membership")):
        page = session.go(f"{path}/alerts")
        page.locator("#below").fill("0")
        _submit(page)
        yield f"segment_alerts of a {page_name} with an error", session
        page.locator("#below").fill("1000000")
        page.locator("#change").fill("20")
        _submit(page)
        yield f"segment_alerts of a {page_name} with a raised one", session
        session.go(path)
        yield f"{page_name} with a raised alert", session
    session.go("/")
    yield "overview with raised alerts", session
    page = session.go(f"{GOLD}/alerts")
    page.locator("#below").fill("")
    _submit(page)
    yield "segment_alerts with a cleared one", session


def _similar_segments(session: BrowserSession) -> Iterator[PageState]:
    page = session.go(f"{GOLD}/rename")
    page.locator("[name=value]").fill("GOLDD")
    _submit(page)
    yield "segment_rename with a similar segment", session
    page = session.go(LUCIA)
    _add_row(page, "membership", "Gold")
    _add_row(page, "Membership", "GOLD")
    for _ in range(2):  # the second time confirms the spelling
        _press(page, _button(page, "save"))
    session.go("/similar-segments")
    yield "similar_segments with a group", session


def _add_row(page: Page, type_: str, value: str) -> None:
    page.locator("[data-add]").click()
    page.locator("main .editor-row [name=type]").last.fill(type_)
    page.locator("main .editor-row [name=value]").last.fill(value)


def _editor(session: BrowserSession) -> Iterator[PageState]:
    page = session.go(LUCIA)
    yield "customer just saved", session
    for type_, value in (("membership", "GOLDD"), ("", UNBREAKABLE), ("interest", UNBREAKABLE)):
        _add_row(page, type_, value)
    page.locator(".similar-segment").locator("visible=true").first.wait_for()
    yield "customer with unsaved changes", session
    _press(page, _button(page, "save"))
    yield "customer with errors", session


def _conflict(session: BrowserSession, colleague: BrowserSession) -> Iterator[PageState]:
    page, colleague_page = session.go(LUCIA), colleague.go(LUCIA)
    _change_first_value(colleague_page, "STORE_007")
    _press(colleague_page, _button(colleague_page, "save"))
    _change_first_value(page, "STORE_008")
    _press(page, _button(page, "save"))
    yield "conflict", session


def _change_first_value(page: Page, value: str) -> None:
    page.locator("main .editor-row [name=type]").first.fill("store")
    page.locator("main .editor-row [name=value]").first.fill(value)


def _ended_session(session: BrowserSession, server: Server) -> Iterator[PageState]:
    """Save a customer after the session has ended, and sign in again."""
    body = "export function continueEditing() {}"  # the page that this script leaves at once is to be seen
    session.page.route("**/kept-form.js*", lambda route: route.fulfill(body=body, content_type="text/javascript"))
    sign_in(session.go("/sign-in"), EDITOR)
    page = session.go(LUCIA)
    _add_row(page, "interest", "WINE")
    end_last_session(server)
    _press(page, _button(page, "save"))
    yield "sign_in that keeps edits", session
    page.locator("#email").fill(EDITOR)
    page.locator("#password").fill(PASSWORD)
    _submit(page, "main form:has(#password)")
    yield "continue_editing", session
    _submit(page, "main form:has([name=kept_form])")
    yield "customer with edits that were kept", session


def end_last_session(server: Server) -> None:
    """End the newest session, as an admin can."""
    with sqlite3.connect(server.log.parent / "shop.db") as database:
        database.execute("DELETE FROM operator_sessions WHERE id = (SELECT max(id) FROM operator_sessions)")
    database.close()


def _viewer(session: BrowserSession, full: bool) -> Iterator[PageState]:
    session.go("/tokens")
    yield "error 403", session
    pages = {"imports": "/imports", **({"customer": LUCIA, "customers": "/customers"} if full else {})}
    for name, path in pages.items():
        session.go(path)
        yield f"{name} for a viewer", session
