"""Mouse, keyboard and phone do the ten jobs of an operator in as many steps as docs/pages.md says."""

from pathlib import Path

from playwright.sync_api import Browser

from tests.support.browser import shop
from tests.support.operator_jobs import CUSTOMERS, do_jobs, table

DOCUMENT = Path("docs/pages.md")


def test_ten_jobs_take_the_documented_number_of_steps(browser: Browser, tmp_path: Path) -> None:
    with shop(tmp_path, CUSTOMERS) as server:
        counted = table(do_jobs(browser, server))
    assert counted in DOCUMENT.read_text(), f"python -m tests.support.operator_jobs prints:\n{counted}"
