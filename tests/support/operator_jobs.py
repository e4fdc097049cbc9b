"""The ten jobs of an operator, done in Spanish by mouse, by keyboard and on a phone; clicks and keys are counted.

`python -m tests.support.operator_jobs` prints the table of docs/pages.md. A click, a tap, and a key that is no text
count one each. What is typed into a field counts nothing: it is the same for all.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Locator, Page, expect

from bench.servers.chromium import chromium
from bench.servers.gunicorn import Server
from tests.support.browser import ADMIN, DESKTOP, PHONE, BrowserSession, browser_session, shop
from tests.support.page_tour.pages import GOLD, LUCIA

MEANS = ("mouse", "keyboard", "phone")
MAX_TABS = 200
CUSTOMERS = 400
FILE = "document_id;name;membership\nF-1;Eva Ruiz;GOLD\nF-2;Leo Paz;SILVER\n"

IS_FOCUSED = "element => element === document.activeElement"
NOTHING_FOCUSED = "document.activeElement === document.body"
IS_BEFORE_FOCUS = (
    "element => (document.activeElement.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_PRECEDING) > 0"
)


@dataclass
class Hand:
    """An operator's hand on a page: it does the same with a mouse, a keyboard or a finger, and counts."""

    session: BrowserSession
    means: str
    count: int = 0

    @property
    def page(self) -> Page:
        return self.session.page

    def open(self, path: str) -> None:
        """Begin at a page: nothing is counted yet."""
        self.session.go(path).wait_for_load_state("networkidle")
        self.count = 0

    def press(self, target: Locator, key: str = "Enter") -> None:
        """Click a button or link, or reach it and press the key."""
        if self.means == "keyboard":
            self.reach(target)
            self.key(key)
        else:
            target.click()
            self.count += 1

    def follow(self, target: Locator) -> None:
        """Press what leads to another page, and wait for it."""
        with self.page.expect_navigation():
            self.press(target)

    def send(self, target: Locator) -> None:
        """Press the button of a form, or Enter in the field that has the focus."""
        if self.means == "keyboard":
            self.key("Enter")
        else:
            self.press(target)

    def check(self, target: Locator) -> None:
        self.press(target, "Space")

    def fill(self, field: Locator, text: str) -> None:
        """Enter a field, unless it has the focus already, and type."""
        if self.means == "keyboard":
            self.reach(field)
        elif not field.evaluate(IS_FOCUSED):
            field.click()
            self.count += 1
        field.select_text()
        field.press_sequentially(text)

    def choose(self, field: Locator, value: str) -> None:
        """Choose an option of a list: two clicks, or an arrow key for each option on the way."""
        if self.means == "keyboard":
            self.reach(field)
            values: list[str] = field.evaluate("field => [...field.options].map(option => option.value)")
            steps = values.index(value) - values.index(field.input_value())
            self.count += abs(steps)
        else:
            self.count += 2
        field.select_option(value)

    def key(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.count += 1

    def reach(self, target: Locator) -> None:
        """Move the focus with the Tab key, forwards or backwards; past the header by the link that skips it."""
        target.wait_for()
        if self.page.evaluate(NOTHING_FOCUSED) and target.locator("xpath=ancestor::main").count():
            self.key("Tab")
            self.key("Enter")
        tab = "Shift+Tab" if target.evaluate(IS_BEFORE_FOCUS) else "Tab"
        for _ in range(MAX_TABS):
            if target.evaluate(IS_FOCUSED):
                return
            self.key(tab)
        raise AssertionError(f"{target} is not reached with {MAX_TABS} tabs")

    def search(self, text: str) -> None:
        """Search in the header, from wherever the focus is."""
        field = self.page.locator("#site-search")
        if self.means == "keyboard":
            self.key("/")
        self.fill(field, text)


def button(page: Page, action: str) -> Locator:
    return page.locator(f"main button[name=action][value={action}]:not([tabindex='-1'])").locator("visible=true").last


def submit(page: Page) -> Locator:
    return page.locator("main form button[type=submit]:not([tabindex='-1'])").locator("visible=true").last


def find_customer(hand: Hand) -> None:
    hand.open("/")
    hand.search("1232-2323")
    with hand.page.expect_navigation():
        hand.key("Enter")
    expect(hand.page.locator("h1")).to_have_text("Lucía Díaz")


def fix_segments(hand: Hand) -> None:
    hand.open(LUCIA)
    page, value = hand.page, f"WINE {hand.means}"
    if hand.means == "keyboard":
        hand.key("a")
    else:
        hand.press(page.locator("[data-add]"))
    hand.fill(page.locator("main .editor-row [name=type]").last, "interest")
    hand.fill(page.locator("main .editor-row [name=value]").last, value)
    hand.fill(page.locator("#reason"), "Llamada")
    with page.expect_navigation():
        hand.send(button(page, "save"))
    expect(page.locator(".timeline li").first).to_contain_text(f"interest {value}")
    expect(page.locator(".timeline li").first).to_contain_text("Llamada")


def answer_why(hand: Hand) -> None:
    hand.open(LUCIA)
    expect(hand.page.locator(".editor-provenance").first).to_contain_text("Añadido")
    hand.follow(hand.page.locator(".editor-provenance a").first)
    expect(hand.page.locator("h1")).to_contain_text("Cambio")


def see_members(hand: Hand) -> None:
    hand.open("/")
    hand.search("GOLD")
    hand.page.locator("#search-hits [role=option][href$='/segments/membership/GOLD']").wait_for()
    if hand.means == "keyboard":
        options = hand.page.locator("#search-hits [role=option]").evaluate_all("all => all.map(hit => hit.pathname)")
        for _ in range(options.index(GOLD) + 1):
            hand.key("ArrowDown")
        with hand.page.expect_navigation():
            hand.key("Enter")
    else:
        hand.follow(hand.page.locator(f"#search-hits [role=option][href$='{GOLD}']"))
    with hand.page.expect_download():
        hand.press(hand.page.locator("main a[href*='customer-export']").first)


def change_many(hand: Hand) -> None:
    hand.open("/customers")
    page = hand.page
    hand.check(page.locator("[name=document_id]").first)
    hand.follow(page.locator("[data-bulk-bar] a[href*='all_matching']"))
    hand.fill(page.locator("main .editor-row [name=type]").first, "campaign")
    hand.fill(page.locator("main .editor-row [name=value]").first, hand.means.upper())
    hand.send(button(page, "preview"))
    apply(hand)


def apply(hand: Hand) -> None:
    hand.press(button(hand.page, "apply"))
    hand.page.locator("main a[href$='/undo']").wait_for()


def load_file(hand: Hand) -> None:
    hand.open("/imports")
    page = hand.page
    file = page.locator("#file")
    with page.expect_file_chooser() as chooser:
        hand.press(file)
    content = FILE.replace("F-", f"{hand.means}-").encode()
    chooser.value.set_files([{"name": "clientes.csv", "mimeType": "text/csv", "buffer": content}])
    hand.press(submit(page))
    hand.press(button(page, "check"))
    apply(hand)


def undo_mistake(hand: Hand) -> None:
    hand.open("/changes")
    page = hand.page
    hand.follow(page.locator("main .cell-change a").first)
    hand.follow(page.locator("main a[href$='/undo']"))
    hand.follow(submit(page))
    expect(page.locator("main .facts")).to_contain_text("Revierte")


def rename_segment(hand: Hand) -> None:
    old = "NEW_CUSTOMER" if hand.means == MEANS[0] else f"NEW {MEANS[MEANS.index(hand.means) - 1]}"
    hand.open(f"/segments/affiliation/{quote(old)}")
    hand.follow(hand.page.locator("main a[href$='/rename']"))
    hand.fill(hand.page.locator("#value"), f"NEW {hand.means}")
    hand.send(submit(hand.page))
    apply(hand)


def give_token(hand: Hand) -> None:
    hand.open("/")
    page = hand.page
    menu = page.locator(".site-header .menu-settings summary, .site-header .menu-phone summary").locator("visible=true")
    hand.press(menu)
    hand.follow(page.locator(".site-header a[href='/tokens']").locator("visible=true"))
    hand.fill(page.locator("main #name"), f"crm-{hand.means}")
    hand.check(page.locator("main [name=scopes]").first)
    hand.follow(submit(page))
    expect(page.locator(".secret").first).to_be_visible()


def see_last_night(hand: Hand) -> None:
    hand.open("/")
    expect(hand.page.locator(".stats").first).to_be_visible()


JOBS: dict[str, Callable[[Hand], None]] = {
    "1. Find a customer by an ID": find_customer,
    "2. Add a segment to a customer, with a reason": fix_segments,
    "3. See which change gave a customer a segment": answer_why,
    "4. Find a segment, see its customers, export them": see_members,
    "5. Add a segment to all customers of a list": change_many,
    "6. Load a file": load_file,
    "7. Undo the last change": undo_mistake,
    "8. Rename a segment": rename_segment,
    "9. Create a token": give_token,
    "10. See whether last night went well": see_last_night,
}


def hands(browser: Browser, server: Server) -> Iterator[Hand]:
    """Yield a hand of each means, in Spanish."""
    for means in MEANS:
        options: dict[str, object] = {**DESKTOP, "locale": "es-ES", **({"viewport": PHONE} if means == "phone" else {})}
        with browser_session(browser, server.address, ADMIN, **options) as session:
            yield Hand(session, means)


def do_jobs(browser: Browser, server: Server) -> dict[str, dict[str, int]]:
    """Return `{job: {means: clicks or keys}}`."""
    counts: dict[str, dict[str, int]] = {name: {} for name in JOBS}
    for hand in hands(browser, server):
        for name, job in JOBS.items():
            job(hand)
            assert hand.page.locator("html").get_attribute("lang") == "es"
            counts[name][hand.means] = hand.count
    return counts


def table(counts: dict[str, dict[str, int]]) -> str:
    """Return the counts as the table of docs/pages.md."""
    lines = ["| job | clicks | keys | taps at 390 px |", "|---|---:|---:|---:|"]
    lines += [f"| {job} | {' | '.join(str(by_means[means]) for means in MEANS)} |" for job, by_means in counts.items()]
    return "\n".join(lines)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, shop(Path(folder), CUSTOMERS) as server, chromium() as browser:
        sys.stdout.write(table(do_jobs(browser, server)) + "\n")


if __name__ == "__main__":
    main()
