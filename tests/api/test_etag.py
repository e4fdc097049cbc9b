"""If-None-Match: what a caller has already is not sent again."""

import pytest
from flask import Flask

from tests.support.clients import Api
from tests.support.customers import GOLD, SILVER, add_customers, set_segments

URLS = (
    "/api/v3/openapi.json",
    "/api/v3/customers",
    "/api/v3/segments",
    "/api/v3/customers/1232-2323/segments",
    "/api/customers/segments?email=ana@example.com",
    "/api/v3/change-sets/1",
    "/api/v3/changes",
)
UNCHANGING = ("/api/v3/openapi.json", "/api/v3/change-sets/1")


@pytest.mark.parametrize("url", URLS)
def test_if_none_match_is_304_until_something_changes(api: Api, ana: str, url: str) -> None:
    set_segments(ana, GOLD)
    first = api.get(url)
    etag = first.headers["ETag"]
    assert etag.startswith('W/"')
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = api.get(url, status=304, headers={"If-None-Match": etag})
    assert again.data == b""
    assert again.headers["ETag"] == etag
    assert "Content-Type" not in again.headers
    set_segments(ana, SILVER)
    add_customers("another")
    later = api.get(url, headers={"If-None-Match": etag}, status=304 if url in UNCHANGING else 200)
    assert later.data == b"" or later.json != first.json


@pytest.mark.parametrize("if_none_match", ["{}", '"old", {}', "*", 'W/"old",{}'])
def test_if_none_match_accepts_lists_and_weak_etags(api: Api, ana: str, if_none_match: str) -> None:
    weak = api.get("/api/v3/customers").headers["ETag"]
    for etag in (weak, weak.removeprefix("W/")):
        api.get("/api/v3/customers", status=304, headers={"If-None-Match": if_none_match.format(etag)})


@pytest.mark.parametrize("headers", [{"If-None-Match": "x"}, {"If-Match": '"x"'}, {"Range": "bytes=0-1"}])
def test_other_conditions_change_nothing(api: Api, ana: str, headers: dict[str, str]) -> None:
    assert api.get("/api/v3/customers", headers=headers).json == api.get("/api/v3/customers").json


def test_a_refusal_and_a_change_have_no_etag(app: Flask, api: Api, ana: str) -> None:
    every = {"If-None-Match": "*"}
    refused = api.get("/api/v3/change-sets/1", status=404, code="NOT_FOUND", headers=every)
    changed = api.replace([{"document_id": ana, "segments": GOLD}], headers=every)
    assert "ETag" not in refused.headers
    assert "ETag" not in changed.headers
    assert app.test_client().get("/api/v3/customers", headers=every).status_code == 401
