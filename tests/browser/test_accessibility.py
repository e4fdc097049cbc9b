"""Every page, empty and full, light and dark, wide and narrow: axe finds nothing, nothing scrolls sideways."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from flask import Flask
from playwright.sync_api import Browser, Page

from tests.support.browser import DESK, PHONE, shop
from tests.support.gunicorn import Server
from tests.support.page_tour import page_tour

WIDTHS = (DESK["viewport"], PHONE)
RULES_OF_COLOUR = ["color-contrast", "link-in-text-block"]
"""All that another theme can break: it changes colours, and nothing else of a page."""


@pytest.fixture(scope="session", params=["empty", "full"])
def its_shop(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[tuple[Server, bool]]:
    full = request.param == "full"
    with shop(tmp_path_factory.mktemp("shop"), customers=60 if full else 0) as server:
        yield server, full


def test_every_page(browser: Browser, its_shop: tuple[Server, bool], apps: dict[str, Flask]) -> None:
    server, full = its_shop
    seen, titles = set(), {}
    for name, at in page_tour(browser, server, full=full):
        check(at.page, name)
        assert at.wrong == [], name
        seen.add(name.split()[0])
        titles.setdefault(at.page.title(), set()).add(name.split()[0])
    if full:
        assert seen >= templates(apps["sqlite"])
    assert {title: pages for title, pages in titles.items() if len(pages) > 1} == {}


def templates(app: Flask) -> set[str]:
    """Of all pages there are; components and what they stand in are none."""
    found = {name.removesuffix(".html") for name in app.jinja_env.list_templates() if "/" not in name}
    return found - {"layout", "api_docs"}


def check(page: Page, name: str) -> None:
    page.wait_for_load_state("load")
    page.mouse.move(0, 0)
    page.evaluate(AXE_SCRIPT)
    for size in WIDTHS:
        page.set_viewport_size(size)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
        page.emulate_media(color_scheme="light")
        assert violations(page) == [], (name, size, "light")
        page.emulate_media(color_scheme="dark")
        assert violations(page, RULES_OF_COLOUR) == [], (name, size, "dark as the system is")
    page.emulate_media(color_scheme="light")
    page.evaluate("document.documentElement.dataset.bsTheme = 'dark'")
    assert violations(page, RULES_OF_COLOUR) == [], (name, "dark by choice")
    page.set_viewport_size(WIDTHS[0])


def violations(page: Page, rules: list[str] | None = None) -> list[Any]:
    options = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    found = page.evaluate("options => axe.run(document, options).then(told => told.violations)", options)
    return [(rule["id"], [node["html"][:200] for node in rule["nodes"][:3]]) for rule in found]
