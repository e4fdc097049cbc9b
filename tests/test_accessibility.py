"""Every page, empty and full, light and dark, wide and narrow: axe finds nothing, nothing scrolls sideways."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser import ADMIN, Visit, shop, visit
from tests.gunicorn import Server

LONG = "a-very-long-name-without-any-blank-in-it-" * 4

HOOK = f"http://127.0.0.1:9/{LONG}"

EVERYWHERE = (
    "/",
    "/customers",
    "/customers?q=nobody+at+all",
    "/customers?segment=membership:GOLD&without=interest:WINE&has=any&q=a&sort=-name",
    "/segments",
    "/changes",
    "/changes?actor=nobody",
    "/imports",
    "/look-alikes",
    "/edits/new?everybody=yes&segment=membership:GOLD",
    "/tokens",
    "/webhooks",
    "/operators",
    "/account",
    "/nowhere",
    "/customers?has=nonsense",
)
FULL = (
    "/customers/1232-2323",
    "/customers/1232-2323?undo=1",
    "/segments/membership/GOLD",
    "/segments/affiliation/NEW_CUSTOMER",
    "/changes/1",
    "/changes/2/undo",
    "/segments/membership/GOLD/rename",
    "/customers/1232-2323?new-id=yes",
)


@pytest.fixture(scope="session", params=["empty", "full"])
def service(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    with shop(tmp_path_factory.mktemp("shop"), customers=300 if request.param == "full" else 0) as server:
        server.log.with_suffix(".kind").write_text(request.param)
        yield server


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page(browser: Browser, service: Server, scheme: str, width: int) -> None:
    full = service.log.with_suffix(".kind").read_text() == "full"
    stranger = visit(browser, service.address, color_scheme=scheme, viewport={"width": width, "height": 900})
    check(stranger.go("/sign-in"))
    stranger.context.close()
    at = visit(browser, service.address, ADMIN, color_scheme=scheme, viewport={"width": width, "height": 900})
    for path in (*EVERYWHERE, *(FULL if full else ())):
        check(at.go(path))
    check_forms(at, full)
    assert at.wrong == stranger.wrong == []
    at.context.close()


def check_jobs(at: Visit) -> None:
    """An import and a bulk edit, step by step; what is empty changes nothing for the pages that come after."""
    page = at.go("/imports")
    content = f"document_id;{LONG};membership\nA;{LONG};GOLD\n;{LONG};GOLD\n".encode()
    page.get_by_label("CSV or JSON Lines").set_input_files(
        {"name": f"{LONG[:80]}.csv", "mimeType": "text/csv", "buffer": content}
    )
    page.get_by_role("button", name="Look into the file").click()
    page.get_by_role("heading", name="What do the columns mean?").wait_for()
    check(page)
    page.get_by_role("combobox", name="membership").select_option("segment:membership")
    page.get_by_role("button", name="See what it would do").click()
    page.get_by_role("button", name="Throw it away").wait_for()
    page.get_by_text("Nothing is changed yet").wait_for()
    check(page)
    page.get_by_role("button", name="Throw it away").click()
    page.get_by_text("Thrown away").wait_for()
    check(page)
    check(at.go("/imports"))
    page = at.go("/edits/new?everybody=yes")
    page.get_by_label("Type of segment 1").fill("interest")
    page.get_by_role("button", name="See what it would do").locator("visible=true").last.click()
    page.get_by_text("A row cannot be used").wait_for()
    check(page)
    page.get_by_label("Value of segment 1").fill(LONG)
    page.get_by_role("button", name="See what it would do").locator("visible=true").last.click()
    page.get_by_text("Nothing is changed yet").wait_for()
    check(page)


def check_forms(at: Visit, full: bool) -> None:
    """The pages that only answer to a form: with errors, with a secret, with questions."""
    page = at.go("/tokens")
    page.get_by_role("button", name="Make the token").click()
    check(page)
    page.get_by_role("textbox", name="Name").fill(f"{uuid4().hex}-{LONG}"[:100])
    page.get_by_role("button", name="Make the token").click()
    page.get_by_role("link", name="Back to the tokens").wait_for()
    check(page)
    check(at.go("/tokens"))
    page.get_by_role("link", name="Revoke").first.click()
    check(page)
    for path in ("", "/rotate", "/revoke"):
        check(at.go(f"/tokens/1{path}"))
    page = at.go("/webhooks")
    page.get_by_role("button", name="Add the webhook").click()
    check(page)
    page.get_by_role("textbox", name="URL").fill(HOOK)
    page.get_by_role("button", name="Add the webhook").click()
    page.get_by_role("link", name="To the webhook").click()
    page.get_by_role("heading", name="Deliveries").wait_for()
    check(page)
    for path in ("/rotate", "/delete"):
        check(at.go(f"/webhooks/1{path}"))
    page = at.go("/operators")
    page.get_by_role("button", name="Invite").click()
    check(page)
    check_jobs(at)
    if full:
        page = at.go("/customers/1232-2323")
        for type_, value in (("Membership", "gold"), ("", LONG), ("interest", LONG)):
            page.get_by_role("button", name="Add a segment").click()
            page.get_by_label("Type of segment").last.fill(type_)
            page.get_by_label("Value of segment").last.fill(value)
        page.get_by_text("GOLD exists").first.wait_for()
        check(page)
        page.get_by_role("button", name="Save").locator("visible=true").last.click()
        page.get_by_text("Nothing was saved").wait_for()
        check(page)


def check(page: Page) -> None:
    page.wait_for_load_state("load")
    page.mouse.move(0, 0)
    found = Axe().run(page).response["violations"]
    told = [(page.url, rule["id"], [node["html"][:200] for node in rule["nodes"][:3]]) for rule in found]
    assert told == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.url} scrolls sideways"
