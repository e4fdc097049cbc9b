"""On every page, in every state: axe finds no violation, and nothing scrolls sideways."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from flask import Flask
from playwright.sync_api import Browser, Page

from bench.servers.gunicorn import Server
from tests.support.browser import DESKTOP, PHONE, browser_session, shop
from tests.support.page_tour import page_tour

AXE_SIZES = (DESKTOP["viewport"], PHONE)
WIDTHS = (320, 390, 768, 1024, 1280, 1920)
JOB_PAGES = ("import", "bulk_edit", "approval", "undo", "change_set_undo")
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
"""The rules that another theme can break: it changes nothing but colours."""


@pytest.fixture(scope="session", params=["empty", "full"])
def toured_shop(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[tuple[Server, bool]]:
    full = request.param == "full"
    with shop(tmp_path_factory.mktemp("shop"), customers=60 if full else 0, long_content=full) as server:
        yield server, full


def test_every_page_is_accessible_and_fits_the_window(
    browser: Browser, toured_shop: tuple[Server, bool], apps: dict[str, Flask]
) -> None:
    server, full = toured_shop
    visited, titles = set(), {}
    for name, session in page_tour(browser, server, full=full):
        check(session.page, name)
        if name.split()[0] in JOB_PAGES:
            check_no_zeros(session.page, name)
        assert session.errors == [], name
        visited.add(name.split()[0])
        titles.setdefault(session.page.title(), set()).add(name.split()[0])
    if full:
        assert visited >= page_templates(apps["sqlite"])
    assert {title: pages for title, pages in titles.items() if len(pages) > 1} == {}


def page_templates(app: Flask) -> set[str]:
    """Return the names of all pages; components and the layout are none."""
    templates = {name.removesuffix(".html") for name in app.jinja_env.list_templates() if "/" not in name}
    return templates - {"layout", "api_docs"}


def check(page: Page, name: str) -> None:
    page.wait_for_load_state("load")
    page.mouse.move(0, 0)
    check_fits(page, name)
    page.evaluate(AXE_SCRIPT)
    for size in AXE_SIZES:
        page.set_viewport_size(size)
        set_scheme(page, "light")
        assert violations(page) == [], (name, size, "light")
        set_scheme(page, "dark")
        assert violations(page, COLOUR_RULES) == [], (name, size, "dark system")
    set_scheme(page, "light")
    page.evaluate("document.documentElement.dataset.bsTheme = 'dark'")
    assert violations(page, COLOUR_RULES) == [], (name, "dark by choice")
    page.set_viewport_size(AXE_SIZES[0])


def check_no_zeros(page: Page, name: str) -> None:
    """Check that a zero is shown only where there is no other number."""
    numbers = [text.strip() for text in page.locator(".stats dd").all_inner_texts()]
    assert numbers == ["0"] or "0" not in numbers, (name, numbers)


def check_fits(page: Page, name: str) -> None:
    """Check that nothing is wider than the window."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        too_wide = page.evaluate(
            """() => document.documentElement.scrollWidth <= innerWidth ? [] :
                [...document.querySelectorAll("body *")]
                    .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
                    .slice(0, 5).map(element => element.outerHTML.slice(0, 150))"""
        )
        assert too_wide == [], f"{name} scrolls sideways at {width} px"


def set_scheme(page: Page, scheme: Literal["light", "dark"]) -> None:
    """Change the system's colour scheme, and wait until the page shows it: scripts follow it in an event."""
    page.emulate_media(color_scheme=scheme)
    page.evaluate("new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve, 100)))")


def violations(page: Page, rules: list[str] | None = None) -> list[Any]:
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    found = page.evaluate("options => axe.run(document, options).then(result => result.violations)", options)
    return [(rule["id"], [node["html"][:200] for node in rule["nodes"][:3]]) for rule in found]


def test_api_documentation_is_accessible_and_fits_the_window(browser: Browser, service: Server) -> None:
    with browser_session(browser, service.address) as session:
        page = session.go("/api/docs")
        page.locator(".opblock").first.wait_for()
        for operation in page.locator(".opblock-summary-control").all()[:3]:
            operation.click()
        page.locator(".responses-table").nth(2).wait_for()
        check(page, "api_docs")
