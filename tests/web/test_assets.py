"""Static files: each URL names the version of its file, and every file that a page loads exists."""

import re
from pathlib import Path

import pytest
from flask import Flask

from app.web.assets import folder_version
from tests.support.html_client import HtmlClient

YEAR_S = 365 * 24 * 3600


def test_every_file_of_a_page_is_cached_for_a_year(viewer: HtmlClient) -> None:
    urls = set(re.findall(r'(?:src|href)="(/(?:bootstrap/)?static/[^"]+)"', viewer.get("/").html))
    assert {url.rsplit("/", 1)[1].partition("?")[0] for url in urls} >= {"main.js", "base.css", "bootstrap.min.css"}
    for url in urls:
        response = viewer.client.get(url)
        assert response.status_code == 200, url
        assert response.cache_control.max_age == YEAR_S, url


def test_the_url_of_another_version_is_not_cached(app: Flask) -> None:
    response = app.test_client().get("/static/0123456789ab/css/base.css")
    assert response.status_code == 200
    assert response.cache_control.max_age == 0


def test_every_imported_script_exists_and_is_preloaded(viewer: HtmlClient) -> None:
    folder = Path(str(viewer.client.application.static_folder)) / "js"
    page = viewer.get("/").html
    for script in folder.glob("*.js"):
        for imported in re.findall(r'from "\./([\w-]+\.js)"', script.read_text()):
            assert (folder / imported).is_file(), (script.name, imported)
            assert f"js/{imported}" in page


@pytest.mark.parametrize("change", ["content", "name", "new file"])
def test_the_version_changes_with_any_file(tmp_path: Path, change: str) -> None:
    (tmp_path / "a.js").write_text("1")
    before = folder_version(tmp_path)
    assert folder_version(tmp_path) == before
    if change == "content":
        (tmp_path / "a.js").write_text("2")
    elif change == "name":
        (tmp_path / "a.js").rename(tmp_path / "b.js")
    else:
        (tmp_path / "b.js").write_text("1")
    assert folder_version(tmp_path) != before
