"""How document_ids are written in links: a browser follows each to the customer it names."""

from urllib.parse import unquote, urljoin, urlsplit

import pytest
from flask import Flask, url_for

from tests.support.customers import add_customers
from tests.support.html_client import HtmlClient

IDS = [
    ".",
    "..",
    "a/../b",
    "./a",
    "a/.",
    "%2E",
    "%2E%2E",
    "%252E",
    "a/%2E./b",
    "...",
    "a.b",
    "//a//",
    "%",
    "é/ü",
    "%2e",
]


@pytest.mark.parametrize("document_id", IDS)
def test_a_link_to_a_customer_survives_the_normalization_of_a_browser(
    app: Flask, viewer: HtmlClient, document_id: str
) -> None:
    add_customers(document_id)
    with app.test_request_context():
        link = url_for("pages.customer", document_id=document_id)
    assert not {segment.replace("%2E", ".").replace("%2e", ".") for segment in link.split("/")} & {".", ".."}
    assert urlsplit(urljoin("http://x/customers", link)).path == link
    adapter = app.url_map.bind("x")
    assert adapter.match(unquote(link)) == ("pages.customer", {"document_id": document_id})
