"""The upload of a file, in Chromium: its progress, cancelling it, and an error."""

import re
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.support.browser import BrowserSession


def upload(page: Page, path: Path) -> None:
    page.locator("#file").set_input_files(path)
    page.locator("main form:has(#file) button[type=submit]").click()


def test_upload_shows_progress_and_opens_the_preview(desktop: BrowserSession, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_text(
        "document_id,name\n" + "".join(f"U-{n},A name that is long enough to fill a line\n" for n in range(400_000))
    )
    page = desktop.go("/imports")
    page.evaluate(
        """() => {
            window.shown = [];
            const output = document.querySelector("[data-upload-status] output");
            new MutationObserver(() => window.shown.push(output.textContent)).observe(output, { childList: true });
            addEventListener("pagehide", () => sessionStorage.setItem("shown", JSON.stringify(window.shown)));
        }"""
    )
    upload(page, path)
    expect(page).to_have_url(re.compile("/imports/[0-9]+$"), timeout=60_000)
    shown = page.evaluate("JSON.parse(sessionStorage.getItem('shown'))")
    assert "100%" in shown


def test_canceled_upload_leaves_the_form(desktop: BrowserSession, tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    path.write_text("document_id\nU-1\n")
    page = desktop.go("/imports")
    waiting: list[Route] = []
    page.route("**/imports", lambda route: waiting.append(route))  # noqa: PLW0108 - Playwright needs a function
    upload(page, path)
    page.locator("[data-cancel-upload]").click()
    expect(page.locator("[data-upload-status]")).to_be_hidden()
    expect(page.locator("#live-region")).to_have_text(re.compile("canceled"))
    expect(page.locator("main form:has(#file) button[type=submit]")).to_be_enabled()


def test_refused_upload_shows_the_error(desktop: BrowserSession, tmp_path: Path) -> None:
    page = desktop.go("/imports")
    page.locator("#file").evaluate("field => field.required = false")
    page.locator("main form:has(#file) button[type=submit]").click()
    expect(page.locator(".notice-problem")).to_be_visible()
    path = tmp_path / "small.csv"
    path.write_text("document_id\nU-1\n")
    upload(page, path)
    expect(page).to_have_url(re.compile("/imports/[0-9]+$"))
