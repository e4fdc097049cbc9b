"""Charts in Chromium: their values under the pointer, and walked by the arrow keys."""

import re

from playwright.sync_api import expect

from tests.support.browser import BrowserSession


def test_a_chart_is_walked_by_keyboard(desktop: BrowserSession) -> None:
    page = desktop.go("/segments/membership/GOLD")
    chart = page.get_by_role("slider", name=re.compile("^From .* to "))
    value = page.locator(".chart-value")
    expect(value).to_be_hidden()
    chart.focus()
    rows = page.locator(".chart-table tbody tr")
    for row, key in (
        (0, "End"),
        (1, "ArrowLeft"),
        (2, "ArrowLeft"),
        (1, "ArrowRight"),
        (89, "Home"),
        (89, "ArrowLeft"),
    ):
        page.keyboard.press(key)
        day, customers = (rows.nth(row).locator("td").nth(n).inner_text() for n in (0, 1))
        expect(value).to_contain_text(f"{day}: {customers}")
        expect(chart).to_have_attribute("aria-valuetext", re.compile(f"^{day}: {customers}"))
    page.keyboard.press("Tab")
    expect(value).to_be_hidden()


def test_a_chart_shows_the_value_under_the_pointer(desktop: BrowserSession) -> None:
    page = desktop.go("/")
    chart = page.get_by_role("slider")
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + 20)
    last = page.locator(".chart-value").inner_text()
    assert "vs. a week before" in last
    page.mouse.move(box["x"] + 3, box["y"] + 20)
    expect(page.locator(".chart-value")).not_to_have_text(last)
    page.mouse.move(0, 0)
    expect(page.locator(".chart-value")).to_be_hidden()
