"""Values that no page of ours sends: refused or ignored, never a fault of the service."""

import pytest
from flask import Flask

from app.access.operators import create_operator
from tests.support.customers import GOLD, all_segments, set_segments
from tests.support.html_client import PASSWORD, HtmlClient
from tests.support.imports import SPREADSHEET, preview, upload

SEVERAL_COLUMNS = [("role", "document_id"), ("role", "name")]


@pytest.mark.parametrize("query", ["until=9999-12-31", "since=0001-01-01", "since=9999-12-31&until=0001-01-01"])
def test_first_and_last_day_of_the_calendar(viewer: HtmlClient, ana: str, query: str) -> None:
    set_segments(ana, GOLD)
    assert viewer.client.get(f"/changes?{query}").status_code in (200, 422)


@pytest.mark.parametrize("url", ["//[", "http://[::1", "/\0", "?" * 3_000])
def test_page_after_sign_in_that_is_no_url(app: Flask, url: str) -> None:
    create_operator("ada@example.com", "viewer", PASSWORD)
    ada = HtmlClient(app.test_client(), "ada@example.com")
    ada.token = ada.get("/sign-in").field("csrf_token")
    response = ada.post("/sign-in", {"email": ada.email, "password": PASSWORD}, query_string={"next": url})
    assert response.headers["Location"] == "/"


@pytest.mark.parametrize("version", ["1" + "0" * 30, "-1", "٣", "\0"])
def test_version_that_no_customer_has(editor: HtmlClient, ana: str, version: str) -> None:
    set_segments(ana, GOLD)
    form = [("action", "save"), ("base", "[]"), ("version", version)]
    editor.post(f"/customers/{ana}", form, status=400)
    assert all_segments() == {ana: GOLD}


@pytest.mark.parametrize(
    "url", ["/segments/%00/%00", "/customers/%00", "/segments/%00/%00/rename", "/segment-types/%00"]
)
def test_text_in_a_url_that_no_database_holds(admin: HtmlClient, ana: str, url: str) -> None:
    admin.get(url, status=404)


def test_name_of_a_file_stays_in_its_header(editor: HtmlClient) -> None:
    name = "UTF-8''a%0D%0ASet-Cookie:%20x=1%0D%0A.csv"
    part = (
        f"--b\r\nContent-Disposition: form-data; name=csrf_token\r\n\r\n{editor.token}\r\n"
        f"--b\r\nContent-Disposition: form-data; name=file; filename*={name}\r\n\r\n"
        "document_id,name\n1,Ana\n,Luis\n\r\n--b--\r\n"
    )
    created = editor.client.post("/imports", data=part, content_type="multipart/form-data; boundary=b")
    url = created.headers["Location"]
    preview(editor, url, ["document_id", "name"])
    download = editor.client.get(f"{url}/rejected")
    assert download.status_code == 200
    assert "Set-Cookie" not in download.headers
    assert "\n" not in download.headers["Content-Disposition"]


def test_file_that_cannot_be_read_is_not_previewed(editor: HtmlClient) -> None:
    url = upload(editor, b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9)
    editor.post(url, [("action", "check"), *SEVERAL_COLUMNS], status=409)
    url = upload(editor, SPREADSHEET)
    editor.post(url, [("action", "check"), *SEVERAL_COLUMNS], status=400)
