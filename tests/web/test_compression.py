"""gzip: request bodies may be compressed; API responses and files are for clients that accept it, pages never."""

import gzip
import json

import pytest
from flask import Flask

from app.web.compression import MIN_BYTES
from tests.support.clients import Api
from tests.support.customers import GOLD, add_customers, all_segments
from tests.support.html_client import HtmlClient

GZIP = {"Accept-Encoding": "gzip, deflate, br"}


@pytest.fixture
def customers(app: Flask) -> None:
    add_customers(*(f"{n:04}" for n in range(200)))


def test_a_response_is_compressed(api: Api, customers: None) -> None:
    plain = api.get("/api/v3/customers")
    compressed = api.get("/api/v3/customers", headers=GZIP)
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert compressed.content_length == len(compressed.data) < len(plain.data) / 4
    assert json.loads(gzip.decompress(compressed.data)) == plain.json
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["Vary"] == compressed.headers["Vary"] == "Accept-Encoding"


def test_request_and_response_can_both_be_compressed(api: Api, customers: None) -> None:
    ids = [f"{n:04}" for n in range(200)]
    body = gzip.compress(json.dumps({"customers": [{"document_id": id_, "segments": GOLD} for id_ in ids]}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", **GZIP}
    response = api.call("POST", "/api/v3/customers/segments?report=true", data=body, headers=headers)
    assert json.loads(gzip.decompress(response.data))["updatedCustomers"] == ids
    assert response.headers["Change-Set"]
    assert set(map(str, all_segments().values())) == {str(GOLD)}


def test_the_etag_does_not_depend_on_the_compression(api: Api, customers: None) -> None:
    etag = api.get("/api/v3/customers", headers=GZIP).headers["ETag"]
    assert etag == api.get("/api/v3/customers").headers["ETag"]
    for headers in ({}, GZIP):
        unchanged = api.get("/api/v3/customers", status=304, headers=headers | {"If-None-Match": etag})
        assert unchanged.data == b""
        assert "Content-Encoding" not in unchanged.headers


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0", "gzip;q=0, *", "br", "gzip;q=x"])
def test_a_response_is_not_compressed_for_other_clients(api: Api, customers: None, accepted: str) -> None:
    response = api.get("/api/v3/customers", headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in response.headers or accepted == "gzip;q=x"


def test_a_small_response_is_not_compressed(api: Api, ana: str) -> None:
    response = api.get(f"/api/v3/customers/{ana}/segments", headers=GZIP)
    assert len(response.data) < MIN_BYTES
    assert "Content-Encoding" not in response.headers


@pytest.mark.parametrize("path", ["/static/any-version/css/base.css", "/api/docs/swagger-ui.css"])
def test_files_are_compressed_and_have_an_etag(app: Flask, path: str) -> None:
    client = app.test_client()
    for _ in range(2):
        compressed = client.get(path, headers=GZIP)
        assert gzip.decompress(compressed.data) == client.get(path).data
    etag = compressed.headers["ETag"]
    assert etag.startswith("W/")
    assert client.get(path, headers=GZIP | {"If-None-Match": etag}).status_code == 304
    part = client.get(path, headers=GZIP | {"Range": "bytes=0-9"})
    assert "Content-Encoding" not in part.headers
    assert part.data == client.get(path).data[:10]


@pytest.mark.parametrize("url", ["/customers", "/customers.csv", "/metrics", "/healthz"])
def test_pages_exports_and_metrics_are_not_compressed(admin: HtmlClient, customers: None, url: str) -> None:
    response = admin.client.get(url, headers=GZIP)
    assert "Content-Encoding" not in response.headers
    assert "Accept-Encoding" not in response.headers.get("Vary", "")
