"""With forced colours, a theme of the system without backgrounds: what is marked can be seen, and nothing else is."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page

from bench.servers.gunicorn import Server
from tests.support.browser import ADMIN, BrowserSession, browser_session

LUCIA = "/customers/1232-2323"
MAX_STOPS = 40
CHANGED = {  # how a page without the state would look
    "[aria-current]": "element => element.removeAttribute('aria-current')",
    "[aria-pressed=true]": "element => element.setAttribute('aria-pressed', 'false')",
    "[role=option][aria-selected=true]": "element => element.setAttribute('aria-selected', 'false')",
    "main input:checked": "element => element.checked = false",
    "main [type=checkbox]:indeterminate": "element => element.indeterminate = false",
    ".is-new": "element => element.classList.remove('is-new', 'is-changed')",
    ".is-changed": "element => element.classList.remove('is-new', 'is-changed')",
    ".is-removed": "element => element.classList.remove('is-removed')",
    ".copy": "element => element.style.setProperty('visibility', 'hidden')",
    ".btn-primary": "element => element.classList.replace('btn-primary', 'btn-outline-secondary')",
}
"""What takes the state from an element, by the selector of elements that have it."""


@pytest.fixture
def forced(browser: Browser, service: Server) -> Iterator[BrowserSession]:
    options = {"forced_colors": "active", "color_scheme": "dark", "bypass_csp": True}
    with browser_session(browser, service.address, ADMIN, **options) as session:
        yield session


def look(element: Locator) -> bytes:
    """Return the picture of an element and of what is around it, where outlines are."""
    element.scroll_into_view_if_needed()
    box = element.bounding_box()
    assert box, element
    x, y = max(0, box["x"] - 5), max(0, box["y"] - 5)
    clip = {"x": x, "y": y, "width": box["width"] + 10, "height": box["height"] + 10}
    return element.page.screenshot(clip=clip, animations="disabled")  # type: ignore[arg-type]


def unseen_states(page: Page) -> tuple[set[str], list[str]]:
    """Return the states that the page has, and the elements that look the same without theirs."""
    found, unseen = set(), []
    for selector, remove in CHANGED.items():
        for element in page.locator(selector).locator("visible=true").element_handles()[:2]:
            element.evaluate("element => element.dataset.looked = 'yes'")
            looked = page.locator("[data-looked]")
            before = look(looked)
            looked.evaluate(remove)
            if look(looked) == before:
                unseen.append(f"{selector}: {element.evaluate('element => element.outerHTML')[:150]}")
            element.evaluate("element => delete element.dataset.looked")
            found.add(selector)
    return found, unseen


def test_every_state_is_visible(forced: BrowserSession) -> None:
    found = set()
    for name, page in states(forced):
        in_page, unseen = unseen_states(page)
        assert unseen == [], name
        found |= in_page
    assert found == {*CHANGED}


def states(session: BrowserSession) -> Iterator[tuple[str, Page]]:
    page = session.go("/customers")
    page.locator("tbody input[name=document_id]").first.check()
    page.locator("#site-search").press_sequentially("a")
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    yield "customers with a selection", page
    page = session.go(LUCIA)
    page.locator("main .editor-row [data-row-action=remove]").first.click()
    page.locator("main .editor-row [name=value]").nth(1).fill("CHANGED")
    page.locator("[data-add]").click()
    yield "customer with unsaved changes", page
    yield "segments", session.go("/segments")
    yield "segment", session.go("/segments/membership/GOLD")
    yield "bulk_edit_new", session.go("/bulk-edits/new?all_matching=yes")
    yield "account", session.go("/account")


def test_rows_and_tabs_without_a_state_are_not_marked(forced: BrowserSession) -> None:
    page = forced.go("/customers?has=any")
    page.locator("#views summary").click()
    page.locator("#view-name").fill("With segments")
    page.locator("#views form button").last.click()
    page.locator("#views [aria-current], .views [aria-current]").get_by_text("With segments").wait_for()
    assert borders(page, ".views nav a:not([aria-current])", "border-bottom") == {False}
    assert borders(page, ".views nav [aria-current]", "border-bottom") == {True}
    assert borders(page, ".customers tbody tr", "outline") == {False}
    page = forced.go(LUCIA)
    assert borders(page, "main .editor-row", "border-left") == {False}
    assert borders(page, ".timeline > li:last-child", "border-left") == {False}


def borders(page: Page, selector: str, side: str) -> set[bool]:
    """Return whether each of these elements has a border or outline that differs from the page."""
    return set(
        page.locator(selector).evaluate_all(
            """(elements, side) => elements.map(element => {
                const style = getComputedStyle(element);
                const canvas = getComputedStyle(document.body).backgroundColor;
                return style[`${side}-style`] !== "none" && style[`${side}-color`] !== canvas;
            })""",
            side,
        )
    )


@pytest.mark.parametrize("path", ["/customers", LUCIA, "/segments?type=membership"])
def test_keyboard_focus_is_visible(forced: BrowserSession, path: str) -> None:
    page = forced.go(path)
    stops, invisible = 0, []
    while stops < MAX_STOPS:
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if not focused.count() or focused.evaluate("element => element === document.body"):
            break
        stops += 1
        after = look(focused)
        handle = focused.element_handle()
        handle.evaluate("element => { element.dataset.stop = 'yes'; element.blur(); }")
        if look(page.locator("[data-stop]")) == after:
            invisible.append(handle.evaluate("element => element.outerHTML")[:150])
        handle.evaluate("element => { delete element.dataset.stop; element.focus({ focusVisible: true }); }")
    assert invisible == []
    assert stops > 15
