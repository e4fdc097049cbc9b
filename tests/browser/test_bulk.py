"""Imports and bulk edits in Chromium: by mouse, without JavaScript, on a phone."""

import csv
import os
import re
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bench.servers.gunicorn import Server
from tests.support.browser import BrowserSession

COLUMNS = "Cédula;Nombre;membership\n"


def await_text(page: Page, what: str) -> None:
    """Wait for the result of a job; without JavaScript, by refreshing the page."""
    place = page.get_by_text(re.compile(what)).first
    for _ in range(60):
        if place.is_visible():
            return
        again = page.get_by_role("link", name="Refresh")
        if again.is_visible():
            again.click()
        page.wait_for_timeout(250)
    expect(place).to_be_visible()


def upload(session: BrowserSession, path: Path) -> Page:
    page = session.go("/imports")
    page.get_by_label("CSV or JSON Lines").set_input_files(path)
    page.get_by_role("button", name="Upload and preview").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(path.name)
    return page


def check_columns(page: Page) -> None:
    page.get_by_role("combobox", name="membership").select_option("segment:membership")
    page.get_by_role("button", name="Preview changes").click()
    await_text(page, "nothing has changed yet")


def undo(page: Page, link: str, *, by_job: bool = False) -> None:
    page.get_by_role("link", name=link).click()
    if by_job:
        page.get_by_role("button", name="Preview undo").click()
    page.get_by_role("button", name=re.compile("^Undo for")).click(timeout=90_000)
    expect(page.get_by_text(re.compile("Undone for"))).to_be_visible(timeout=90_000)


def test_import_is_previewed_applied_and_undone(any_browser: BrowserSession, tmp_path: Path) -> None:
    path = tmp_path / "spring.csv"
    path.write_text(COLUMNS + "N-1;=Núñez;GOLD\nN-2;Eva;\n;Luis;GOLD\n", encoding="cp1252")
    page = upload(any_browser, path)
    expect(page.get_by_text("=Núñez")).to_be_visible()
    check_columns(page)
    expect(page.get_by_text("Line 4: document_id")).to_be_visible()
    page.get_by_role("button", name="Apply to 2 customers").click()
    await_text(page, "Applied by")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download errors").click()
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert (row["Nombre"], row["line"]) == ("Luis", "4")
    any_browser.go("/customers/N-1")
    expect(any_browser.page.get_by_role("heading", level=1)).to_have_text("=Núñez")
    any_browser.page.go_back()
    undo(any_browser.page, "Undo…")
    assert any_browser.context.request.get(any_browser.address + "/customers/N-1").status == 404


def test_bulk_edit_of_all_matching_is_previewed_applied_and_undone(any_browser: BrowserSession) -> None:
    page = any_browser.go("/customers?q=gomez")
    page.get_by_role("checkbox", name=re.compile(r"^Select .*\(")).first.check()  # the bulk bar appears
    page.get_by_role("link", name=re.compile("^Select all")).click()
    expect(page.get_by_text("“gomez”")).to_be_visible()
    page.get_by_label("Segment 1 type").fill("campaign")
    page.get_by_label("Segment 1 value").fill("SPRING")
    page.get_by_role("button", name="Preview changes").locator("visible=true").last.click()
    await_text(page, "nothing has changed yet")
    page.get_by_role("button", name=re.compile("^Add SPRING to [0-9]+ customers")).click()
    await_text(page, "Change #")
    expect(page.get_by_text(re.compile("[0-9]+ customers updated"))).to_be_visible()
    undo(page, "Undo…")


def test_bulk_edit_of_selected_customers(any_browser: BrowserSession) -> None:
    page = any_browser.go("/customers?segment=membership:SILVER")
    for n in (0, 2):
        page.get_by_role("checkbox", name=re.compile("^Select .*\\(")).nth(n).check()
    page.get_by_role("button", name="Edit segments").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Edit segments for 2 customers")
    page.get_by_label("Remove all segments").check()
    page.get_by_role("button", name="Preview changes").locator("visible=true").last.click()
    await_text(page, "nothing has changed yet")
    page.get_by_role("button", name="Remove all segments from 2 customers").click()
    await_text(page, "Change #")
    undo(page, "Undo…")


def test_segment_is_renamed_and_the_rename_undone(any_browser: BrowserSession) -> None:
    page = any_browser.go("/segments/interest/COFFEE")
    page.get_by_role("link", name="Rename or merge").click()
    page.get_by_label("Value").fill("Coffee")
    page.get_by_role("button", name="Preview changes").click()
    if page.get_by_text("Did you mean").is_visible():
        page.get_by_role("button", name="Preview changes").click()
    await_text(page, "nothing has changed yet")
    page.get_by_role("button", name=re.compile("^Rename for")).click()
    await_text(page, "Change #")
    undo(page, "Undo…")


def test_document_id_is_changed_and_changed_back(any_browser: BrowserSession) -> None:
    page = any_browser.go("/customers/1969-1110")
    for old, new in (("1969-1110", "NEW/1"), ("NEW/1", "1969-1110")):
        expect(page.locator(".profile .id").first).to_have_text(old)
        page.get_by_role("link", name="Change ID…").click()
        page.get_by_label("New ID").fill(new)
        page.get_by_role("button", name="Change ID").click()
        expect(page.locator(".profile .id").first).to_have_text(new)


def is_claimed(service: Server, state: str) -> bool:
    """Return whether a worker has claimed a job."""
    jobs = "SELECT count(*) FROM jobs WHERE state = ? AND lease IS NOT NULL"
    with closing(sqlite3.connect(service.log.parent / "shop.db")) as database:
        return bool(database.execute(jobs, [state]).fetchone()[0])


@pytest.mark.parametrize("state", ["checking", "applying"])
def test_import_survives_a_killed_worker(service: Server, desktop: BrowserSession, tmp_path: Path, state: str) -> None:
    """The page shows the progress after the worker is killed, and in the end each row is applied once."""
    path = tmp_path / f"{state}.csv"
    rows = 20_000
    path.write_text(COLUMNS + "".join(f"{state}-{n};Name {n};GOLD\n" for n in range(rows)))
    page = upload(desktop, path)
    address = page.url
    page.get_by_role("combobox", name="membership").select_option("segment:membership")
    if state == "applying":
        page.get_by_role("button", name="Preview changes").click()
        page.get_by_role("button", name=re.compile("^Apply")).wait_for(timeout=60_000)
    button = "^Apply" if state == "applying" else "^Preview changes"
    page.get_by_role("button", name=re.compile(button)).click(no_wait_after=True)
    while not is_claimed(service, state):
        time.sleep(0.01)
    (worker,) = service.workers()
    os.kill(worker, signal.SIGKILL)
    while service.workers() in ([], [worker]):
        time.sleep(0.05)
    page.goto(address)
    expect(page.get_by_role("progressbar")).to_be_visible()
    if state == "checking":
        page.get_by_role("button", name=f"Apply to {rows:,} customers").click(timeout=90_000)
    expect(page.get_by_text("Applied by")).to_be_visible(timeout=90_000)
    expect(page.locator(".stats > div", has_text="new customers")).to_contain_text(f"{rows:,}")
    undo(page, "Undo…", by_job=True)
