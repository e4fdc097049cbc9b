"""In Spanish and Portuguese, whose texts are longer, every page fits a phone and cuts no text of ours off."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from bench.servers.gunicorn import Server
from tests.support.browser import shop
from tests.support.page_tour import page_tour

PHONE_WIDTHS = (320, 390)

CUT_OFF = """() => {
    const stored = ".brand-name, .cell-email, .cell-note, .visually-hidden, .skip-link";
    const canvas = document.createElement("canvas").getContext("2d");
    const isLonger = (text, element) => {
        const { font, paddingLeft, paddingRight } = getComputedStyle(element);
        canvas.font = font;
        const room = element.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
        return canvas.measureText(text).width > room + 1;
    };
    const isCutOff = (element) => {
        if (element.matches("select")) return isLonger(element.selectedOptions[0].text, element);
        if (element.matches("input")) return isLonger(element.placeholder, element);
        const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        const { overflowX } = getComputedStyle(element);
        return hasText && ["hidden", "clip"].includes(overflowX) && element.scrollWidth > element.clientWidth + 1;
    };
    return [...document.querySelectorAll("body *")]
        .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest(stored))
        .filter(isCutOff)
        .map((element) => element.outerHTML.slice(0, 150));
}"""
"""The elements whose text is wider than they are; stored values may end in an ellipsis."""


@pytest.fixture
def full_shop(tmp_path: Path) -> Iterator[Server]:
    with shop(tmp_path, customers=60) as server:
        yield server


@pytest.mark.parametrize("locale", ["es-ES", "pt-BR"])
def test_every_page_fits_a_phone_in_the_language(browser: Browser, full_shop: Server, locale: str) -> None:
    for name, session in page_tour(browser, full_shop, full=True, locale=locale):
        page = session.page
        assert page.locator("html").get_attribute("lang") == locale.replace("es-ES", "es")
        for width in PHONE_WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than {width}"
        assert cut_off(page) == [], name
        page.set_viewport_size({"width": 1280, "height": 900})


def cut_off(page: Page) -> list[str]:
    found: list[str] = page.evaluate(CUT_OFF)
    return found
