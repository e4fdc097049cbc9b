"""gzip both ways: bodies may come so, answers go so to whoever accepts it, and pages never do."""

import gzip
import json

import pytest
from flask import Flask

from app.web.compression import MIN_BYTES
from tests.support.clients import Api
from tests.support.customers import GOLD, add_customers, all_segments
from tests.support.html_client import Operator

GZIP = {"Accept-Encoding": "gzip, deflate, br"}


@pytest.fixture
def many(app: Flask) -> None:
    add_customers(*(f"{n:04}" for n in range(200)))


def test_it_works(api: Api, many: None) -> None:
    plain = api.get("/api/v3/customers")
    packed = api.get("/api/v3/customers", headers=GZIP)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.content_length == len(packed.data) < len(plain.data) / 4
    assert json.loads(gzip.decompress(packed.data)) == plain.json
    assert "Content-Encoding" not in plain.headers
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"


def test_a_request_and_its_answer_may_both_be_gzipped(api: Api, many: None) -> None:
    ids = [f"{n:04}" for n in range(200)]
    body = gzip.compress(json.dumps({"customers": [{"document_id": id_, "segments": GOLD} for id_ in ids]}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", **GZIP}
    answer = api.call("POST", "/api/v3/customers/segments?report=true", data=body, headers=headers)
    assert json.loads(gzip.decompress(answer.data))["updatedCustomers"] == ids
    assert answer.headers["Change-Set"]
    assert set(map(str, all_segments().values())) == {str(GOLD)}


def test_the_etag_is_the_same_either_way(api: Api, many: None) -> None:
    etag = api.get("/api/v3/customers", headers=GZIP).headers["ETag"]
    assert etag == api.get("/api/v3/customers").headers["ETag"]
    for headers in ({}, GZIP):
        unchanged = api.get("/api/v3/customers", status=304, headers=headers | {"If-None-Match": etag})
        assert unchanged.data == b""
        assert "Content-Encoding" not in unchanged.headers


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0", "gzip;q=0, *", "br", "gzip;q=x"])
def test_it_is_left_as_it_is_for_others(api: Api, many: None, accepted: str) -> None:
    answer = api.get("/api/v3/customers", headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in answer.headers or accepted == "gzip;q=x"


def test_what_is_small_is_left_as_it_is(api: Api, ana: str) -> None:
    answer = api.get(f"/api/v3/customers/{ana}/segments", headers=GZIP)
    assert len(answer.data) < MIN_BYTES
    assert "Content-Encoding" not in answer.headers


@pytest.mark.parametrize("path", ["/static/any-version/css/base.css", "/api/docs/swagger-ui.css"])
def test_files_are_gzipped_and_known_again(app: Flask, path: str) -> None:
    client = app.test_client()
    for _ in range(2):
        packed = client.get(path, headers=GZIP)
        assert gzip.decompress(packed.data) == client.get(path).data
    etag = packed.headers["ETag"]
    assert etag.startswith("W/")
    assert client.get(path, headers=GZIP | {"If-None-Match": etag}).status_code == 304
    part = client.get(path, headers=GZIP | {"Range": "bytes=0-9"})
    assert "Content-Encoding" not in part.headers
    assert part.data == client.get(path).data[:10]


@pytest.mark.parametrize("url", ["/customers", "/customers.csv", "/metrics", "/healthz"])
def test_pages_exports_and_metrics_are_not(admin: Operator, many: None, url: str) -> None:
    answer = admin.client.get(url, headers=GZIP)
    assert "Content-Encoding" not in answer.headers
    assert "Accept-Encoding" not in answer.headers.get("Vary", "")
