"""The list of a segment's members, as a client sends it."""

from typing import Any

from werkzeug.test import TestResponse

from tests.support.clients import Api

URL = "/api/v3/segments/membership/GOLD/members"
BASIC: list[dict[str, str]] = [{"type": "interest", "value": "WINE"}]


def put(api: Api, ids: list[str], query: str = "", **kwargs: Any) -> TestResponse:
    return api.call("PUT", URL + query, json={"document_ids": ids}, **kwargs)
