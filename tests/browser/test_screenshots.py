"""The pictures of docs/ show the pages as they are."""

import json
from pathlib import Path

from playwright.sync_api import Browser

from tests.support.browser import shop
from tests.support.screenshots import RECORD, take_docs_screenshots

DOCS = Path("docs")


def test_pictures_of_the_documentation_are_up_to_date(browser: Browser, tmp_path: Path) -> None:
    recorded = json.loads((DOCS / RECORD).read_text())
    with shop(tmp_path, customers=60) as server:
        shown = take_docs_screenshots(browser, server, None)
    assert shown == recorded, "python -m tests.support.screenshots docs --docs"
    assert {path.stem for path in DOCS.glob("*.png")} == {*recorded}
