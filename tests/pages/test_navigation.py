"""The menu and the search in the header lead each role to its pages: to all of them, and to no other."""

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.access.operators import ROLES
from app.pages.auth import PUBLIC
from tests.support.html_client import HtmlClient

REACHED_FROM = {
    "/account/second-factor": "/account",
    "/account/confirm-password": None,  # comes before a page that needs it
    "/account/second-factor/app/confirm": None,  # a step of setting up an authenticator app
    "/bulk-edits/new": None,  # from a selection in the list of customers
}
"""Pages without an entry of their own, and the page that links to them."""


@pytest.fixture(params=ROLES)
def operator(app: Flask, request: pytest.FixtureRequest) -> tuple[str, HtmlClient]:
    return request.param, request.getfixturevalue(request.param)


def menu(client: HtmlClient) -> set[str]:
    """Return the URLs of the header: main links, settings and account."""
    header = client.client.get("/").text.partition('<header class="site-header">')[2].partition("</header>")[0]
    return {url.partition("#")[0] for url in re.findall(r'<a[^>]*?href="([^"]+)"', header)}


def palette(client: HtmlClient) -> set[str]:
    """Return the URLs that the search in the header lists before anything is typed."""
    return {*re.findall(r'<a[^>]*?href="([^"]+)"', client.client.get("/search-hits").text)}


def minimum_roles(app: Flask) -> Iterator[tuple[str, str]]:
    """Yield the URL and the role of each page that takes no arguments and needs a sign-in."""
    for rule in app.url_map.iter_rules():
        role = vars(app.view_functions[rule.endpoint]).get("role", PUBLIC)
        if (
            rule.endpoint.startswith("pages.")
            and "GET" in (rule.methods or ())
            and not rule.arguments
            and role != PUBLIC
        ):
            yield rule.rule, role


def is_page(response: TestResponse) -> bool:
    """Return whether the response is a whole page, neither a fragment nor a file."""
    return response.mimetype == "text/html" and "<!DOCTYPE html>" in response.text


def test_every_entry_leads_to_a_page_of_the_role(operator: tuple[str, HtmlClient]) -> None:
    _role, client = operator
    entries = menu(client) | palette(client)
    assert {url: client.client.get(url).status_code for url in entries} == dict.fromkeys(entries, 200)


def test_every_page_of_the_role_has_an_entry(app: Flask, operator: tuple[str, HtmlClient]) -> None:
    role, client = operator
    entries, palette_entries = menu(client), palette(client)
    assert entries <= palette_entries, "the search finds what the menu has"
    for url, minimum in minimum_roles(app):
        if ROLES.index(minimum) > ROLES.index(role):
            assert url not in palette_entries
            assert client.client.get(url).status_code == 403
        elif url in REACHED_FROM:
            source = REACHED_FROM[url]
            assert not source or url in client.get(source).links.values()
        elif is_page(client.client.get(url)):
            assert url in palette_entries


def test_pages_without_an_entry_exist(app: Flask) -> None:
    assert {*REACHED_FROM} <= {url for url, _ in minimum_roles(app)}
